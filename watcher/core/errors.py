"""Everything that can go wrong, as one tree; each class is one sentence.

WatcherError
├── ConfigError          the settings are wrong, or a command cannot start; exit 1
│   ├── NotAlone         ... because another agent works under our id
│   ├── NoJournal        ... because no agent ever ran here
│   └── Outdated         ... because the journal is of an older version, and opened for reading alone
├── Outside              the fault lies outside the file: its target is held, nothing is lost
│   ├── LostAnswer       ... and whether the server took the request is not known
│   └── CutOff           ... and the server cannot have the whole request
├── NotWhole             the file is not what was looked at any more: look again later
├── TooSlow              an expression of the settings finds no end on a text: nothing is known of that
├── Gone                 the claimed file is neither in the work folder nor where it was to go
├── Unfit                the fault lies in the file: it fails, with this reason
└── IllegalStep          a journal step that the transition table forbids: our own fault; exit 3
    └── TakenOver        ... because the file is another agent's by now
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from watcher.core.target import Target


class WatcherError(Exception):
    """Base of all errors that `watcher` raises on purpose."""


class ConfigError(WatcherError):
    """The settings are wrong, or a command cannot start with them.

    `problems` are complete sentences, each with its remedy; all that were found, not the first alone.
    """

    def __init__(self, problems: Sequence[str] | str) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class NotAlone(ConfigError):
    """Another agent that lives works under our id: whatever we do with a file, it may do as well."""


class NoJournal(ConfigError):
    """There is no journal to be read: no agent ever ran with this state folder."""


class Outdated(ConfigError):
    """The journal is of an older version: whoever may write brings it up to date."""


class Proof(IntEnum):
    """What shows that a fault is over."""

    ANSWER = 0  # that the target answers
    CHUNK = 1  # that the server takes a chunk
    DELIVERY = 2  # that it takes the last chunk of a file


class Outside(WatcherError):
    """A fault outside the file (network, server, credentials, disk): hold `target`, try again."""

    def __init__(
        self,
        target: Target,
        reason: str,
        *,
        check: str = "",
        retry_after: float | None = None,
        narrow: Target | None = None,
        until: Proof = Proof.ANSWER,
        busy: bool = False,
    ) -> None:
        """`target` is what is held, `reason` what happened, `check` what a person should look at.

        `retry_after`: the seconds that the server asked to wait; `narrow`: what is held instead where the
        rest of `target` turns out to work; `until`: what ends the hold; `busy`: fewer requests are wanted.
        """
        super().__init__(f"{target}: {reason}")
        self.target = target
        self.reason = reason
        self.check = check
        self.retry_after = retry_after
        self.narrow = narrow
        self.until = until
        self.busy = busy


class LostAnswer(Outside):
    """The request went out and no answer came: the server may have taken it, or not."""


class CutOff(Outside):
    """The connection broke before the whole request was sent: the server cannot have taken it."""


class NotWhole(WatcherError):
    """The file changed, vanished or was replaced since it was looked at; nothing was done to it."""


class TooSlow(WatcherError):
    """An expression of the settings takes too long on a name or a value; that is no fault of the file's.

    `expression` is the expression, `route` the name of the route whose files it tells by name.
    """

    def __init__(self, expression: str, route: str = "") -> None:
        whose = f"the expression of route {route}" if route else f"the expression {expression}"
        super().__init__(f"{whose} takes too long on this {'name' if route else 'text'}")
        self.expression = expression
        self.route = route


class Gone(WatcherError):
    """The claimed file is neither in the work folder nor where it was to go: somebody took it."""


class Unfit(WatcherError):
    """The fault lies in the file: it fails with `reason`, and `what_to_do` tells a person the way out.

    `lines` says where ("7", or "120-188"), counted from 1; `status` and `said` are the server's answer;
    `problems` the first ones where there are several, a sentence each.
    """

    def __init__(
        self,
        reason: str,
        *,
        what_to_do: str,
        line: int | None = None,
        lines: str | None = None,
        status: int | None = None,
        said: str | None = None,
        problems: Sequence[str] = (),
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.what_to_do = what_to_do
        self.lines = lines if line is None else str(line)
        self.status = status
        self.said = said
        self.problems = tuple(problems)


class IllegalStep(WatcherError):
    """The journal refused a step that `model.TRANSITIONS` does not list: a fault of ours."""


class TakenOver(IllegalStep):
    """The row is another agent's by now, or gone: whatever we know of the file is out of date.

    `by` is the id of that agent; "": the row is gone.
    """

    def __init__(self, id: int, by: str) -> None:
        super().__init__(f"file {id}: it is {by}'s by now" if by else f"file {id}: no row")
        self.id = id
        self.by = by
