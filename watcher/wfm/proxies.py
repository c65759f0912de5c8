"""Which proxy a request goes by: the one of the settings, or the environment's, read as curl reads it.

httpx reads the environment too, but breaks on IPv6 networks in NO_PROXY, overlooks IPv4 networks, and does
not say which variable is wrong (https://curl.se/libcurl/c/CURLOPT_NOPROXY.html has curl's rules).
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, getproxies_environment, proxy_bypass

from watcher.core.errors import ConfigError
from watcher.core.target import Target

_PORTS = {"http": 80, "https": 443}
_BRACKETED = re.compile(r"\[(?P<host>[^\]]*)\](?P<bits>/\d+)?(?::(?P<port>\d+))?")
_NAMED = re.compile(r"(?P<host>[^:]*)(?::(?P<port>\d+))?")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy on the way to a server."""

    url: str = field(repr=False)  # with user and password, if it has any: for the connection alone
    name: str  # its URL without them, for people
    source: str  # the setting, or the variable, that it comes from

    @property
    def target(self) -> Target:
        """What is held where it is in the way."""
        return Target("proxy", self.name)


def proxy_for(url: str, setting: str | None = None) -> Proxy | None:
    """Return the proxy for requests to `url`, or None; `setting`: the proxy of the settings, for all of them.

    Raises `ConfigError` for one that cannot be used, and names where it stands.
    """
    if setting is not None:
        return _proxy(setting, "wfm.proxy")
    parts = urlsplit(url)
    if _is_loopback(parts.hostname or ""):
        return None  # of this machine, which no proxy can reach for us
    found = getproxies()
    for scheme in (parts.scheme, "all"):
        if value := found.get(scheme):
            if _is_exempt(parts, found.get("no", "")):
                return None
            return _proxy(value if "://" in value else f"http://{value}", _variable(scheme))
    return None


def way_by(proxies: Mapping[Target, Proxy | None]) -> tuple[Target, ...]:
    """Return what a request meets, in this order: a proxy comes before what it leads to."""
    way: list[Target] = []
    for target, proxy in proxies.items():
        way += [target] if proxy is None else [proxy.target, target]
    return tuple(dict.fromkeys(way))


def _proxy(url: str, source: str) -> Proxy:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # a port that is none, say
        parts, host, port = SplitResult("", "", "", "", ""), "", None
    if parts.scheme not in _PORTS or not host or port == 0:
        # The value is not shown: it may hold a password.
        raise ConfigError(
            f"{source} names a proxy that cannot be used; it must be a URL such as http://proxy:3128 or"
            " https://user:password@proxy:3128"
        )
    host = f"[{host}]" if ":" in host else host
    return Proxy(url, f"{parts.scheme}://{host}" + (f":{port}" if port else ""), source)


def _variable(scheme: str) -> str:
    """Say where `getproxies` found the proxy for this scheme."""
    wanted = f"{scheme}_proxy"
    names = [name for name in os.environ if name.lower() == wanted and os.environ[name]]
    # The lower-case one counts where there are both.
    names.sort(key=str.islower)
    return f"{names[-1]} of the environment" if names else "the system's settings"


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _is_exempt(parts: SplitResult, no_proxy: str) -> bool:
    """Say whether the server is one of those that need no proxy."""
    if not getproxies_environment() and proxy_bypass(parts.hostname or ""):
        return True  # Windows and macOS have a list of their own
    return any(_covers(entry, parts) for entry in re.split(r"[,\s]+", no_proxy) if entry)


def _covers(entry: str, parts: SplitResult) -> bool:
    """Say whether an entry of NO_PROXY names this server: `*`, a host, a domain, an address, a network."""
    scheme, separator, rest = entry.rpartition("://")
    if separator and scheme.lower() not in (parts.scheme, "all"):
        return False
    entry = rest.rstrip("/")
    if entry == "*":
        return True
    named = _BRACKETED.fullmatch(entry) or _NAMED.fullmatch(entry)
    host, port = (named["host"], named["port"]) if named else (entry, None)
    if port is not None and int(port) != (parts.port or _PORTS.get(parts.scheme)):
        return False
    host += (named.groupdict().get("bits") or "") if named else ""
    own = (parts.hostname or "").rstrip(".")
    address = _address(own)
    if address is None:
        domain = host.lower().removeprefix("*").strip(".")
        return bool(domain) and (own == domain or own.endswith(f".{domain}"))
    try:
        return address in ipaddress.ip_network(host, strict=False)
    except ValueError:
        return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])  # without the zone of a link
    except ValueError:
        return None
