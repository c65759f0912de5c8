"""What went wrong on the way to a server, in words for people."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Generator

import httpx

from watcher.core.names import shown


def _causes(error: BaseException) -> Generator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def in_words(error: Exception, host: str, timeout_seconds: float) -> tuple[str, str]:
    """Say what happened, and what a person should check."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"the certificate of {host} is not trusted: {cause.verify_message}",
                "wfm.ca_file (the company's certificate authority), the host name, and this machine's clock",
            )
        if isinstance(cause, ssl.SSLError):
            return (
                f"TLS with {host} failed: {cause.reason or cause}",
                "wfm.client_cert, if the server asks for one, and http against https in the URL",
            )
        # Python encodes a host name as IDNA before it asks for it; other texts that do not fit are no fault
        # of the name.
        if isinstance(cause, socket.gaierror) or (isinstance(cause, UnicodeError) and "idna" in str(cause)):
            return f"the name {host} cannot be resolved", "the host name in the settings, and DNS"
        if isinstance(cause, ConnectionRefusedError):
            return f"{host} refuses the connection", "is the server up, and the port right?"
    match error:
        case httpx.ConnectTimeout():
            return (
                f"{host} does not answer",
                "is the server up, and does a firewall let this machine through?",
            )
        case httpx.TimeoutException():
            return (
                f"{host} did not answer within {timeout_seconds:g} s",
                "is the server slow? wfm.timeout can be raised",
            )
        case httpx.RemoteProtocolError():
            return f"{host} closed the connection, or did not speak HTTP", "is the server up?"
        case httpx.UnsupportedProtocol() | httpx.LocalProtocolError() | httpx.InvalidURL() | UnicodeError():
            return f"the request cannot be sent: {shown(str(error))}", "wfm.api_url and wfm.tenant"
        case _:
            words = shown(str(error)) or type(error).__name__
            return f"the connection to {host} broke: {words}", "the network between here and the server"
