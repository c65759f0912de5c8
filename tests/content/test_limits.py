"""At the limits: a fuzzed splitter against a state machine, huge records and files, and bounded memory."""

from __future__ import annotations

import io
import itertools
import os
import random
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.conftest import Server, World
from watcher.content.content import Content
from watcher.content.inspect import prepare
from watcher.content.split import cut, opening
from watcher.core.errors import Unfit
from watcher.core.model import Column, Route

ALPHABET = 'a,"\n\rü'
FUZZ = int(os.environ.get("WATCHER_FUZZ", "200000"))  # inputs
PARTS = 4
MIB = 2**20
CSV = Route("r", (), "http://x", "text/csv", "csv")


def boundaries(data: bytes) -> tuple[set[int], int]:
    """RFC 4180, byte by byte: where records end, and how far the text is RFC 4180 at all.

    A line ends at LF; a CR is a byte like any other outside quotes, as most writers see it.
    """
    ends: set[int] = set()
    state = "start"  # of a field; then "plain", "quoted", or "closing": behind a quote in a quoted field
    for at, byte in enumerate(data):
        if state == "quoted":
            state = "closing" if byte == 0x22 else "quoted"
        elif byte == 0x22:
            if state == "plain":
                return ends, at
            state = "quoted"  # the field begins, or a quote was written twice
        elif byte == 0x0A:
            ends.add(at + 1)
            state = "start"
        elif byte == 0x2C:
            state = "start"
        elif state == "closing" and byte != 0x0D:
            return ends, at
        else:
            state = "closing" if state == "closing" else "plain"
    return ends, len(data)


def check_cuts(data: bytes, limit: int) -> None:
    ends, sound = boundaries(data)
    file = io.BytesIO(data)
    at, last, joined = 0, False, b""
    while not last:
        chunk = cut(file, at, limit, max_record=1000)
        last = chunk.last
        joined += chunk.raw
        assert chunk.start == at
        assert chunk.end == at + len(chunk.raw)
        assert chunk.body == chunk.raw
        assert chunk.raw or not data, "an empty chunk"
        if not last and chunk.end <= sound:
            assert chunk.end in ends, "not at the end of a record"
        if len(chunk.raw) > limit and chunk.end <= sound:
            cuts = [at, *sorted(ends & set(range(at + 1, chunk.end))), chunk.end]
            full = [data[begin:end] for begin, end in itertools.pairwise(cuts) if data[begin:end].strip()]
            assert len(full) <= 1, "larger than the limit, and more than one record"
        assert chunk.raw.strip() or not data.strip(), "nothing but blank lines"
        at = chunk.end
    assert joined == data


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_the_bytes_chunks_join_to_the_file_and_end_where_records_end(part: int) -> None:
    chance = random.Random(part)
    for number in range(FUZZ // PARTS):
        text = "".join(chance.choices(ALPHABET, k=chance.randrange(14)))
        if number % 2:  # every other one is RFC 4180 for certain
            text = "\n".join('"' + field.replace('"', '""') + '"' for field in text.split(","))
        data, limit = text.encode(), chance.randrange(1, 9)
        try:
            check_cuts(data, limit)
        except AssertionError as error:
            raise AssertionError(f"{data!r} with a limit of {limit}") from error


@pytest.mark.parametrize(
    ("content", "empty", "code", "words"),
    [
        (b'"' * 1000, "fail", 0, ""),
        (b'"' * 1001, "fail", 1, "never closed"),
        (b"\n" * 1000, "fail", 1, "empty"),
        (b"\r\n" * 1000, "done", 0, ""),
        (b"\xef\xbb\xbf\n", "fail", 1, "empty"),
        (b"\r" * 1000, "fail", 1, "empty"),
        (b'""\n' * 100, "fail", 0, ""),
    ],
)
def test_files_of_nothing_but_quotes_or_line_ends(
    world: World, content: bytes, empty: str, code: int, words: str
) -> None:
    world.settings["routes"][2]["empty"] = empty
    world.drop("agent_events.csv", content)

    assert world.run_once() == code

    assert world.files("failed" if code else "done")["agent_events.csv"] == content
    assert [operation.body for operation in world.completed()] == (
        [content] if b'"' in content and not code else []
    )
    assert not code or words in world.report("agent_events.csv")["reason"]


@pytest.mark.parametrize("opening_text", ["[", '{"a":', '[{"a":['])
def test_json_nested_too_deeply_fails_with_a_clear_reason(world: World, opening_text: str) -> None:
    world.drop("event_types.json", opening_text * 100_000)
    closed = "[" * 100_000 + "]" * 100_000
    world.drop("event_types_closed.json", closed)

    assert world.run_once() == 1

    for name in ("event_types.json", "event_types_closed.json"):
        assert "nested too deeply" in world.report(name)["reason"]
    assert world.server.operations() == []


def test_one_record_of_100_mb_arrives_where_the_settings_allow_it(world: World) -> None:
    size = 100_000_000
    with Server(keep_bodies=False, max_body=size) as server:
        world.settings["wfm"] |= {"api_url": server.url, "token_url": server.token_url, "timeout": "60s"}
        world.settings["upload"] |= {"chunk_bytes": "1MB", "max_record": size}
        part = b'\n""' + b"x" * 999_997  # line ends and quotes inside quotes
        record = b'1,"' + part * (size // len(part))
        world.drop("agent_events.csv", record[: size - 2] + b'"\n')

        assert world.run_once(patience=50) == 0

        (operation,) = server.operations()
        assert (operation.completed, operation.chunk_count, operation.received_bytes) == (True, 1, size)


class Endless(io.BufferedIOBase):
    """An open file of any size that takes no room: `pattern` over and over."""

    def __init__(self, pattern: bytes, size: int) -> None:
        self._length = len(pattern)
        self._pattern = pattern * (2 + 2 * MIB // len(pattern))
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        assert whence == os.SEEK_SET
        self._at = offset
        return offset

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0, "a file of any size is not read whole"
        wanted = min(size, self._size - self._at)
        assert wanted <= 2 * MIB, "that much at once"
        begin = self._at % self._length
        self._at += max(wanted, 0)
        return self._pattern[begin : begin + max(wanted, 0)]

    read1 = read


def looked_at(file: Endless, route: Route) -> Content:
    """The preflight of a file that nobody could keep in memory."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    return prepare(file, "a.csv", route, scratch=io.BytesIO, now=now)  # type: ignore[arg-type]


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """The most memory that was taken since the test began, in bytes."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


@pytest.mark.parametrize("header", ["none", "drop", "every"])
@pytest.mark.parametrize(
    "pattern", [b"x", b'""', b'"' + b"x" * 97 + b'\n"', b"\xc3\xbc"], ids=["x", "quotes", "lines", "letters"]
)
def test_a_line_of_a_gigabyte_is_refused_without_eating_memory(
    peak: Callable[[], int], pattern: bytes, header: str
) -> None:
    file = Endless(pattern, 1_000_000_000)
    route = replace(CSV, header=header, max_record=4 * MIB)  # type: ignore[arg-type]

    if header != "none":
        with pytest.raises(Unfit, match="longer than"):
            opening(file, route)  # type: ignore[arg-type]
    with pytest.raises(Unfit, match="longer than"):
        looked_at(file, route)
    with pytest.raises(Unfit, match="longer than"):
        cut(file, 0, 1_000_000, max_record=route.max_record)  # type: ignore[arg-type]

    assert peak() < 30 * MIB


def test_300_mb_of_ordinary_rows_take_little_memory(peak: Callable[[], int]) -> None:
    row = "4711,Müller,2026-11-23T19:24:39Z,2026-11-23T20:24:39Z,BREAK\n".encode()
    file = Endless(row, size := len(row) * (300_000_000 // len(row)))

    checked = looked_at(file, CSV)
    at, chunks, last = 0, 0, False
    while not last:
        chunk = cut(file, at, 1_000_000, max_record=CSV.max_record)  # type: ignore[arg-type]
        at, chunks, last = chunk.end, chunks + 1, chunk.last
        assert chunk.raw.endswith(b"\n")

    assert (checked.size, at, checked.empty) == (size, size, False)
    assert chunks == -(-size // (1_000_000 // len(row) * len(row)))
    assert peak() < 12 * MIB


def test_columns_are_checked_in_little_memory(peak: Callable[[], int]) -> None:
    row = b"4711,2026-11-23T19:24:39Z," + b"x" * 973 + b"\n"
    file = Endless(row, len(row) * 16_000)
    route = replace(CSV, columns=tuple(map(Column, ("agent", "begin", "event"))))

    assert looked_at(file, route).size == 16_000 * len(row)

    assert peak() < 12 * MIB
