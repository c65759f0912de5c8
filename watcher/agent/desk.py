"""What all deliveries of a process share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from watcher.agent.holds import Holds
from watcher.content.content import Content
from watcher.core.conversation import Reply, Request
from watcher.core.model import Route, Row
from watcher.journal.protocol import Journal


class Sender(Protocol):
    """What `deliver` needs of a client."""

    server: str
    token_url: str
    tenant: str

    def push(self, request: Request) -> Reply:
        """Send one request; raises `Outside`."""


@dataclass(slots=True)
class Desk:
    """What all deliveries of this process share."""

    journal: Journal
    client: Sender
    holds: Holds
    lost_answer: Literal["resend", "new_token"]
    attempts: int
    retry_cap: float  # seconds
    on_chunk: Callable[[Row, int], None] = lambda _entry, _position: None  # bytes delivered so far
    # The chunk size that a server took after a 413, per route. Written by whichever thread learns it:
    # a lost update costs one more 413.
    limits: dict[str, int] = field(default_factory=dict)


def destination(route: Route, tenant: str, content: Content) -> str:
    """Return a digest of what makes two requests parts of one operation, apart from the push token: where
    they go, and what they are cut from."""
    parts = (
        route.url,
        tenant,
        route.content_type,
        route.acd_type,
        route.params,
        route.header,
        content.sha256,
        content.opening.array,
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()
