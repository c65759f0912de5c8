"""Settings to whoever tells people what they should know, by `notify` and `expect`."""

from __future__ import annotations

from watcher.core.holds import Holds
from watcher.report.expect import Expectation
from watcher.report.notices import Notices
from watcher.report.notifier import Notifier
from watcher.report.sender import channels
from watcher.report.stream import Stream
from watcher.settings.settings import Config


def build_notifier(config: Config, holds: Holds, stream: Stream) -> Notifier:
    """Return who tells people; silent without `notify`. Raises `ConfigError` for URLs that are none."""
    notify = config.notify
    if notify is None:
        return Notifier((), Notices(), lambda: holds.active, stream)
    return Notifier(
        channels(
            [url.get_secret_value() for url in notify.urls],
            timeout_seconds=notify.timeout,
            site=config.site.words,
        ),
        Notices(failed_files=notify.failed, held_for=notify.held_for, gather=notify.gather),
        lambda: holds.active,
        stream,
    )


def expectations(config: Config) -> list[Expectation]:
    """Return what is expected of the routes that have `expect`."""
    return [route.expect.of(route.name) for route in config.routes if route.expect is not None]
