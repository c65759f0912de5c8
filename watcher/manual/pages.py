"""The pages of the manual: their names in the order they are listed, their titles, their texts."""

from __future__ import annotations

from pathlib import Path

NAMES = (
    "install", "windows", "delivery", "files", "failed", "commands", "page", "monitoring", "notices",
    "housekeeping", "settings", "agents", "security", "tested", "faq", "glossary",
)  # fmt: skip
_HERE = Path(__file__).parent


def page(name: str) -> str:
    """Return the Markdown of a page, one of `NAMES`; that of `settings` is made from the models."""
    if name == "settings":
        from watcher.manual.settings_page import settings_page  # the models take a while

        return settings_page()
    return (_HERE / f"{name}.md").read_text(encoding="utf-8")


def title(name: str) -> str:
    """Return what a page is about, in a line."""
    if name == "settings":
        return "Settings: each key, its type and its default"
    return page(name).partition("\n")[0].removeprefix("# ")
