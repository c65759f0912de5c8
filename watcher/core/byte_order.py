"""Pure: the byte order marks that a text may begin with (Unicode, 23.8)."""

from __future__ import annotations

import codecs

# The longer marks first: the one of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def byte_order_mark(text: bytes) -> tuple[bytes, str] | None:
    """Return the mark that `text` begins with, and Python's name of the codec that it stands for; None: there
    is none."""
    return next(((mark, codec) for mark, codec in _MARKS if text.startswith(mark)), None)
