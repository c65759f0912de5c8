"""The ways to the servers, straight or by a proxy, as httpx has them; and no cookies on any of them."""

from __future__ import annotations

import ssl
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import httpx

from watcher.core.errors import ConfigError
from watcher.core.target import Target
from watcher.wfm.proxies import Proxy
from watcher.wfm.tls import tls_context


def transports(
    proxies: dict[Target, Proxy | None], context: ssl.SSLContext, limits: httpx.Limits, ca_file: Path | None
) -> dict[str, httpx.BaseTransport | None]:
    """Return the way to each server, by its URL; None: straight. Raises `ConfigError`."""
    if not any(proxies.values()):
        return {}
    ways: dict[Proxy | None, httpx.BaseTransport | None] = {None: None}
    for proxy in proxies.values():
        if proxy is not None and proxy not in ways:
            # A proxy is not shown the certificate that is for the server.
            own = tls_context(ca_file, None, None) if proxy.url.startswith("https:") else None
            try:
                by = httpx.Proxy(proxy.url, ssl_context=own)
                ways[proxy] = httpx.HTTPTransport(verify=context, limits=limits, trust_env=False, proxy=by)
            except (ValueError, httpx.InvalidURL):
                # httpx's own words may quote a part of the proxy's password.
                raise ConfigError(f"{proxy.source} names a proxy that cannot be used") from None
    return {target.name: ways[proxy] for target, proxy in proxies.items()}


class NoCookies(CookieJar):
    """Keeps none: a cookie that no header takes would end all requests after it."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Leave them where they are."""
