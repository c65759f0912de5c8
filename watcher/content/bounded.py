"""Pure: what is in a zip that is packed with bzip2 or LZMA, a bounded piece at a time.

`zipfile` unpacks all that a piece of such a file holds at once: a thousand bytes may be gigabytes.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zipfile
import zlib
from typing import BinaryIO

METHODS = frozenset({zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA})
_PACKED_BYTES = 1 << 16  # read at once
_HEADER = struct.Struct("<26xHH")  # 4.3.7 of the ZIP specification: the lengths of name and extra field
_LZMA = struct.Struct("<2xHBI")  # 5.8.8: the length of the properties, lc, lp and pb, the dictionary
_LEAST_DICTIONARY = 4_096


class Bounded:
    """The content of one member, as a stream; at its end its checksum is compared."""

    def __init__(self, file: BinaryIO, member: zipfile.ZipInfo) -> None:
        """Raises what `zipfile` and `lzma` raise for a damaged one, as `read` does."""
        file.seek(member.header_offset)
        name, extra = _HEADER.unpack(file.read(_HEADER.size))
        self._at = member.header_offset + _HEADER.size + name + extra  # in the file
        self._packed, self._left = member.compress_size, member.file_size
        self._file, self._crc, self._told_crc = file, 0, member.CRC
        self._unpacking = bz2.BZ2Decompressor() if member.compress_type == zipfile.ZIP_BZIP2 else self._lzma()

    def _lzma(self) -> lzma.LZMADecompressor:
        length, settings, dictionary = _LZMA.unpack(self._next(_LZMA.size))
        if length != 5 or settings >= 9 * 5 * 5:
            raise zipfile.BadZipFile("its LZMA properties are none")
        # A dictionary longer than the content is of no use, whatever it says.
        filters = {
            "id": lzma.FILTER_LZMA1, "lc": settings % 9, "lp": settings // 9 % 5, "pb": settings // 45,
            "dict_size": max(_LEAST_DICTIONARY, min(dictionary, self._left)),
        }  # fmt: skip
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[filters])

    def _next(self, size: int) -> bytes:
        self._file.seek(self._at)
        data = self._file.read(min(size, self._packed))
        self._at, self._packed = self._at + len(data), self._packed - len(data)
        return data

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes more; none at the end."""
        while self._left:
            packed = self._next(_PACKED_BYTES) if self._unpacking.needs_input else b""
            if self._unpacking.eof or (self._unpacking.needs_input and not packed):
                raise EOFError("the member ends before its content does")
            if data := self._unpacking.decompress(packed, min(size, self._left)):
                self._left -= len(data)
                self._crc = zlib.crc32(data, self._crc)
                return data
        if self._crc != self._told_crc:
            raise zipfile.BadZipFile("Bad CRC-32")
        return b""
