"""What `check` says of the journal in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

from watcher.commands.finding import Finding, probed
from watcher.core.names import counted
from watcher.journal.reading import look_at
from watcher.report.expect import duration
from watcher.settings.settings import Config

SLOW_COMMIT_SECONDS = 0.1  # each chunk waits for one
CLOCK_OFF_SECONDS = 5.0


def journal(config: Config) -> Iterator[Finding]:
    """Yield what the database is like; nothing where the journal is in the state folder."""
    if (url := config.journal_url) is None:
        return
    looks = []

    def seen() -> str:
        looks.append(found := look_at(url))
        knows = "no tables yet" if found.agents is None else f"it knows {counted(found.agents, 'agent')}"
        return (
            f"PostgreSQL {found.server} at {found.place}, {knows}; it answers in"
            f" {1000 * found.answer_seconds:.1f} ms, and commits in {1000 * found.commit_seconds:.1f} ms"
        )

    yield probed("journal", seen)
    for found in looks:
        if found.lacks:
            fix = "let the owner of the database grant it to the role of the URL"
            yield Finding("fault", "journal", f"this role may not {found.lacks}", fix)
        if found.loses:
            words = f"the server's setting {found.loses} is off: it may lose what it acknowledged"
            yield Finding("warn", "journal", words, "set it to on")
        if found.commit_seconds > SLOW_COMMIT_SECONDS:
            words = f"a commit takes {found.commit_seconds:.2f} s, and each chunk waits for one"
            yield Finding("warn", "journal", words, "a faster disk, or a database that is nearer")
        if abs(found.ahead_seconds) > CLOCK_OFF_SECONDS:
            which = "ahead of" if found.ahead_seconds > 0 else "behind"
            off = duration(round(abs(found.ahead_seconds)))
            yield Finding(
                "warn", "journal", f"this machine's clock is {off} {which} the database's", "set it (NTP)"
            )
