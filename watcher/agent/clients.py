"""The way to the server, as the settings have it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from watcher.agent.effects.effects import Sender
from watcher.core.target import Target
from watcher.settings.settings import Config
from watcher.wfm.client import Client
from watcher.wfm.login import ClientCredentials


class WfmClient(Sender, Protocol):
    """What is needed of a client, all in all."""

    @property
    def way(self) -> tuple[Target, ...]:
        """Login and server, and proxies before them: what a request meets, in this order."""

    @property
    def token_renewals(self) -> int:
        """How many access tokens were got so far."""

    def server_time(self) -> datetime | None:
        """Return the login server's time of day; None: it is not known."""

    @property
    def may_tell_time(self) -> bool:
        """Whether that is not known, and the answer with a new token may tell it."""

    def get_token(self) -> float:
        """Get a new access token; returns the seconds it will be used. Raises `Outside`."""

    def close(self) -> None:
        """Close all connections."""


def build_client(config: Config) -> Client:
    """Return a client for the settings' server. Raises `ConfigError` for certificates that do not load."""
    wfm = config.wfm
    auth = ClientCredentials(
        wfm.token, wfm.client_id, config.secret,
        timeout_seconds=wfm.timeout,
        basic=wfm.login == "basic",
        scope=wfm.scope,
        audience=wfm.audience,
    )  # fmt: skip
    return Client(
        auth,
        server=wfm.api,
        tenant=wfm.tenant,
        timeout_seconds=wfm.timeout,
        proxy=wfm.proxy.get_secret_value() if wfm.proxy else None,
        ca_file=wfm.ca_file,
        client_cert=wfm.client_cert,
        client_key=wfm.client_key,
    )
