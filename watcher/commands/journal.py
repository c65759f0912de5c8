"""`watcher journal copy`: takes an agent's journal into PostgreSQL, or back.

Registered by `cli`; it has a module of its own, which loads the rest only when it is needed.
"""

from __future__ import annotations

from watcher.commands import options


def journal(
    what: options.JournalAct, config: options.ConfigOption = None, back: options.BackOption = False
) -> None:
    """Copy the journal of the state folder into PostgreSQL, whole or not at all; or back.

    Example: watcher journal copy
    """
    del what  # there is but one
    from watcher.commands.journal_copy import copy
    from watcher.settings.config import find, load

    copy(load(find(config), secrets=False)[0], options.say, back=back)
