"""Pure: what the bytes of a file that is not UTF-8 may be, in words for the person who can know.

Short text fits nearly every code page, so few bytes are little evidence: there, only the pages that exports
are commonly written in come into question, the western one first, and what is shown is how each of them
reads. Text that is UTF-8 but for some bytes is none of them: it is damaged.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import BinaryIO

from watcher.content.content import blocks
from watcher.content.records import NEWLINE
from watcher.core.names import counted, shown

# The most common first: where several read as well, it is that. DOS pages and those of Asia are not among
# them; for these there must be evidence.
_COMMON = (
    "cp1252", "cp1250", "cp1251", "cp1254", "cp1257", "cp1253", "cp1255", "cp1256", "iso8859-2", "mac-roman",
    "koi8-r",
)  # fmt: skip
_SHOWN = ("cp1252", "cp1250", "cp850")  # beside the likely one
# What is tried before the one that the detector names: of two that are nearly the same the better known.
_RATHER = {
    "gb2312": "gb18030", "gbk": "gb18030", "shift_jis_2004": "cp932", "shift_jisx0213": "cp932",
    "euc_jis_2004": "euc_jp", "euc_jisx0213": "euc_jp", "euc_kr": "cp949", "cp1125": "cp866",
    "koi8_t": "koi8_r", "koi8_u": "koi8_r", "iso8859_1": "cp1252", "iso8859_15": "cp1252",
    "iso8859_9": "cp1254", "iso8859_8": "cp1255", "cp932": "shift_jis", "cp950": "big5", "cp874": "tis_620",
}  # fmt: skip
_LATIN_2 = frozenset({0xB9})  # a letter in Czech of ISO 8859-2, where cp1250 has a Polish one
_WINDOWS = frozenset(range(0x80, 0xA0))  # letters in Windows' pages alone, Polish ones too
_ENOUGH_BYTES = 40  # above 0x7F, to believe a detector
_SAMPLE_BYTES = 200_000  # of lines that are not ASCII
_WORDS = 2_000  # that are looked at
_TOLERATED = 0.05  # odd characters in a good reading, of those that are not ASCII
_FIELD_CHARS = 24  # shown of a field

_VALID = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    rb"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}"
    rb"|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
_ASCII = bytes(range(128))
_WORD = re.compile(rb'[^\s,;|"]*[\x80-\xff][^\s,;|"]*')
_BETWEEN = b',;|\t\r\n"'  # fields
_PUNCTUATION = frozenset("€£¥¢°§©®™«»‹›¿¡“”„‘’‚–—…•·±²³¹½¼¾×µ\xa0´ªº")
_WITHIN_WORDS = frozenset("’·\xad-")


@dataclass(slots=True)
class _Evidence:
    """What a whole file holds besides ASCII."""

    whole: int = 0  # characters of UTF-8
    stray: int = 0  # bytes above 0x7F that belong to none
    values: set[int] = field(default_factory=set)  # of the bytes above 0x7F
    high: int = 0  # their number
    sample: bytearray = field(default_factory=bytearray)  # lines that have some

    @property
    def is_utf8(self) -> bool:
        """Whether it is UTF-8, but for some bytes: no other text holds so many of its characters."""
        return self.whole > 2 * self.stray


def hint(file: BinaryIO, at: int, *, marked: bool) -> tuple[str, str]:
    """Return what `file` may be written in, whose byte `at` is not UTF-8: words, and what to set.

    `marked`: it has the byte order mark of UTF-8. The whole file is judged.
    """
    found = _evidence(file)
    if marked or found.is_utf8 or _is_cut_off(file, at):
        whole = "" if not found.whole else f", {counted(found.whole, 'other character')} of it whole"
        return f": it is damaged UTF-8{whole}", "export or copy the file again"
    likely = _likely(file, found)
    candidates = [likely] if likely is not None else []
    candidates += [each for each in _SHOWN if each not in candidates and _decodes(each, found.values)]
    raw = _field(file, at)
    readings = ", ".join(f"{each} reads {_read(raw, each)}" for each in candidates[:3])
    if likely is None:
        words = f"; {readings}" if readings else ""
        return words, "set `encoding:` for the route to the one that reads right"
    return (
        f"; it looks like {likely}: {readings}",
        f"set `encoding: {likely}` for the route if it reads right",
    )


def likely_codec(file: BinaryIO) -> str | None:
    """Return the codec that a file is probably in that is not UTF-8; None: it is damaged UTF-8, or nothing
    reads well enough."""
    found = _evidence(file)
    return None if found.is_utf8 or not found.high else _likely(file, found)


def _evidence(file: BinaryIO) -> _Evidence:
    found = _Evidence()
    for block in blocks(file):
        if block.isascii():
            continue
        high = block.translate(None, _ASCII)
        others, whole = _VALID.subn(b"", block)
        found.whole += whole
        found.stray += len(others.translate(None, _ASCII))
        found.high += len(high)
        found.values |= set(high)
        for line in block.split(NEWLINE) if len(found.sample) < _SAMPLE_BYTES else ():
            if len(found.sample) < _SAMPLE_BYTES and not line.isascii():
                found.sample += line[:_SAMPLE_BYTES] + NEWLINE
    return found


def _is_cut_off(file: BinaryIO, at: int) -> bool:
    """Say whether the file ends within the character of UTF-8 that begins at `at`, more than one byte of it
    there: one alone is a letter of many a code page."""
    file.seek(at)
    rest = file.read(5)
    try:
        codecs.utf_8_decode(rest, "strict", True)
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and len(rest) > 1
    return False


def _likely(file: BinaryIO, found: _Evidence) -> str | None:
    """Return the codec that the file is probably in, or None: nothing reads well enough."""
    words = list(dict.fromkeys(_WORD.findall(found.sample)))[:_WORDS]
    oddness = {each: _oddness(words, each) for each in _COMMON if _decodes(each, found.values)}
    common = next((each for each in oddness if oddness[each] <= _TOLERATED), None)
    if found.high < _ENOUGH_BYTES:
        return common
    detected = _detected(bytes(found.sample))
    if detected is None or not _decodes_all(file, detected):
        return common
    # The statistics of a detector are of prose, not of names: it takes rare pages for what is common.
    if common is not None and detected not in oddness:
        return common if oddness[common] <= _oddness(words, detected) else detected
    if detected == "cp1250" and found.values & _LATIN_2 and not found.values & _WINDOWS:
        return "iso8859-2"
    return detected


def _detected(sample: bytes) -> str | None:
    # Imported here: only a file that fails needs it.
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    if best is None or best.encoding.startswith(("utf", "ascii")):
        return None
    for codec in (_RATHER.get(best.encoding, best.encoding), best.encoding):
        if _decodes(codec, sample):
            return codecs.lookup(codec).name
    return None


def _decodes(codec: str, text: Iterable[int]) -> bool:
    """Say whether these bytes, or with a code page the bytes of any text, are characters of `codec`."""
    try:
        bytes(text).decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _decodes_all(file: BinaryIO, codec: str) -> bool:
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        for block in blocks(file):
            decoder.decode(block)
        decoder.decode(b"", True)
    except UnicodeError:
        return False
    return True


def _oddness(words: Iterable[bytes], codec: str) -> float:
    """Return how many of the characters that are not ASCII stand where no language has them, as a share."""
    odd = number = 0
    for word in words:
        text = word.decode(codec, "replace")
        number += sum(not char.isascii() for char in text)
        odd += _odd_in(f" {text} ")
    return odd / number if number else 0.0


def _odd_in(text: str) -> int:
    odd = 0
    for before, char, behind in zip(text, text[1:], text[2:], strict=False):
        if char.isascii() or char in _WITHIN_WORDS:
            continue
        if char.isalpha() and char not in _PUNCTUATION:
            odd += char.isupper() and before.isalpha() and (before.islower() or behind.islower())
        elif before.isalpha() and behind.isalpha():
            odd += 2
        else:
            odd += char not in _PUNCTUATION and unicodedata.category(char) != "Mn"
    letters = [char for char in text if char.isalpha() and char not in _PUNCTUATION]
    scripts = {unicodedata.name(char, "").partition(" ")[0] for char in letters}
    foreign = sum(not char.isascii() for char in letters)
    if len(scripts) > 1:
        odd += 3
    elif scripts == {"LATIN"} and foreign > 2 and foreign > 0.8 * len(letters):
        odd += foreign  # no word of Latin letters has hardly one of ASCII
    return odd


def _field(file: BinaryIO, at: int) -> bytes:
    """Return the field around byte `at`, or as much of it as is shown."""
    begin = max(0, at - 4 * _FIELD_CHARS)
    file.seek(begin)
    data = file.read(8 * _FIELD_CHARS)
    at -= begin
    first = max(data.rfind(bytes([each]), 0, at) for each in _BETWEEN) + 1
    ends = [place for each in _BETWEEN if (place := data.find(bytes([each]), at)) >= 0]
    return data[first : min(ends, default=len(data))]


def _read(raw: bytes, codec: str) -> str:
    text = raw.decode(codec, "replace").strip()
    return shown(text if len(text) <= _FIELD_CHARS else text[:_FIELD_CHARS] + "…")
