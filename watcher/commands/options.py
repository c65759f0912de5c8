"""The options that several commands have, and how their values are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from watcher import __version__
from watcher.core.units import seconds
from watcher.manual.pages import NAMES

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "-c", "--config", metavar="FILE", help="The settings; default $WATCHER_CONFIG, else config.yaml."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


LONGEST_WATCH_DAYS = 1  # of one wait Windows counts 49 at most (`threading.TIMEOUT_MAX`)
WATCH_SECONDS = 2.0  # a look costs a scan of the drop folder and some questions to the journal
SHORTEST_WATCH_SECONDS = 0.2
MOST_ROWS = 1_000_000_000  # what any database takes for a number


def duration(value: str) -> float:
    """Return a duration of the command line in seconds. Raises `BadParameter` for what is none."""
    try:
        return seconds(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def watch_duration(value: str) -> float:
    """Return how long `status --watch` pauses, in seconds. Raises `BadParameter`."""
    amount = duration(value)
    if amount < SHORTEST_WATCH_SECONDS:
        raise typer.BadParameter(f"must be at least {SHORTEST_WATCH_SECONDS:g}s")
    if amount > LONGEST_WATCH_DAYS * 86_400:
        raise typer.BadParameter(f"must be at most {LONGEST_WATCH_DAYS}d")
    return amount


def patience_option(text: str) -> object:
    """Return an option for a duration, by default a minute."""
    return typer.Option("--patience", metavar="DURATION", parser=duration, help=text, show_default="60s")


OncePatienceOption = Annotated[float, patience_option("With --once: how long to wait while nothing moves.")]
PatienceOption = Annotated[float, patience_option("How long to wait while nothing moves.")]
UploadArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="The files, or folders; they stay where they are.")
]
RecursiveOption = Annotated[
    bool, typer.Option("-r", "--recursive", help="Of a folder, the files in all folders below it, too.")
]
LogFormatOption = Annotated[
    str | None, typer.Option("--log-format", metavar="text|json", help="Instead of log.format.")
]
VerboseOption = Annotated[bool, typer.Option("-v", "--verbose", help="Log every chunk.")]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Do not ask the server.")]
NotifyOption = Annotated[bool, typer.Option("--notify", help="Send a test message to people too.")]
FailedOption = Annotated[bool, typer.Option("--failed", help="Only files that failed.")]
LimitOption = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, max=MOST_ROWS, help="At most N rows.")
]
PortOption = Annotated[
    int, typer.Option("--port", metavar="N", min=0, max=65535, help="Where it listens; 0: any free one.")
]
TenantOption = Annotated[str, typer.Option("--tenant", metavar="NAME", help="Its one tenant.")]

WatchOption = Annotated[bool, typer.Option("--watch", help="Show it again and again, until Ctrl-C.")]
EveryArgument = Annotated[
    float | None,
    typer.Argument(
        metavar="[SECONDS]", parser=watch_duration, help="With --watch: so often.", show_default="2"
    ),
]
AsOption = Annotated[
    str | None,
    typer.Option("--as", metavar="USER", help="Look at the folders as this user; for root, on Linux."),
]
ServiceKind = Annotated[
    Literal["systemd", "windows", "container", "prometheus", "grafana"],
    typer.Argument(metavar="KIND", help="What is to run it, or to watch it: one of these words."),
]
JournalAct = Annotated[
    Literal["copy", "accept"],
    typer.Argument(metavar="copy|accept", help="What is done: see below."),
]
BackOption = Annotated[bool, typer.Option("--back", help="Out of the database, into the state folder.")]
QueueArgument = Annotated[list[str], typer.Argument(metavar="NAME...", help="Files in the queue, or paths.")]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Also a file of another agent that seems to live.")
]
ServiceUserOption = Annotated[
    str | None, typer.Option("--user", metavar="NAME", help="systemd: a user of yours, not a dynamic one.")
]
WriteOption = Annotated[
    Path | None, typer.Option("--write", metavar="FILE", help="windows: write the script, as it must be.")
]
SinceOption = Annotated[
    float | None,
    typer.Option("--since", metavar="DURATION", parser=duration, help="Only the last 7d, 24h, ..."),
]
TokenLifeOption = Annotated[
    float,
    typer.Option(
        "--token-life", metavar="DURATION", parser=duration, help="Of its tokens.", show_default="300s"
    ),
]
SecondsOption = Annotated[
    float | None, typer.Option("--seconds", metavar="N", parser=duration, help="With --web: end by itself.")
]
KeepOption = Annotated[bool, typer.Option("--keep", help="Leave the folder, to look around in it.")]
WebOption = Annotated[bool, typer.Option("--web", help="Show the status page, until Ctrl-C.")]
OnceOption = Annotated[
    bool, typer.Option("--once", help="End when every file is done or failed: 1 if one failed, 4 if held.")
]
RouteOption = Annotated[
    str | None, typer.Option("--route", metavar="NAME", help="The route, instead of by the file's name.")
]
AcdTypeOption = Annotated[
    str | None, typer.Option("--acd-type", metavar="TYPE", help="The ACD type, instead of the route's.")
]


InitTenantOption = Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="Of the WFM.")]
ApiUrlOption = Annotated[str | None, typer.Option("--api-url", metavar="URL", help="Address of the API.")]
TokenUrlOption = Annotated[
    str | None, typer.Option("--token-url", metavar="URL", help="Address of the token endpoint.")
]
ClientIdOption = Annotated[
    str | None, typer.Option("--client-id", metavar="ID", help="Who the agent is there.")
]
SecretFileOption = Annotated[
    str | None,
    typer.Option("--secret-file", metavar="FILE", help="Where its secret is; default $WFM_CLIENT_SECRET."),
]
FoldersOption = Annotated[
    str | None,
    typer.Option("--folders", metavar="DIR", help="For drop, done, failed, state; or A,B,C,D for each."),
]
InitAcdTypeOption = Annotated[str, typer.Option("--acd-type", metavar="TYPE", help="As in your event types.")]
MakeFoldersOption = Annotated[bool, typer.Option("--make-folders", help="Make those that are not there.")]
InitSandboxOption = Annotated[
    int | None,
    typer.Option("--sandbox", metavar="PORT", min=1, max=65535, help="For `watcher sandbox` there."),
]


say = typer.echo


def usage_error(words: str, option: str | None = None) -> Exception:
    """Return what ends a command with exit code 2."""
    return typer.BadParameter(words, param_hint=option)


def _page(value: str) -> str:
    if value not in NAMES:
        raise typer.BadParameter(f"there is no page {value}; the pages are {', '.join(NAMES)}")
    return value


PageArgument = Annotated[
    str | None, typer.Argument(metavar="PAGE", parser=_page, help="Its name; without one: list them.")
]
SuggestOption = Annotated[
    bool, typer.Option("--suggest", help="Print a route's settings for an unknown export; needs no settings.")
]
SchemaOption = Annotated[
    bool, typer.Option("--schema", help="Print the JSON Schema of the settings, for editors.")
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"watcher {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
]
