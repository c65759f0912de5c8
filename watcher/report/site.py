"""Which agent speaks, for people who have several: on the page, in notices and in the subjects of mails."""

from __future__ import annotations

from dataclasses import dataclass

from watcher.core.names import shown


@dataclass(frozen=True, slots=True)
class Site:
    """An agent, as people tell it from another one."""

    title: str | None  # `status.title`
    tenant: str
    host: str

    @property
    def words(self) -> str:
        """For people: `Prague (demo on host-1)`, or without a title `demo on host-1`."""
        where = f"{shown(self.tenant)} on {shown(self.host)}"
        return f"{self.title} ({where})" if self.title else where
