"""`watcher journal copy`: takes an agent's journal into PostgreSQL, or back.

Registered by `cli`; it has a module of its own, which loads the rest only when it is needed.
"""

from __future__ import annotations

from watcher.commands import options


def journal(
    what: options.JournalAct, config: options.ConfigOption = None, back: options.BackOption = False
) -> None:
    """copy: the journal of the state folder into PostgreSQL, whole or not at all; or back. accept: say that
    the journal of the settings is right, though this agent knew a newer one (its database was restored, say).

    Example: watcher journal copy
    """
    from watcher.commands.journal_copy import accept, copy
    from watcher.settings.config import find, load

    settings = load(find(config), secrets=False)[0]
    if what == "copy":
        copy(settings, options.say, back=back)
    elif back:
        raise options.usage_error("is for copy alone", "--back")
    else:
        accept(settings, options.say)
