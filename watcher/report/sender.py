"""Sends a message to one apprise URL; the one module that knows apprise, imported only when it is used.

The URLs hold secrets. apprise's own log stays out of ours, for it may quote them; of what it says no more
than an HTTP status comes through.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from watcher.core.errors import ConfigError
from watcher.report.notices import Message

if TYPE_CHECKING:
    from apprise import Apprise, AppriseResult

# Libraries under apprise that write whole URLs.
_TALKATIVE = ("apprise", "requests", "urllib3")


class Channel:
    """One way to reach somebody."""

    def __init__(self, name: str, apprise: Apprise, timeout_seconds: float, site: str) -> None:
        self.name = name  # for people: the key of the settings and the kind of service, nothing secret
        self._apprise = apprise
        self._timeout_seconds = timeout_seconds
        self._site = site

    def send(self, message: Message) -> str | None:
        """Send `message`; returns None, or in a few words why it was not taken. Bounded by the timeout."""
        from apprise import NotifyFormat, NotifyType

        try:
            result = self._apprise.notify(
                body=message.body + (f"\n\nThis is watcher, {self._site}." if self._site else ""),
                title=f"watcher{', ' * bool(self._site)}{self._site}: {message.subject}",
                notify_type=NotifyType(message.kind),
                body_format=NotifyFormat.TEXT,  # names are data: no markup, and no escapes
                timeout=self._timeout_seconds,
            )
        except Exception as error:  # a service's own fault, of any kind; its words may hold the URL
            return f"{type(error).__name__} in apprise"
        return None if result else _why(result)


def channels(urls: Sequence[str], *, timeout_seconds: float, site: str = "") -> list[Channel]:
    """Return a channel for each URL; `site`: which agent speaks (`Site.words`).

    Raises `ConfigError` where apprise is missing, or knows no such URL.
    """
    for library in _TALKATIVE:
        logger = logging.getLogger(library)
        logger.propagate = False
        if not logger.handlers:  # without any, Python would write to the standard error stream
            logger.addHandler(logging.NullHandler())
    try:
        from apprise import Apprise, AppriseAsset
    except ImportError as error:
        raise ConfigError(
            f"notify: needs a package that is not installed ({error.name}); {sys.executable} -m pip install"
            " '.[notify]' in watcher's folder, or remove `notify`"
        ) from None
    asset = AppriseAsset(app_id="watcher", app_desc="watcher", async_mode=False, secure_logging=True)
    found, problems = list[Channel](), list[str]()
    for number, url in enumerate(urls):
        service = Apprise.instantiate(url, asset=asset)
        if service is None:
            problems.append(
                f"notify.urls[{number}]: apprise knows no such service, or the URL lacks a part; its form is"
                " in apprise's list of services (the URL is not shown: it may hold a secret)"
            )
            continue
        service.socket_connect_timeout = service.socket_read_timeout = timeout_seconds
        one = Apprise(asset=asset)
        one.add(service)
        found.append(Channel(f"notify.urls[{number}] ({service.service_name})", one, timeout_seconds, site))
    if problems:
        raise ConfigError(problems)
    return found


def _why(result: AppriseResult) -> str:
    text = " ".join(str(entry) for entry in result.logs())
    if status := re.search(r"\berror=([1-5]\d\d)\b", text):
        return f"the service answered HTTP {status[1]}"
    if "onnection" in text:
        return "the service cannot be reached, or did not answer in time"
    return "the service did not take it"
