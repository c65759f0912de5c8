"""`python -m watcher.web.probe -c FILE`: asks the agent of these settings for its /health, here.

For the health checks of containers: it ends with 0 when the agent is well, else with 1 and a sentence.
Password and token of the page are those of the settings.
"""

from __future__ import annotations

import base64
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from watcher.core.errors import ConfigError
from watcher.settings.config import load
from watcher.settings.status_settings import Status

TIMEOUT_SECONDS = 5.0
_MOST_BYTES = 10_000
# Who listens on all addresses of a machine listens on its loopback too.
_ALL = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def probe(status: Status) -> str | None:
    """Return what is wrong with the agent whose page these settings are, or None. Raises nothing."""
    address = status.address
    connection = HTTPConnection(_ALL.get(address.host, address.host), address.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/health", headers=_credentials(status))
        answer = connection.getresponse()
        if answer.status == 200:
            return None
        return f"HTTP {answer.status}: {answer.read(_MOST_BYTES).decode('utf-8', 'replace').strip()}"
    except (OSError, HTTPException) as error:
        return f"{address.url} does not answer: {error}"
    finally:
        connection.close()


def _credentials(status: Status) -> dict[str, str]:
    if status.token is not None:
        return {"Authorization": f"Bearer {status.token.get_secret_value()}"}
    if status.password is not None:
        both = f":{status.password.get_secret_value()}".encode()
        return {"Authorization": f"Basic {base64.b64encode(both).decode()}"}
    return {}


def main(arguments: list[str]) -> str | None:
    """Read the settings named on the command line, `-c FILE`, and probe; returns what is wrong, or None."""
    try:
        config, _ = load(Path(arguments[arguments.index("-c") + 1]))
    except ConfigError as error:
        return str(error)
    return probe(config.status) if config.status else "there is no `status` in the settings"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
