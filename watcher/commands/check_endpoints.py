"""Probes of the endpoints: is an import there? Without sending anything that could begin or complete one.

The one request that is safe for certain is one that is no upload: a GET, without data and without a
pushToken. What an import answers to it is not documented, so only an answer that says that POST is taken is
fine; one that says nothing of uploads is told as not tested.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from watcher.commands.finding import Finding, Level
from watcher.core.errors import Outside
from watcher.core.faults import Follow, Scope, rule
from watcher.core.names import shown
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config
from watcher.wfm.answers import Look
from watcher.wfm.client import Client

SAID_CHARS = 200
_FIRST_FILE = "where the settings are right, the first file shows it"


def endpoints(config: Config, client: Client) -> Iterator[Finding]:
    """Yield a finding for each URL of the routes; the client has a token."""
    for url in _urls(config):
        try:
            level, words, fix = judged(client.look(url))
        except Outside as fault:
            level, words, fix = "fault", fault.reason, fault.check
        yield Finding(level, f"endpoint {url}", words, fix)


def untested(config: Config) -> Iterator[Finding]:
    """Yield that no endpoint is tested, where there is no token."""
    for url in _urls(config):
        yield Finding("untested", f"endpoint {url}", "not tested: there is no token")


def _urls(config: Config) -> list[str]:
    return list(dict.fromkeys(route.url for route in build_routes(config)))


def judged(look: Look) -> tuple[Level, str, str]:
    """Return what the answer to a GET says of an endpoint that takes POST: level, words, and the remedy."""
    if look.status == 405 and (methods := _words(look.allow)):
        if "POST" in methods:
            return "ok", "it takes POST, by its answer to a GET (HTTP 405)", ""
        words = f"it takes {shown(', '.join(methods))[:SAID_CHARS]}, and uploads are POST (HTTP 405)"
        return "fault", words, rule(405).check
    means = rule(look.status, html=look.html)
    status = f"(HTTP {look.status}{', a web page' if look.html else ''})"
    if look.said.strip() and not look.html:
        status += f"; it said: {shown(look.said.strip())[:SAID_CHARS]}"
    if look.status in (404, 410):
        words = f"nothing is there for a GET {status}; there may be no import at this URL"
        return "warn", words, f"{means.check}; {_FIRST_FILE}"
    if look.status == 403:
        return "warn", f"{means.meaning}, or may not look {status}", f"{means.check}; {_FIRST_FILE}"
    if 300 <= look.status < 400:
        return "fault", f"{means.meaning} {status}; to {_place(look.location)}", means.check
    at_fault = look.status == 401 or means.scope is Scope.ENDPOINT
    if means.follow is Follow.HOLD and at_fault and look.status != 405:
        return "fault", f"{means.meaning} {status}", means.check
    if means.follow is Follow.HOLD and look.status != 405:
        return "warn", f"not tested: {means.meaning} {status}", means.check
    return "untested", f"not tested: the answer to a GET does not say whether it takes uploads {status}", ""


def _words(allow: str) -> list[str]:
    return [method.strip().upper() for method in allow.split(",") if method.strip()]


def _place(location: str) -> str:
    """Return where a redirect points to, without a query: it may hold what is secret."""
    try:
        parts = urlsplit(location)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "somewhere that is no URL"
    return shown(f"{parts.scheme}://{host}{parts.path}" if host else parts.path)[:SAID_CHARS] or "nowhere"
