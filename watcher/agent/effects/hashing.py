"""SHA-256 beside whoever reads: hashing needs no interpreter lock, and a machine has a second core.

A small file never sees a thread: it is begun with the second block. Where the system has none left, whoever
reads hashes as well.
"""

from __future__ import annotations

import hashlib
import queue
import threading

AHEAD_BLOCKS = 1  # that wait to be hashed: memory stays bounded


class BesideSha256:
    """One digest; `close` ends its thread, wherever it is."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._blocks: queue.Queue[bytes | None] = queue.Queue(AHEAD_BLOCKS)
        self._thread: threading.Thread | None = None
        self._is_begun = False
        self._is_alone = False  # there was no thread to be had

    def update(self, block: bytes) -> None:
        """Continue the digest; waits where the blocks come faster than they are hashed."""
        if not self._is_begun or self._is_alone:
            self._is_begun = True
            self._sha256.update(block)
            return
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="sha256", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                self._is_alone = True
                self._sha256.update(block)
                return
            self._thread = thread
        self._blocks.put(block)

    def hexdigest(self) -> str:
        """Return the digest of all blocks, in hex."""
        self.close()
        return self._sha256.hexdigest()

    def close(self) -> None:
        """End the thread when it has hashed what it was given; may be repeated."""
        if self._thread is not None:
            self._blocks.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (block := self._blocks.get()) is not None:
            self._sha256.update(block)
