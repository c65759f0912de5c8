"""`watcher sandbox`: a WFM stand-in on the loopback, for trying a config without a WFM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

from watcher.core.errors import ConfigError
from watcher.sandbox.server import Sandbox

_SETTINGS = """\
wfm:
  tenant: {tenant}
  api_url: {url}
  token_url: {token_url}
  client_id: wfm-importer
  client_secret: sandbox-secret"""


def sandbox(say: Callable[[str], None], *, port: int, tenant: str, token_life: float) -> int:
    """Serve until interrupted; returns 0. Raises `ConfigError` where the port is taken."""
    try:
        server = Sandbox(port=port, tenant=tenant, token_life=token_life, keep_bodies=False)
    except OSError as error:
        raise ConfigError(
            f"port {port} cannot be used: {error.strerror}; choose another with --port"
        ) from None
    for number in (signal.SIGINT, signal.SIGTERM):  # shells start background jobs with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    with server:
        say(f"A WFM stand-in is at {server.url} (see what it received there); Ctrl-C ends it.")
        say("Put this into your config:\n")
        say(_SETTINGS.format(tenant=tenant, url=server.url, token_url=server.token_url))
        forever = threading.Event()
        try:
            while not forever.wait(1):  # in slices: on Windows a longer wait would not see Ctrl-C
                continue
        except KeyboardInterrupt:
            say("\nstopped")
    return 0
