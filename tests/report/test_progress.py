"""Files that take long are told of while they do, and small ones are not."""

from __future__ import annotations

from dataclasses import replace

from tests.made import made_row
from watcher.core.events import ChunkSent, Event, FileFailed, LargeBegan, Progressed
from watcher.core.model import FileState, Row
from watcher.report.progress import EVERY_SECONDS, LONG_SECONDS, MANY_CHUNKS, Progress

CHUNK = 100  # bytes


class Upload:
    """A file's chunks, one after the other, on a clock that is set by hand."""

    def __init__(self, chunks: int) -> None:
        self.now = 1000.0
        self.said: list[Event] = []
        self._chunks, self._sent = chunks, 0
        row = made_row(FileState.SENDING)
        self.row: Row = replace(row, upload=replace(row.upload, total=chunks * CHUNK))
        self.progress = Progress(self.said.append, lambda: self.now)

    def send(self, number: int, *, every: float) -> list[Event]:
        """Send so many chunks, each so many seconds after the one before; returns what was said."""
        before = len(self.said)
        for _ in range(number):
            start = self._sent * CHUNK
            self._sent += 1
            last = self._sent == self._chunks
            self.progress.hear(ChunkSent(self.row, start, start + CHUNK, last))
            self.now += every
        return self.said[before:]


def test_a_small_file_that_is_quick_is_not_told_of() -> None:
    assert Upload(MANY_CHUNKS).send(MANY_CHUNKS, every=0.1) == []


def test_of_many_chunks_the_first_tells_that_a_large_file_begins() -> None:
    upload = Upload(MANY_CHUNKS + 1)

    assert upload.send(1, every=0.1) == [LargeBegan(upload.row, 2100, MANY_CHUNKS + 1)]
    assert upload.send(MANY_CHUNKS, every=0.1) == []


def test_a_large_one_is_told_of_at_most_twice_a_minute_with_its_speed() -> None:
    upload = Upload(100)
    upload.send(1, every=1)

    assert upload.send(29, every=1) == []
    assert upload.send(1, every=1) == [Progressed(upload.row, 3100, 10000, 100.0)]
    assert len(upload.send(60, every=1)) == 60 / EVERY_SECONDS


def test_a_small_one_is_told_of_once_it_takes_long() -> None:
    upload = Upload(5)

    assert upload.send(1, every=LONG_SECONDS) == []
    assert upload.send(1, every=1) == [Progressed(upload.row, 200, 500, CHUNK / LONG_SECONDS)]
    assert upload.send(3, every=1) == []


def test_one_that_goes_on_after_a_start_is_not_said_to_begin_and_one_that_begins_again_is() -> None:
    upload = Upload(100)
    upload._sent = 50
    assert upload.send(1, every=1) == []

    upload._sent = 0
    assert [type(event) for event in upload.send(1, every=1)] == [LargeBegan]


def test_the_end_of_a_file_is_the_end_of_what_is_known_of_it() -> None:
    upload = Upload(100)
    upload.send(2, every=1)

    upload.progress.hear(FileFailed(upload.row))

    assert upload.progress._files == {}
