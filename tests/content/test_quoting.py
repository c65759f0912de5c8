"""`escape` and `quotes: none`: a CR in a field stays in it, one that ends a line ends it."""

from __future__ import annotations

import csv
import io
import random
from itertools import pairwise

import pytest

from tests.content.test_contents import prepared, sent
from watcher.content.dialect import cr_to_lf


def records(data: bytes) -> list[list[str]]:
    """The records as a reader of RFC 4180 has them."""
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'1,"said \\"hi\\""\n2,"two\rlines"\n', [["1", 'said "hi"'], ["2", "two\rlines"]]),
        (b'4712,"two\rlines",2\n', [["4712", "two\rlines", "2"]]),
        (b'1,"a \\" b"\r2,"c"\r', [["1", 'a " b'], ["2", "c"]]),
        (b'1,"6\\" pipe\rblue"\n2,"y"\n', [["1", '6" pipe\rblue'], ["2", "y"]]),
        (b"1,a\\\r\nb\r\n2,c\r\n", [["1", "a\r\nb"], ["2", "c"]]),
        (b"1,a\\\nb\n2,c\n", [["1", "a\nb"], ["2", "c"]]),
        (b"1,a\\\\\r\n2,c\r\n", [["1", "a\\"], ["2", "c"]]),
        (b"1,a\\\rb\r2,c\r", [["1", "a\rb"], ["2", "c"]]),
    ],
)  # fmt: skip
def test_a_line_end_that_is_quoted_or_escaped_is_none_and_any_other_ends_a_record(
    text: bytes, expected: list[list[str]]
) -> None:
    assert records(sent(prepared(text, escape="\\"))) == expected


def test_it_does_not_matter_where_a_block_ends() -> None:
    chance = random.Random(7)
    for _ in range(2_000):
        text = bytes(chance.choices(b'a"\\\r\n,', k=chance.randrange(1, 40)))
        whole = b"".join(cr_to_lf([text], escape=b"\\"))
        cuts = sorted(chance.choices(range(len(text) + 1), k=3))
        parts = [text[begin:end] for begin, end in pairwise([0, *cuts, len(text)])]
        assert b"".join(cr_to_lf(filter(None, parts), escape=b"\\")) == whole
        if b"\\" not in text:
            assert whole == b"".join(cr_to_lf([text]))
