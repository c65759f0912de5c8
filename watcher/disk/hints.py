"""watchdog as a source of hints that something happened in the drop folder."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.disk.mounts import MountTable

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent


class Hints:
    """watchdog as a source of hints: `wake` is called, from its thread, when something happened."""

    def __init__(self, folder: Path, wake: Callable[[], None]) -> None:
        """Start to watch. Raises OSError where the folder is away, or there is no thread to be had."""
        # Imported here: with `observe: polling` it is never needed.
        from watchdog.events import FileClosedEvent, FileCreatedEvent, FileMovedEvent, FileSystemEventHandler
        from watchdog.observers import Observer

        class Handler(FileSystemEventHandler):
            """An exception in here would kill watchdog's thread, so it does one thing."""

            def on_any_event(self, event: FileSystemEvent) -> None:
                wake()

        folder.stat()  # here and not in watchdog, which would leave its threads behind
        self._folder = folder
        self._mounts = MountTable()
        # watchdog asks inotify not to follow a link (IN_DONT_FOLLOW), and hears nothing of what happens
        # behind it: the real folder is watched, and `alive` tells when the link leads to another one.
        real = os.path.realpath(folder)
        self._identity = identity(real)
        observer = None
        try:
            self._observer = observer = Observer(timeout=0.1)  # it has a thread of its own from now on
            # The filter goes down to the kernel: our own reading makes no events, and far fewer are lost.
            observer.schedule(
                Handler(), real, event_filter=[FileCreatedEvent, FileMovedEvent, FileClosedEvent]
            )
            observer.start()
        except (OSError, RuntimeError) as error:
            if observer is not None:
                observer.unschedule_all()
            self._mounts.close()
            if isinstance(error, RuntimeError):
                raise OSError(errno.EAGAIN, "no thread can be started") from error
            raise

    def alive(self) -> bool:
        """Say whether events can still come. watchdog goes deaf without a word when the folder is renamed
        or unmounted, when a link to it leads elsewhere, and when only its emitter thread dies."""
        return self.running() and self._identity == identity(self._folder)

    def running(self) -> bool:
        """Say whether all threads live; this asks nothing of the folder, which may hang."""
        return self._observer.is_alive() and all(emitter.is_alive() for emitter in self._observer.emitters)

    def doubtful(self) -> bool:
        """Say whether the folder may have been unmounted and mounted again: nothing else tells of that."""
        return self._mounts.changed()

    def stop(self) -> None:
        """End watchdog's threads."""
        self._mounts.close()
        # An event that comes while it ends is reported as an error, and is none.
        chatter = logging.getLogger("watchdog.observers.inotify")
        chatter.disabled = True
        self._observer.stop()
        self._observer.join(timeout=5)
        chatter.disabled = False


def identity(folder: str | Path) -> tuple[int, int] | None:
    """Return what tells a folder from another one of its name; None where there is none."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return (status.st_dev, status.st_ino)
