"""The command line: arguments, help, exit codes. What the commands do is in `commands/`.

Exit codes: 0 fine; 1 something is not as it should be (the output says what); 2 wrong usage; 3 a fault of
ours; 4 `run --once` with something still held; 129, 130, 143 interrupted; 141 nobody reads what it says.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from watcher.agent.signals import START
from watcher.commands import init, journal, options
from watcher.commands.ending import ended
from watcher.commands.help import PlainCommand

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

command = partial(app.command, cls=PlainCommand)


@command()
def run(
    config: options.ConfigOption = None,
    once: options.OnceOption = False,
    patience: options.OncePatienceOption = 60.0,
    log_format: options.LogFormatOption = None,
    verbose: options.VerboseOption = False,
) -> None:
    """Watch the drop folder and deliver files until stopped.

    Example: watcher run -c /etc/watcher/config.yaml
    """
    if log_format not in (None, "text", "json"):
        raise typer.BadParameter("must be text or json", param_hint="--log-format")
    from watcher.commands import run as command
    from watcher.settings.config import find

    START.read_settings()
    settings, warnings = _loaded(config)
    set_up_log = partial(command.set_up_log, style=log_format, verbose=verbose)
    set_up_log(settings)
    code = command.run(
        settings, warnings, once=once, patience=patience,
        load=partial(_loaded, config), file=find(config), set_up_log=set_up_log,
    )  # fmt: skip
    raise typer.Exit(code)


@command()
def check(
    config: options.ConfigOption = None,
    offline: options.OfflineOption = False,
    notify: options.NotifyOption = False,
    user: options.AsOption = None,
    json: options.JsonOption = False,
) -> None:
    """Test the settings, the folders, the server and the login; change nothing.

    Example: watcher check --notify
    """
    from watcher.commands.check import check_file as command
    from watcher.settings.config import find

    path = find(config)
    raise typer.Exit(command(path, typer.echo, offline=offline, notify=notify, as_data=json, user=user))


command("init")(init.init)


@command()
def upload(
    files: options.UploadArgument,
    config: options.ConfigOption = None,
    route: options.RouteOption = None,
    acd_type: options.AcdTypeOption = None,
    recursive: options.RecursiveOption = False,
    patience: options.PatienceOption = 60.0,
) -> None:
    """Send files by hand, or those in a folder, also beside a running agent.

    Example: watcher upload --route agent-events monday.csv
    """
    from watcher.commands.upload import upload as command
    from watcher.report import log
    from watcher.settings.config import find, load_to_send

    settings = load_to_send(find(config))
    log.setup("critical", style="text")  # what became of a file is said in its line
    code = command(
        settings, files, route_name=route, acd_type=acd_type, deep=recursive, patience=patience,
        terminal=_terminal(stderr=True), say=typer.echo,
    )  # fmt: skip
    raise typer.Exit(code)


@command()
def explain(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="The files to look at.")],
    config: options.ConfigOption = None,
    suggest: options.SuggestOption = False,
) -> None:
    """Say what would happen to files; send nothing.

    Example: watcher explain agent_events.csv
    """
    from watcher.commands.explain import explain as command

    if suggest:
        from watcher.commands.explain_suggest import suggest as suggesting

        raise typer.Exit(suggesting(files, typer.echo))
    raise typer.Exit(command(_loaded(config, secrets=False)[0], files, typer.echo))


@command()
def status(
    seconds: options.EveryArgument = None,
    config: options.ConfigOption = None,
    watch: options.WatchOption = False,
    json: options.JsonOption = False,
) -> None:
    """Show what the agent does, what is held, what waits and why, and the last outcomes.

    Example: watcher status --watch 5
    """
    if seconds is not None and not watch:
        raise typer.BadParameter("a number of seconds is for --watch", param_hint="SECONDS")
    if watch and json:
        raise typer.BadParameter("is for people; --json goes without it", param_hint="--watch")
    from watcher.commands.status import status as command

    every = (seconds or options.WATCH_SECONDS) if watch else None
    raise typer.Exit(command(_loaded(config, secrets=False)[0], _terminal(), as_data=json, every=every))


@command()
def history(
    config: options.ConfigOption = None,
    failed: options.FailedOption = False,
    since: options.SinceOption = None,
    limit: options.LimitOption = None,
    json: options.JsonOption = False,
) -> None:
    """Show what happened to every file, newest first.

    Example: watcher history --failed --since 7d
    """
    from watcher.commands.history import history as command

    settings, _ = _loaded(config, secrets=False)
    raise typer.Exit(
        command(settings, _terminal(), failed=failed, since_seconds=since, limit=limit, as_data=json)
    )


@command()
def retry(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Failed files.")] = None,
    config: options.ConfigOption = None,
    everything: Annotated[bool, typer.Option("--all", help="All failed files.")] = False,
) -> None:
    """Move failed files back into the drop folder.

    Example: watcher retry agent_events.csv
    """
    if bool(names) == everything:
        raise typer.BadParameter("give the names of failed files, or --all")
    from watcher.commands.retry import retry as command

    raise typer.Exit(
        command(_loaded(config, secrets=False)[0], names or [], typer.echo, everything=everything)
    )


@command()
def withdraw(
    names: options.QueueArgument,
    config: options.ConfigOption = None,
    force: options.ForceOption = False,
) -> None:
    """Take files that wait, are held or lie stranded out of the queue: into failed, with a report.

    Example: watcher withdraw agent_events.csv
    """
    from watcher.commands.withdraw import withdraw as command

    raise typer.Exit(command(_loaded(config, secrets=False)[0], names, typer.echo, force=force))


command("journal")(journal.journal)


@command()
def service(
    kind: options.ServiceKind,
    config: options.ConfigOption = None,
    user: options.ServiceUserOption = None,
    write: options.WriteOption = None,
) -> None:
    """Print what makes a service of it (for systemd, Windows, containers) or watches it; change nothing.

    Example: watcher service systemd -c /etc/watcher/config.yaml
    """
    from watcher.commands.service import service as command

    raise typer.Exit(command(kind, config, typer.echo, user=user, target=write))


@command()
def sandbox(
    port: options.PortOption = 8080,
    tenant: options.TenantOption = "demo",
    token_life: options.TokenLifeOption = 300.0,
    config: options.ConfigOption = None,
) -> None:
    """Run a WFM stand-in on the loopback, for trying a config; needs no settings itself.

    Example: watcher sandbox --port 8080
    """
    del config  # accepted after every command
    from watcher.commands.sandbox import sandbox as command

    raise typer.Exit(command(typer.echo, port=port, tenant=tenant, token_life=token_life))


@command()
def demo(
    config: options.ConfigOption = None,
    keep: options.KeepOption = False,
    web: options.WebOption = False,
    seconds: options.SecondsOption = None,
) -> None:
    """Watch sample files travel through a real agent to a WFM stand-in; takes a few seconds.

    Example: watcher demo --web
    """
    del config  # accepted after every command
    if seconds is not None and not web:
        raise typer.BadParameter("is for --web alone", param_hint="--seconds")
    from watcher.commands.demo import demo as command

    raise typer.Exit(command(_terminal(), keep=keep, web=web, seconds=seconds))


@command()
def manual(
    page: options.PageArgument = None,
    config: options.ConfigOption = None,
    schema: options.SchemaOption = False,
) -> None:
    """Show a page of the manual, or list them.

    Example: watcher manual failed
    """
    del config  # accepted after every command
    from watcher.commands.manual import manual as command

    raise typer.Exit(command(page, _terminal(), schema=schema))


@app.callback()
def _options(version: options.VersionOption = False) -> None:
    del version


def _loaded(option: Path | None, *, secrets: bool = True) -> tuple[Config, list[str]]:
    """Read the settings; `secrets` False: the command sends nothing, and does without them."""
    from watcher.settings.config import find, load

    return load(find(option), secrets=secrets)


def _terminal(*, stderr: bool = False) -> Terminal:
    from watcher.commands.terminal import Terminal

    return Terminal(stderr=stderr)


def main() -> NoReturn:
    """Run the command line."""
    START.begin()  # of a script of ours that was installed when it was called directly
    ended(app)
