"""What TLS trusts, and what it shows of us."""

from __future__ import annotations

import ssl
from pathlib import Path

from watcher.core.errors import ConfigError


def tls_context(ca_file: Path | None, client_cert: Path | None, client_key: Path | None) -> ssl.SSLContext:
    """The system's certificate authorities plus `ca_file`. httpx's own default knows only certifi's.

    Raises `ConfigError` for certificates that do not load.
    """
    context = ssl.create_default_context()
    try:
        if ca_file is not None:
            context.load_verify_locations(ca_file)
            # Python 3.13 refuses company authorities that curl takes (python/cpython#107361); whoever
            # names a CA file trusts it.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    except OSError as error:
        raise ConfigError(f"wfm.ca_file: {ca_file} cannot be used: {error.strerror or error}") from error
    try:
        if client_cert is not None:
            # Without a password here OpenSSL would ask for one at the terminal.
            context.load_cert_chain(client_cert, client_key, password="")
    except OSError as error:
        raise ConfigError(
            f"wfm.client_cert: {client_cert} cannot be used: {error.strerror or error}"
        ) from error
    return context
