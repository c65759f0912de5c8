"""A zip that says one thing and holds another: refused by a look at its end, in bounded time and memory."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile

import pytest

from watcher.content import compressed
from watcher.content.compressed import expanded, member_name, told_size
from watcher.core.errors import Unfit

ENTRY = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
MANY = 300_000


def end(entries: int, size: int, *, comment: bytes = b"") -> bytes:
    return struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, entries, entries, size, 0, len(comment)) + comment


def end64(entries: int, size: int, *, place: int) -> bytes:
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, 0)
    return record + struct.pack("<4sLQL", b"PK\x06\x07", 0, place, 1)


DIRECTORY = ENTRY * MANY
LIES = {
    "one entry": DIRECTORY + end(1, len(DIRECTORY)),
    "all ones": DIRECTORY + end(0xFFFF, len(DIRECTORY)),
    "a comment": DIRECTORY + end(1, len(DIRECTORY), comment=b"PK\x05\x06 a comment"),
    "in its own last bytes": DIRECTORY + end(1, len(DIRECTORY))[:-2] + b"\0\0",
    "ZIP64, one entry": DIRECTORY + end64(1, len(DIRECTORY), place=len(DIRECTORY)) + end(1, 0xFFFF_FFFF),
    "ZIP64, a locator to nowhere": DIRECTORY + end64(1, len(DIRECTORY), place=2**64 - 1) + end(1, 10),
}


@pytest.mark.parametrize("data", LIES.values(), ids=LIES)
def test_a_directory_of_very_many_files_is_never_read_whatever_is_said_of_their_number(data: bytes) -> None:
    file = io.BytesIO(data)
    tracemalloc.start()
    try:
        with pytest.raises(Unfit) as caught:
            member_name(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert "very many files" in caught.value.reason
    assert peak < 2_000_000


def zipped(content: bytes, *, name: str = "a.csv", zip64: bool = False) -> io.BytesIO:
    made = io.BytesIO()
    with (
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=zip64) as member,
    ):
        member.write(content)
    return made


def test_an_honest_zip_in_the_form_for_large_ones_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)  # as of an archive of more than 4 GiB

    made = zipped(b"a,1\n" * 10, zip64=True)

    assert b"PK\x06\x06" in made.getvalue()
    assert member_name(made) == "a.csv"
    assert told_size(made, "a.zip", max_bytes=10**9, max_ratio=200) == 40


def test_what_a_zip_says_of_its_size_is_looked_at_before_anything_is_read() -> None:
    made = zipped(bytes(50_000_000))

    with pytest.raises(Unfit, match="more than 200 times"):
        next(expanded(made, "a.zip", max_bytes=10**9, max_ratio=200))
    with pytest.raises(Unfit, match="more than 1,000 bytes"):
        next(expanded(made, "a.zip", max_bytes=1_000, max_ratio=10**9))


def test_the_longest_directory_has_room_for_every_folder_that_people_make() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for number in range(compressed._MOST_ENTRIES - 1):
            archive.writestr(f"__MACOSX/{'x' * 200}/{number}", b"")
        archive.writestr("a.csv", b"a,1\n")

    assert member_name(made) == "a.csv"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "LZMA"])
def test_what_a_small_zip_holds_is_unpacked_in_bounded_pieces(method: int) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        archive.writestr("a.csv", b"a" * 100_000_000)
    lies = made.getvalue().replace(struct.pack("<L", 100_000_000), struct.pack("<L", 1_000))

    def size(data: bytes) -> int:
        return sum(map(len, expanded(io.BytesIO(data), "a.zip", max_bytes=10**9, max_ratio=10**9)))

    tracemalloc.start()
    try:
        assert size(made.getvalue()) == 100_000_000
        with pytest.raises(Unfit, match="checksum"):
            size(lies)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40_000_000
