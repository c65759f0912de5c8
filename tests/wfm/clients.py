"""A client of a test, and the smallest request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.conftest import SECRET
from tests.sockets import LONG
from watcher.core.conversation import Request
from watcher.wfm.client import Client
from watcher.wfm.login import ClientCredentials


@contextmanager
def client(
    server: str,
    token_url: str | None = None,
    *,
    timeout_seconds: float = LONG,
    trust_env: bool = False,
    **options: Any,
) -> Iterator[Client]:
    """A client; without `token_url` the login server is the API server's."""
    auth = ClientCredentials(token_url or f"{server}/token", "wfm-importer", SECRET, timeout_seconds=LONG)
    opened = Client(
        auth, server=server, tenant="demo", timeout_seconds=timeout_seconds, trust_env=trust_env, **options
    )
    try:
        yield opened
    finally:
        opened.close()


def push(opened: Client) -> int:
    """Send one chunk; returns the status of the answer."""
    return opened.push(Request(f"{opened.server}/import", (), "text/csv", b"a,1\n")).status
