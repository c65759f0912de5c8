"""The command line: arguments, help, exit codes. What the commands do is in `commands/`.

Exit codes: 0 fine; 1 something is not as it should be (the output says what); 2 wrong usage; 3 a fault of
ours; 4 `run --once` with something still held; 130 interrupted.
"""

from __future__ import annotations

import io
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from watcher import __version__
from watcher.commands.options import ConfigOption, JsonOption, duration, patience_option
from watcher.core.errors import ConfigError, Outside

if TYPE_CHECKING:
    from watcher.commands.terminal import Terminal
    from watcher.settings.settings import Config

app = typer.Typer(
    name="watcher",
    help="Carries files from a drop folder to the WFM import API, and says where each one is and why.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help survives pipes and old code pages
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def run(
    config: ConfigOption = None,
    once: Annotated[
        bool,
        typer.Option("--once", help="End when every file is done or failed: 1 if one failed, 4 if held."),
    ] = False,
    patience: Annotated[float, patience_option("With --once: how long to wait while nothing moves.")] = 60.0,
    log_format: Annotated[
        str | None, typer.Option("--log-format", metavar="text|json", help="Instead of log.format.")
    ] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log every chunk.")] = False,
) -> None:
    """Watch the drop folder and deliver files until stopped.

    Example: watcher run -c /etc/watcher/config.yaml
    """
    if log_format not in (None, "text", "json"):
        raise typer.BadParameter("must be text or json", param_hint="--log-format")
    from watcher.commands import run as command

    settings, warnings = _loaded(config)
    set_up_log = partial(command.set_up_log, style=log_format, verbose=verbose)
    set_up_log(settings)
    again = partial(_loaded, config)
    code = command.run(settings, warnings, once=once, patience=patience, load=again, set_up_log=set_up_log)
    raise typer.Exit(code)


@app.command()
def check(
    config: ConfigOption = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the server.")] = False,
    notify: Annotated[bool, typer.Option("--notify", help="Send a test message to people too.")] = False,
    json: JsonOption = False,
) -> None:
    """Test the settings, the folders, the server and the login; change nothing.

    Example: watcher check --notify
    """
    from watcher.commands.check import check as command

    settings, warnings = _loaded(config)
    raise typer.Exit(command(settings, warnings, typer.echo, offline=offline, notify=notify, as_data=json))


@app.command()
def upload(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="The files; they stay where they are.")
    ],
    config: ConfigOption = None,
    route: Annotated[
        str | None, typer.Option("--route", metavar="NAME", help="The route, instead of by the file's name.")
    ] = None,
    acd_type: Annotated[
        str | None, typer.Option("--acd-type", metavar="TYPE", help="The ACD type, instead of the route's.")
    ] = None,
    patience: Annotated[float, patience_option("How long to wait while nothing moves.")] = 60.0,
) -> None:
    """Send files by hand, also beside a running agent.

    Example: watcher upload --route agent-events monday.csv
    """
    from watcher.commands.upload import upload as command
    from watcher.report import log

    settings, _ = _loaded(config)
    log.setup("error", style="text")
    terminal = _terminal(stderr=True)
    code = command(settings, files, route_name=route, acd_type=acd_type, patience=patience, terminal=terminal)
    raise typer.Exit(code)


@app.command()
def explain(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="The files to look at.")],
    config: ConfigOption = None,
) -> None:
    """Say what would happen to files; send nothing.

    Example: watcher explain agent_events.csv
    """
    from watcher.commands.explain import explain as command

    raise typer.Exit(command(_loaded(config)[0], files, typer.echo))


@app.command()
def status(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show what the agent does, what is held, what waits and why, and the last outcomes.

    Example: watcher status --json
    """
    from watcher.commands.status import status as command

    raise typer.Exit(command(_loaded(config)[0], _terminal(), as_data=json))


@app.command()
def history(
    config: ConfigOption = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only files that failed.")] = False,
    since: Annotated[
        float | None,
        typer.Option("--since", metavar="DURATION", parser=duration, help="Only the last 7d, 24h, ..."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="At most N rows.")] = None,
    json: JsonOption = False,
) -> None:
    """Show what happened to every file, newest first.

    Example: watcher history --failed --since 7d
    """
    from watcher.commands.history import history as command

    settings, _ = _loaded(config)
    raise typer.Exit(
        command(settings, _terminal(), failed=failed, since_seconds=since, limit=limit, as_data=json)
    )


@app.command()
def retry(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Failed files.")] = None,
    config: ConfigOption = None,
    everything: Annotated[bool, typer.Option("--all", help="All failed files.")] = False,
) -> None:
    """Move failed files back into the drop folder.

    Example: watcher retry agent_events.csv
    """
    if bool(names) == everything:
        raise typer.BadParameter("give the names of failed files, or --all")
    from watcher.commands.retry import retry as command

    raise typer.Exit(command(_loaded(config)[0], names or [], typer.echo, everything=everything))


@app.command()
def withdraw(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Files in the queue, or paths.")],
    config: ConfigOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also a file of another agent that seems to live.")
    ] = False,
) -> None:
    """Take files that wait, are held or lie stranded out of the queue: into failed, with a report.

    Example: watcher withdraw agent_events.csv
    """
    from watcher.commands.withdraw import withdraw as command

    raise typer.Exit(command(_loaded(config)[0], names, typer.echo, force=force))


@app.command()
def service(
    kind: Annotated[
        Literal["systemd", "windows"], typer.Argument(metavar="systemd|windows", help="What is to run it.")
    ],
    config: ConfigOption = None,
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="NAME", help="systemd: a user of yours, not a dynamic one."),
    ] = None,
) -> None:
    """Print the systemd unit, or the steps on Windows, that make a service of it; change nothing.

    Example: watcher service systemd -c /etc/watcher/config.yaml
    """
    from watcher.commands.service import service as command
    from watcher.settings.config import find

    raise typer.Exit(command(kind, find(config), typer.echo, user=user))


@app.command()
def sandbox(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 8080,
    tenant: Annotated[str, typer.Option("--tenant", help="Its one tenant.")] = "demo",
    token_life: Annotated[
        float,
        typer.Option(
            "--token-life", metavar="DURATION", parser=duration, help="Of its tokens.", show_default="300s"
        ),
    ] = 300.0,
    config: ConfigOption = None,
) -> None:
    """Run a WFM stand-in on the loopback, for trying a config; needs no settings itself.

    Example: watcher sandbox --port 8080
    """
    del config  # accepted after every command
    from watcher.commands.sandbox import sandbox as command

    raise typer.Exit(command(typer.echo, port=port, tenant=tenant, token_life=token_life))


@app.command()
def demo(config: ConfigOption = None) -> None:
    """Watch sample files travel through a real agent to a WFM stand-in; takes a few seconds.

    Example: watcher demo
    """
    del config  # accepted after every command
    from watcher.commands.demo import demo as command

    raise typer.Exit(command(_terminal()))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"watcher {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version


def _loaded(option: Path | None) -> tuple[Config, list[str]]:
    from watcher.settings.config import find, load

    return load(find(option))


def _terminal(*, stderr: bool = False) -> Terminal:
    from watcher.commands.terminal import Terminal

    return Terminal(stderr=stderr)


def main() -> NoReturn:
    """Run the command line: the one place that turns exceptions into exit codes."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's code page does not have is shown escaped, and ends nothing.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except ConfigError as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        sys.exit(1)
    except Outside as fault:
        typer.echo(f"{fault}" + (f"; {fault.check}" if fault.check else ""), err=True)
        sys.exit(1)
    except Exception as error:
        from watcher.core.events import Crashed
        from watcher.report import log

        log.setup()
        log.hear(Crashed(" ".join(sys.argv[1:2]) or "watcher", error))
        sys.exit(3)
    sys.exit(0)
