"""Probes of the server: tenant, name, connection, certificate, clock, token and roles; then the endpoints."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from watcher.agent.clients import build_client
from watcher.commands.check_endpoints import endpoints, untested
from watcher.commands.finding import Finding, probed
from watcher.core.errors import ConfigError, Outside
from watcher.core.target import Target
from watcher.settings.settings import Config
from watcher.wfm.client import CONNECT_SECONDS
from watcher.wfm.jwt import roles
from watcher.wfm.login import Login
from watcher.wfm.proxies import proxy_for
from watcher.wfm.tls import tls_context
from watcher.wfm.words import in_words

FEW_DAYS = 21  # a certificate that ends sooner is worth a word
DAY_SECONDS = 86_400
SKEW_SECONDS = 30.0  # tokens are valid for minutes, and servers allow some seconds
SHOWN_ROLES = 20


def realm(config: Config) -> Finding:
    """Return whether the tenant is the realm of the token endpoint, as the vendor's page has it:
    `/auth/realms/<tenant>/protocol/openid-connect/token`, in newer versions of Keycloak without `/auth`."""
    wfm = config.wfm
    found = re.search(r"/realms/([^/]+)/protocol/openid-connect/token$", urlsplit(wfm.token).path)
    if found is None:
        words = "not tested: whether it is the tenant of the login server; wfm.token_url shows no realm"
        return Finding("untested", "wfm.tenant", words)
    if (named := unquote(found[1])) == wfm.tenant:
        return Finding("ok", "wfm.tenant", f"{wfm.tenant} is the realm of wfm.token_url")
    return Finding(
        "fault",
        "wfm.tenant",
        f"it is {wfm.tenant}, and the realm of wfm.token_url is {named}; they are the same at the WFM",
        "correct the one that is wrong, and write {tenant} for it in wfm.token_url",
    )


def server(config: Config, *, login: bool = True) -> Iterator[Finding]:
    """Yield the findings; asks for one token, looks at each endpoint with it, and sends no file.

    `login` False: there is no secret to log in with.
    """
    hosts = dict.fromkeys((_address(config.wfm.api), _address(config.wfm.token)))
    for scheme, host, port in hosts:
        yield from _reached(config, scheme, host, port)
    if login:
        yield from _login(config)
    else:
        yield Finding("untested", f"token from {config.wfm.token}", "not tested: there is no client secret")
        yield from untested(config)


def _address(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _reached(config: Config, scheme: str, host: str, port: int) -> Iterator[Finding]:
    if by := _proxy(config, scheme, host, port):
        yield Finding("ok", f"host {host}", f"reached by {by}, so name and certificate are not probed here")
        return
    if not _is_number(host):
        found = probed(f"name {host}", lambda: _resolved(host, port))
        yield found
        if found.level == "fault":
            return
    yield from _connected(config, scheme, host, port)


def _proxy(config: Config, scheme: str, host: str, port: int) -> str:
    """Say which proxy the client uses for this host; empty: none, or one that cannot be used."""
    host = f"[{host}]" if ":" in host else host
    setting = config.wfm.proxy.get_secret_value() if config.wfm.proxy else None
    try:
        found = proxy_for(f"{scheme}://{host}:{port}", setting)
    except ConfigError:  # told with the token that cannot be got
        return ""
    if found is None:
        return ""
    return "the proxy of the settings" if setting else f"the proxy {found.name} ({found.source})"


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _resolved(host: str, port: int) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason, check = in_words(error, host, CONNECT_SECONDS)
        raise Outside(Target("server", host), reason, check=check) from error
    return "is " + ", ".join(dict.fromkeys(str(item[4][0]) for item in found))


def _connected(config: Config, scheme: str, host: str, port: int) -> Iterator[Finding]:
    what = f"{'TLS with' if scheme == 'https' else 'connection to'} {host}:{port}"
    try:
        with socket.create_connection(
            (host, port), timeout=min(CONNECT_SECONDS, config.wfm.timeout)
        ) as plain:
            if scheme != "https":
                yield Finding("ok", what, "it answers; nothing is encrypted")
                return
            wfm = config.wfm
            context = tls_context(wfm.ca_file, wfm.client_cert, wfm.client_key)
            with context.wrap_socket(plain, server_hostname=host) as secured:
                yield Finding("ok", what, f"{secured.version()}, the certificate's chain is trusted")
                yield _days_left(host, secured)
    except ConfigError as error:
        found, _, fix = str(error).partition("; ")
        yield Finding("fault", what, found, fix)
    except TimeoutError:
        yield Finding(
            "fault", what, f"{host} does not answer", "is the server up, and does a firewall let us through?"
        )
    except OSError as error:
        yield Finding("fault", what, *in_words(error, host, config.wfm.timeout))


def _days_left(host: str, secured: ssl.SSLSocket) -> Finding:
    certificate = secured.getpeercert() or {}
    until = str(certificate.get("notAfter", ""))
    days = int((ssl.cert_time_to_seconds(until) - time.time()) // DAY_SECONDS)
    words = f"ends in {days} day{'' if days == 1 else 's'}, on {until}"
    if days < FEW_DAYS:
        return Finding("warn", f"certificate of {host}", words, "ask for its renewal; then all uploads stop")
    return Finding("ok", f"certificate of {host}", words)


def _login(config: Config) -> Iterator[Finding]:
    what = f"token from {config.wfm.token}"
    try:
        client = build_client(config)
    except ConfigError as error:
        found, _, fix = str(error).partition("; ")
        yield Finding("fault", what, found, fix)
        yield from untested(config)
        return
    try:
        login = client.login()
    except Outside as fault:
        yield Finding("fault", what, fault.reason, fault.check)
        yield from untested(config)
    else:
        yield from _got(config, what, login)
        yield from endpoints(config, client)
    finally:
        client.close()


def _got(config: Config, what: str, login: Login) -> Iterator[Finding]:
    by_proxy = ", by the proxy of the settings" if config.wfm.proxy else ""
    words = f"got one, to be used for {login.used_for:.0f} s of its {login.life:.0f} s{by_proxy}"
    yield Finding("ok", what, words)
    yield from _clock(login)
    yield from _roles(login, config.wfm.client_id)


def _clock(login: Login) -> Iterator[Finding]:
    if login.clock_ahead is None:
        return
    # `Date` has whole seconds.
    off = max(0.0, abs(login.clock_ahead) - 1)
    if off > SKEW_SECONDS:
        which = "ahead of" if login.clock_ahead > 0 else "behind"
        yield Finding(
            "warn",
            "clock",
            f"this machine's is {off:.0f} s {which} the login server's",
            "switch on time synchronisation (NTP): tokens and certificates are valid by the clock",
        )
    else:
        yield Finding("ok", "clock", "the same as the login server's")


def _roles(login: Login, client_id: str) -> Iterator[Finding]:
    if login.claims is None:
        yield Finding("ok", "roles", "not known: the token is no JWT")
        return
    found = roles(login.claims)
    if not found:
        yield Finding(
            "warn",
            "roles",
            f"the token of {client_id} names none",
            "if uploads are refused with HTTP 403, give the client's service account the role for imports",
        )
        return
    places = []
    for place, names in found.items():
        more = f" and {len(names) - SHOWN_ROLES} more" if len(names) > SHOWN_ROLES else ""
        places.append(f"{place}: {', '.join(names[:SHOWN_ROLES])}{more}")
    yield Finding("ok", "roles", "; ".join(places))
