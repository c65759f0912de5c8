"""A content that was delivered before: sent again, left out, or refused, as the route says."""

from __future__ import annotations

import hashlib

from watcher.content.content import Content
from watcher.core.errors import Unfit
from watcher.core.model import Receipt, Route, Row
from watcher.core.names import shown
from watcher.journal.protocol import Archive


def left_out(archive: Archive, entry: Row, route: Route, sha256: str, destination: str) -> Receipt | None:
    """Return the outcome of a file that need not be sent; None: it is to be sent. `sha256`: of its content;
    `destination`: where that would go.

    An upload that has begun goes on. Raises `Unfit` with
    `duplicates: fail`, `Outside` where the journal cannot be read.
    """
    if route.duplicates == "upload" or entry.upload.sha256 is not None:
        return None
    earlier = archive.delivered_before(entry, sha256, destination)
    if earlier is None:
        return None
    words = f"as {shown(earlier.name)} at {earlier.outcome.finished_at}, push token {earlier.push_token}"
    if route.duplicates == "fail":
        raise Unfit(
            f"the same content was already delivered {words}",
            what_to_do="delete it; to have it sent all the same, use `watcher upload`",
        )
    return Receipt(0, f"not sent: the same content was delivered {words}", sha256=sha256)


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
