"""`watcher manual [PAGE]`: lists the user's pages, or shows one; `--schema`: the settings' JSON Schema."""

from __future__ import annotations

import json

from watcher.commands.terminal import Terminal
from watcher.manual.pages import NAMES, page, title


def manual(name: str | None, terminal: Terminal, *, schema: bool = False) -> int:
    """List the pages, or show the one of this name, one of `NAMES`, or the schema; returns 0."""
    if schema:
        from watcher.manual.schema import settings_schema  # the models take a while

        terminal.say(json.dumps(settings_schema(), indent=2, ensure_ascii=False))
    elif name is None:
        width = max(map(len, NAMES))
        for each in NAMES:
            terminal.say(f"{each:<{width}}  {title(each)}")
    else:
        terminal.markdown(page(name))
    return 0
