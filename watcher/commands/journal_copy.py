"""The work of `watcher journal copy`: a journal goes from the state folder into PostgreSQL, or back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from watcher.core.errors import ConfigError
from watcher.core.names import shown
from watcher.core.units import utc_text
from watcher.disk.files import blame
from watcher.journal import postgres_memory
from watcher.journal.copying import copy as copied
from watcher.journal.lock import AGENT_LOCK, UPLOAD_LOCK, Lock
from watcher.journal.reading import open_both
from watcher.settings.settings import Config


def copy(config: Config, say: Callable[[str], None], *, back: bool) -> None:
    """Copy it, all or nothing; `back`: out of the database that the settings name.

    Raises `ConfigError` where the settings name no database, where the agent runs or files are sent by hand,
    and with `back` where files are under way; `Outside` where nothing was copied, or nobody knows: it may be
    repeated.
    """
    state = config.folders.state
    if config.journal_url is None:
        raise ConfigError(
            "journal: the settings name no database; write `journal: postgresql://...` into them first, and"
            " take it out again after `watcher journal copy --back`"
        )
    with blame(state):
        state.stat()
    # What is written meanwhile would be in one journal alone, or for ever under way in the other.
    with (
        Lock(state, AGENT_LOCK, holder="the agent"),
        Lock(state, UPLOAD_LOCK, holder="a `watcher upload`"),
    ):
        with ExitStack() as opened:
            own, database = open_both(state, config.journal_url)
            opened.callback(own.close)
            opened.callback(database.close)
            if back and (left := len(database.under_way("drop")) + len(database.under_way("hand"))):
                # They would be in both, and another agent may go on with them from there.
                raise ConfigError(
                    f"journal: {left} files of this agent are under way; let it finish them, or withdraw"
                    " them: only then its journal can leave the database"
                )
            source, target = (database, own) if back else (own, database)
            found = copied(source, target, back=back)
        if back:  # behind the last heartbeat: the database has nothing any more that is not here
            postgres_memory.accept(state)
    where = shown(str(state / "journal.db")) if back else "PostgreSQL"
    say(
        f"{found.rows} files and {found.holds} holds of {own.agent_id} are now in {where}"
        + (f"; {found.known} files were known there" if found.known else "")
    )
    say(
        "next: take `journal` out of the settings, and start the agent"
        if back
        else "next: start the agent; the journal in the state folder stays as it is, and is not used any more"
    )


def accept(config: Config, say: Callable[[str], None]) -> None:
    """From now on the journal that the settings name is right, though it is older than what this agent knew:
    a database that was restored from a backup, another one, or the file in the state folder. Raises
    `Outside`."""
    known = postgres_memory.accept(config.folders.state)
    if known is None:
        say("there is nothing to accept: this agent knows of no database, or not more than that")
        return
    which = "the journal in the state folder" if config.journal_url is None else "the database"
    say(
        f"{which} is right from now on; this agent knew what was in a database until {utc_text(known)}; what"
        " was delivered, and is not known now, is in done, and in the import history of the server"
    )
