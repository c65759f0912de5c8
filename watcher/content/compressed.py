"""Pure: what is inside a compressed file, as a stream of bytes that is bounded whatever the file claims.

`.gz` by RFC 1952, `.zip` with exactly one file in it. It is handed an open file and knows no folder.
"""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO, cast

from watcher.content.bounded import METHODS, Bounded
from watcher.content.kind import KIND_BYTES, other_than, package_kind
from watcher.core.errors import Unfit
from watcher.core.names import inner_name, is_zip

BLOCK_BYTES = 1 << 20
# Under this size even an absurd ratio is harmless: a megabyte of blanks is a file that people make.
RATIO_FROM_BYTES = 10_000_000
_AGAIN = "make it again, and drop it again"
_ONE_EACH = "put each file into a zip of its own"
_LITTER = frozenset({".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini"})
_MOST_ENTRIES = 1_000
_LONGEST_DIRECTORY_BYTES = 1_000_000  # a thousand names of any length
# What the libraries say of bytes that no program wrote: an empty name, an offset beyond every file, ...
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
    EOFError, ValueError, LookupError, OverflowError,
)  # fmt: skip
# Methods of 4.4.5 of the ZIP specification that Python does not know.
_UNREADABLE = {
    1: "Shrink", 6: "Implode", 9: "Deflate64 (as Windows packs what is over 2 GB)", 93: "Zstandard", 95: "XZ",
    97: "WavPack", 98: "PPMd", 99: "AES encryption",
}  # fmt: skip
_END = b"PK\x05\x06"
_END_RECORD_BYTES = 22 + 65_535  # with the longest comment
_LOCATOR = b"PK\x06\x07"
_ZIP64_BYTES = 56 + 20  # the record, and its locator, before the end record


def member_name(file: BinaryIO) -> str:
    """Return the name of the one file in a zip, without its folders. Raises `Unfit`."""
    with _faults("zip"), _archive(file) as archive:
        return _only_member(archive).filename.rpartition("/")[2]


def name_within(file: BinaryIO, name: str) -> str:
    """Return the name of what is in `file`, called `name`: of a zip by its directory. Raises `Unfit`."""
    return member_name(file) if is_zip(name) else inner_name(name)


def expanded(file: BinaryIO, name: str, *, max_bytes: int, max_ratio: float) -> Generator[bytes]:
    """Yield the content of the compressed `file` in blocks.

    Raises `Unfit` for a file that is damaged, encrypted, expands to more than `max_bytes`, or to more than
    `max_ratio` times its own size.
    """
    told_size(file, name, max_bytes=max_bytes, max_ratio=max_ratio)
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    kind = name.casefold().rpartition(".")[2]
    done = 0
    with _faults(kind), _opened(file, kind) as stream:
        while block := stream.read(BLOCK_BYTES):
            done += len(block)
            _refuse_size(done, size, max_bytes, max_ratio)
            yield block


def told_size(file: BinaryIO, name: str, *, max_bytes: int, max_ratio: float) -> int:
    """Return how many bytes a zip says that the file in it has; no more are ever read of it.

    0 for `.gz`: its last four bytes tell the size of its last member alone, modulo 2^32, and of a damaged one
    anything. Raises `Unfit` for a damaged zip, and for one that says more than `expanded` lets through.
    """
    if not is_zip(name):
        return 0
    with _faults("zip"), _archive(file) as archive:
        told = _only_member(archive).file_size
    _refuse_size(told, file.seek(0, io.SEEK_END), max_bytes, max_ratio)
    return told


def _refuse_size(done: int, size: int, max_bytes: int, max_ratio: float) -> None:
    """Raise `Unfit` if a file of `size` bytes may not expand to `done`."""
    if done > max_bytes:
        raise Unfit(
            f"it expands to more than {max_bytes:,} bytes",
            what_to_do="export it in smaller parts, or raise upload.max_expanded",
        )
    if done > RATIO_FROM_BYTES and done > size * max_ratio:
        raise Unfit(
            f"it expands to more than {max_ratio:g} times its size, as no real export does",
            what_to_do="look into the file; upload.max_ratio can be raised",
        )


@contextmanager
def _opened(file: BinaryIO, kind: str) -> Iterator[IO[bytes] | Bounded]:
    if kind == "gz":
        _refuse_other("gz", file)
        with gzip.GzipFile(fileobj=file, mode="rb") as stream:
            yield cast(IO[bytes], stream)
    else:
        with _archive(file) as archive, archive.open(member := _only_member(archive)) as stream:
            yield Bounded(file, member) if member.compress_type in METHODS else stream


def _only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [
        member for member in archive.infolist() if not (member.is_dir() or _is_litter(member.filename))
    ]
    if kind := package_kind([member.filename for member in members]):
        raise Unfit(
            f"it is {kind.words}, whatever its name says",
            what_to_do=kind.what_to_do.replace("{format}", "CSV or JSON"),
        )
    if len(members) != 1:
        raise Unfit(
            f"the zip holds {len(members)} files where there must be exactly one",
            what_to_do=_ONE_EACH,
        )
    if not members[0].filename:  # from Python 3.12 on zipfile itself takes it
        raise zipfile.BadZipFile("a member has no name")
    if members[0].flag_bits & 1:
        raise Unfit("the zip is encrypted", what_to_do="make it without a password, and drop it again")
    if method := _UNREADABLE.get(members[0].compress_type):
        raise Unfit(
            f"the zip is packed by {method}, which cannot be read here",
            what_to_do="pack it with the method Deflate (7-Zip offers it), or as .gz, and drop it again",
        )
    return members[0]


def _archive(file: BinaryIO) -> zipfile.ZipFile:
    """Open a zip, but none with a directory of thousands of files: it would be read whole."""
    _refuse_other("zip", file)
    entries, size = _directory(file)
    if entries > _MOST_ENTRIES:
        raise Unfit("the zip holds very many files where there must be one", what_to_do=_ONE_EACH)
    if size > _LONGEST_DIRECTORY_BYTES:  # whatever it says of their number
        raise Unfit(
            f"the zip's directory is {size:,} bytes long, as that of very many files: there must be one",
            what_to_do=_ONE_EACH,
        )
    return zipfile.ZipFile(file)


def _directory(file: BinaryIO) -> tuple[int, int]:
    """Return how many files a zip says that it holds, and the bytes of its directory; 0: it does not say.

    Of all that may be taken for its end record, by whatever rule, the largest numbers count.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _END_RECORD_BYTES - _ZIP64_BYTES))
    end = file.read()
    found, at = [(0, 0)], end.find(_END)
    while at >= 0:
        # The end of central directory record, 4.3.16 of the ZIP specification: at 10 the number of entries,
        # at 12 the size of the directory. Where they are all ones, those of the ZIP64 record count, for
        # readers that find it.
        record, wide = end[at : at + 22], end[max(0, at - _ZIP64_BYTES) : at]
        more = [_zip64(wide), *_zip64_elsewhere(file, size, end[max(0, at - 20) : at])]
        found += [numbers for numbers in more if numbers is not None]
        entries, length = _number(record[10:12]), _number(record[12:16])
        found.append(
            (0 if entries == 0xFFFF else entries, 0 if more[0] and length == 0xFFFF_FFFF else length)
        )
        at = end.find(_END, at + 1)
    return max(entries for entries, _ in found), max(length for _, length in found)


def _zip64_elsewhere(file: BinaryIO, size: int, locator: bytes) -> Iterator[tuple[int, int] | None]:
    """Yield what stands where the locator of a ZIP64 record points to, at 8 (4.3.15)."""
    place = _number(locator[8:16])
    if locator.startswith(_LOCATOR) and place < size:
        file.seek(place)
        yield _zip64(file.read(_ZIP64_BYTES - 20) + locator)


def _zip64(data: bytes) -> tuple[int, int] | None:
    """Return the numbers of a ZIP64 record with its locator behind it (4.3.14), if that is what it is."""
    if not (data.startswith(b"PK\x06\x06") and data[_ZIP64_BYTES - 20 :].startswith(_LOCATOR)):
        return None
    return _number(data[32:40]), _number(data[40:48])


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _refuse_other(ending: str, file: BinaryIO) -> None:
    """Raise `Unfit` if a file is not what its ending says, where its first bytes tell what it is."""
    file.seek(0)
    fault = other_than(ending, file.read(KIND_BYTES))
    file.seek(0)
    if fault is not None:
        raise fault


def _is_litter(name: str) -> bool:
    """Say whether a member is one that macOS and Windows add by themselves."""
    last = name.rpartition("/")[2]
    return name.startswith("__MACOSX/") or last.startswith("._") or last.casefold() in _LITTER


@contextmanager
def _faults(kind: str) -> Iterator[None]:
    """Turn what the libraries say about a damaged file into `Unfit`; faults of the disk stay as they are."""
    try:
        yield
    except _DAMAGE as error:
        raise _damaged(kind, error) from error
    except OSError as error:
        # A damaged directory makes the library seek to nowhere (EINVAL); bad data has no number at all.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise _damaged(kind, error) from error
    except (NotImplementedError, RuntimeError) as error:  # a method of compression that Python has not
        raise Unfit(
            f"the {kind} file is packed in a way that cannot be read here",
            what_to_do="pack it as .gz, or as .zip with the method Deflate, and drop it again",
        ) from error


def _damaged(kind: str, error: Exception) -> Unfit:
    text = str(error)
    if isinstance(error, EOFError) or "not a zip file" in text:
        words = "it ends too early"
    elif "CRC" in text:
        words = "its checksum is not that of what is in it"
    else:
        words = "its bytes are not such as the format has"
    return Unfit(f"the {kind} file is damaged or not whole: {words}", what_to_do=_AGAIN)
