"""Settings to folders: what every command needs that looks into them, without the rest of the agent."""

from __future__ import annotations

from watcher.agent.start.watching import watching
from watcher.core.renaming import keeping
from watcher.disk.drop import Drop
from watcher.disk.places import Places
from watcher.journal.protocol import Journal
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config


def places(config: Config, journal: Journal) -> Places:
    """Return the folders, this agent's own part of the work folder among them."""
    folders = config.folders
    work = folders.work_folder / journal.agent_id
    by_day = config.done.by == "day"
    return Places(
        folders.drop, work, folders.done, folders.failed, folders.state,
        by_day=by_day,
        keeps=keeping(lambda: build_routes(config)),
    )  # fmt: skip


def build_drop(config: Config) -> Drop:
    """Return the drop folder, ready to be looked into."""
    folders = config.folders
    ours = (folders.work_folder, folders.done, folders.failed, folders.state)
    return Drop(folders.drop, config.settle.ignore, network=watching(config).network, ours=ours)
