"""What `check` says of the journal: of the file in the state folder, and of PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.commands.finding import Finding, probed
from watcher.core.errors import ConfigError
from watcher.core.names import counted
from watcher.journal.postgres_memory import refuse_elsewhere
from watcher.journal.reading import look_at
from watcher.journal.sqlite import FILE, require_sound
from watcher.report.expect import duration
from watcher.settings.settings import Config

if TYPE_CHECKING:
    from watcher.journal.postgres_look import Look

SLOW_ANSWER_SECONDS = 0.1
SLOW_COMMIT_SECONDS = 0.1  # each chunk waits for one
CLOCK_OFF_SECONDS = 5.0


def journal(config: Config) -> Iterator[Finding]:
    """Yield what the database is like; nothing where the journal is in the state folder, as it was, and is
    whole."""
    yield from _own(config.folders.state)
    if (url := config.journal_url) is None:
        try:
            refuse_elsewhere(config.folders.state)
        except ConfigError as error:
            words, _, fix = str(error).removeprefix("journal: ").partition("; ")
            yield Finding("fault", "journal", words, fix)
        return
    looks = []

    def seen() -> str:
        looks.append(found := look_at(url))
        knows = "no tables yet" if found.agents is None else f"it knows {counted(found.agents, 'agent')}"
        commits = "" if found.commit_seconds is None else f", and commits in {_ms(found.commit_seconds)}"
        by = "; by a pooler that keeps sessions, as it must" if found.has_pooler else ""
        return (
            f"PostgreSQL {found.server} at {found.place}, {knows}; it answers in"
            f" {_ms(found.answer_seconds)}{commits}{by}"
        )

    yield probed("journal", seen)
    for found in looks:
        yield from rights(found)
        yield from pace(found)


def _own(folder: Path) -> Iterator[Finding]:
    """Yield what is wrong with the file in the state folder: the agent's id is there in any case, too."""
    if not os.access(folder / FILE, os.R_OK):
        return  # there is none yet; or the folders say who may look there

    def whole() -> str:
        require_sound(folder)
        return "it is whole"

    if (found := probed("journal", whole)).level == "fault":
        yield found


def rights(found: Look) -> Iterator[Finding]:
    """Yield what the agent would have to do there, and may not."""
    if found.lacks:
        fix = "let the owner of the database grant it to the role of the URL"
        if "up to date" in found.lacks:
            fix = "start an agent with the role that made them once, or let that role be granted to this one"
        yield Finding("fault", "journal", f"this role may not {found.lacks}", fix)
    if found.commit_seconds is None:
        words = "the database takes no writes: it is a replica, or default_transaction_read_only is on"
        yield Finding("fault", "journal", words, "name the primary in the URL, or switch that setting off")


def pace(found: Look) -> Iterator[Finding]:
    """Yield what works, and may cost files or time."""
    if found.loses:
        words = f"the server's setting {found.loses} is off: it may lose what it acknowledged"
        yield Finding("warn", "journal", words, "set it to on")
    if found.answer_seconds > SLOW_ANSWER_SECONDS:
        words = f"it answers in {found.answer_seconds:.2f} s, and each file asks it several times"
        yield Finding("warn", "journal", words, "a database that is nearer")
    if found.commit_seconds is not None and found.commit_seconds > SLOW_COMMIT_SECONDS:
        words = f"a commit takes {found.commit_seconds:.2f} s, and each chunk waits for one"
        yield Finding("warn", "journal", words, "a faster disk, or a database that is nearer")
    if abs(found.ahead_seconds) > CLOCK_OFF_SECONDS:
        which = "ahead of" if found.ahead_seconds > 0 else "behind"
        off = duration(round(abs(found.ahead_seconds)))
        yield Finding(
            "warn", "journal", f"this machine's clock is {off} {which} the database's", "set it (NTP)"
        )


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"
