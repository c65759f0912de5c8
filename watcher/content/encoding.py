"""Pure: bytes of any encoding to checked UTF-8, and a hint where the encoding was not declared.

A byte order mark decides. Without one, text with a byte above 0x7F that is UTF-8 throughout is UTF-8, for in
no other encoding do people write what happens to be that; else it is what the route declares. Where nothing
is declared, what is not UTF-8 is refused with the line and the byte. Nothing is ever recoded by guess: that
is told to the person who can know, and no more.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from watcher.content.likely import hint
from watcher.content.records import line_at
from watcher.core.byte_order import byte_order_mark
from watcher.core.errors import Unfit

DOS_END = b"\x1a"  # what programs of DOS end a text with, and fill the rest of a sector with
_LANGUAGES = {None: "Japanese", b"C": "Korean", b"A": "Chinese", b"G": "Chinese"}
# The escape sequences that choose a character set in ISO 2022: all of it is ASCII, and reads as nothing.
_ISO_2022 = re.compile(rb"\x1b(?:\$\(?[@-D]|\([BIJ]|\$\)([ACG]))")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a file's text is written."""

    codec: str  # Python's name
    mark: bytes = b""  # its byte order mark, if it has one
    declared: bool = False  # by the route
    overrules: str = ""  # the codec that the route declares, which it is not

    @property
    def is_utf8(self) -> bool:
        """Whether its bytes can go out as they are."""
        return self.codec == "utf-8"

    @property
    def is_wide(self) -> bool:
        """Whether every character has two bytes or more."""
        return self.codec.startswith(("utf-16", "utf-32"))

    @property
    def words(self) -> str:
        """For people."""
        why = " by its byte order mark" if self.mark else " as the route says" if self.declared else ""
        why = f", not {self.overrules} as the route says" if self.overrules else why
        return self.codec.upper() + why


def detect(head: bytes, declared: str | None) -> Encoding:
    """Return the encoding of a file that begins with `head`; `declared`: what the route says, if anything."""
    if found := byte_order_mark(head):
        mark, codec = found
        return Encoding(codec, mark)
    if declared is None:
        return Encoding("utf-8")
    return Encoding(codecs.lookup(declared).name.removesuffix("-sig"), declared=True)


def is_rather_utf8(blocks: Iterable[bytes], declared: Encoding) -> bool:
    """Say whether a file without a byte order mark is UTF-8, though it is declared to be something else."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    # Every ASCII character has a zero byte there, line ends and delimiters too: text without is no UTF-16.
    wide = declared.is_wide
    other, empty = False, True
    try:
        for block in blocks:
            if wide and b"\0" in block:
                return False
            empty, other = False, other or not block.isascii()
            decoder.decode(block)
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return other or (wide and not empty)


class TextCheck:
    """Checks that a file is UTF-8 text without NUL bytes, block by block from its beginning."""

    def __init__(self, file: BinaryIO) -> None:
        """`file` is what is checked; it is read again where it fails, to tell the line and the reason."""
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._size = 0  # bytes checked

    def feed(self, block: bytes, *, final: bool = False) -> None:
        """Check the next block; `final`: nothing follows it. Raises `Unfit` with the line."""
        nul = block.find(b"\0")
        if nul >= 0:
            raise self._not_text(self._size + nul)
        if b"\x1b" in block and (found := _ISO_2022.search(block)):
            raise self._escapes(self._size + found.start(), found[1])
        left_over = self._decoder.getstate()[0]
        # Something is left over only inside a character: the quick way for text in ASCII.
        if final or left_over or not block.isascii():
            try:
                self._decoder.decode(block, final)
            except UnicodeDecodeError as error:
                raise self._not_utf8(error, self._size - len(left_over)) from error
        self._size += len(block)

    def _escapes(self, at: int, charset: bytes | None) -> Unfit:
        line = line_at(self._file, at)
        codec = {None: "iso2022_jp", b"C": "iso2022_kr"}.get(charset)
        setting = f"set `encoding: {codec}` for the route, or " if codec else ""
        return Unfit(
            f"line {line}: there are escape sequences of ISO 2022, as in mails in {_LANGUAGES[charset]}",
            what_to_do=setting + "save it as UTF-8 and drop it again",
            line=line,
        )

    def _not_text(self, at: int) -> Unfit:
        line = line_at(self._file, at)
        utf16 = "utf-16-le" if at % 2 else "utf-16-be"  # where ASCII letters have their zero byte
        return Unfit(
            f"line {line}: there is a NUL byte; the file is not text, or was not written to its end",
            what_to_do="export or copy the file again; UTF-16 without a byte order mark needs"
            f" `encoding: {utf16}` for the route",
            line=line,
        )

    def _not_utf8(self, error: UnicodeDecodeError, begin: int) -> Unfit:
        at = begin + error.start
        self._file.seek(0)
        marked = self._file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
        words, setting = hint(self._file, at, marked=marked)
        line = line_at(self._file, at)
        save = ", or save it as UTF-8 (in Excel: 'CSV UTF-8') and drop it again"
        return Unfit(
            f"line {line}: byte 0x{error.object[error.start]:02X} is not UTF-8{words}",
            what_to_do=setting + save,
            line=line,
        )


def to_utf8(blocks: Iterable[bytes], encoding: Encoding) -> Iterator[bytes]:
    """Yield the text as UTF-8 without byte order mark. Raises `Unfit` for bytes that are not `encoding`."""
    decoder = codecs.getincrementaldecoder(encoding.codec)()
    skip, newlines, returns = len(encoding.mark), 0, 0
    for block in _and_end(blocks):
        if skip and block:
            block, skip = block[skip:], max(0, skip - len(block))
        try:
            text = decoder.decode(block or b"", block is None)
        except UnicodeError as error:
            # An old Mac's lines end with CR.
            raise _undecodable(error, encoding, max(newlines, returns)) from error
        newlines += text.count("\n")
        returns += text.count("\r")
        yield text.encode("utf-8", "surrogatepass")


def _and_end(blocks: Iterable[bytes]) -> Iterator[bytes | None]:
    yield from blocks
    yield None


def _undecodable(error: UnicodeError, encoding: Encoding, newlines: int) -> Unfit:
    line, byte = newlines + 1, "a byte"
    if isinstance(error, UnicodeDecodeError):
        before = error.object[: error.start].decode(encoding.codec, "replace")
        line += max(before.count("\n"), before.count("\r"))
        byte = f"byte 0x{error.object[error.start]:02X}"
    how = "correct the route's encoding, or " if encoding.declared else ""
    return Unfit(
        f"line {line}: {byte} is not {encoding.codec}",
        what_to_do=f"{how}export the file again as UTF-8",
        line=line,
    )
