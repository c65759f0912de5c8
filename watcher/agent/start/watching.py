"""How the drop folder is watched, and what can tell that a file in it is whole: by the settings, the user and
the file system."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from watcher.disk.leases import may_try_others
from watcher.disk.mounts import network_cache_seconds
from watcher.settings.settings import Config


@dataclass(frozen=True, slots=True)
class Watching:
    """How the drop folder is watched."""

    quiet: float  # seconds, raised on network shares
    network: bool
    events: bool
    unsure: float  # seconds, where nothing tells whether a program has a file open

    @property
    def words(self) -> str:
        """For people: how it is watched, and what tells that a program has a file open for writing."""
        return f"{'events and looks' if self.events else 'looks alone'}; {self.open_files}"

    @property
    def may_lease(self) -> bool:
        """Whether the kernel can be asked with a lease which files are open."""
        return not self.network and sys.platform == "linux"

    @property
    def open_files(self) -> str:
        """For people: what tells that a program has a file open for writing."""
        still = f"a file must be still for {max(self.quiet, self.unsure):g} s"
        if not self.may_lease:
            return f"nothing tells which files are open, {still}"
        if may_try_others():
            return "open files by lease"
        if self.events:
            return "open files by lease, those of other users by events"
        return f"open files by lease; of those of other users nothing tells, such {still}"


def watching(config: Config) -> Watching:
    """Decide between events and polling, and how long a file must be still."""
    cache = network_cache_seconds(config.folders.drop)
    return Watching(
        quiet=max(config.settle.quiet, cache or 0.0),
        network=cache is not None,
        events=config.observe == "native" or (config.observe == "auto" and cache is None),
        unsure=config.settle.unsure,
    )
