"""Chunks end where records end, and joined they are the file; against Python's own csv module."""

import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from watcher.content.records import first_boundary, last_boundary, opening_line_of_bad_quote
from watcher.content.split import BOM, Opening, cut, exactly, opening, whole
from watcher.core.errors import Unfit
from watcher.core.model import Chunk, Route

deterministic = settings(derandomize=True, deadline=None)
MAX_RECORD = 1 << 20
# No lone CR: csv.writer leaves it unquoted before Python 3.13, and then no reader gets it back.
PIECES = ["a", "b", ",", ";", '"', "\n", "\r\n", " ", "ü", "€", "\U0001f600"]
FIELDS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
ROWS = st.lists(st.lists(FIELDS, min_size=2, max_size=4), min_size=1, max_size=8)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, list[list[str]]]:
    """A file as csv.writer writes it, perhaps without its last line end; and its rows."""
    rows = draw(ROWS)
    text = io.StringIO(newline="")
    end = draw(st.sampled_from(["\n", "\r\n"]))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    csv.writer(text, lineterminator=end, quoting=quoting).writerows(rows)
    whole_text = text.getvalue()
    if draw(st.booleans()):
        whole_text = whole_text.removesuffix(end)
    return whole_text.encode(), rows


def chunks(data: bytes, limit: int, *, start: int = 0, repeat: bytes = b"") -> list[Chunk]:
    """Cut all of `data` from `start`."""
    found = [cut(io.BytesIO(data), start, limit, Opening(repeat=repeat), max_record=MAX_RECORD)]
    while not found[-1].last:
        found.append(
            cut(io.BytesIO(data), found[-1].end, limit, Opening(repeat=repeat), max_record=MAX_RECORD)
        )
    return found


def parsed(data: bytes) -> list[list[str]]:
    """The rows of a whole CSV text; csv.Error for one that is not."""
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))


@deterministic
@given(files(), st.integers(1, 80))
def test_joined_chunks_are_the_file_byte_for_byte_and_only_the_last_says_so(
    file: tuple[bytes, list[list[str]]], limit: int
) -> None:
    data, _rows = file
    found = chunks(data, limit)

    assert b"".join(chunk.raw for chunk in found) == data
    assert all(chunk.raw for chunk in found)
    assert [chunk.start for chunk in found] == [0, *(chunk.end for chunk in found[:-1])]
    assert found[-1].end == len(data)
    assert all(chunk.body == chunk.raw for chunk in found)


@deterministic
@given(files(), st.integers(1, 80))
@example((b'"a\nb",c\n1,2', [["a\nb", "c"], ["1", "2"]]), 4)
def test_no_chunk_ends_inside_a_record(file: tuple[bytes, list[list[str]]], limit: int) -> None:
    data, rows = file

    assert [row for chunk in chunks(data, limit) for row in parsed(chunk.raw)] == rows


@deterministic
@given(files(), st.integers(1, 80))
def test_a_chunk_is_within_its_limit_unless_it_is_one_record(
    file: tuple[bytes, list[list[str]]], limit: int
) -> None:
    for chunk in chunks(file[0], limit):
        assert len(chunk.raw) <= limit or len(parsed(chunk.raw)) == 1


@deterministic
@given(files(), st.integers(1, 80))
def test_the_chunk_at_an_offset_is_the_same_every_time(
    file: tuple[bytes, list[list[str]]], limit: int
) -> None:
    data, _rows = file
    shared = io.BytesIO(data)
    for chunk in reversed(chunks(data, limit)):
        assert cut(shared, chunk.start, limit, max_record=MAX_RECORD) == chunk
        assert exactly(shared, chunk.start, chunk.end) == chunk


@deterministic
@given(files(), st.integers(1, 40))
def test_a_repeated_header_goes_before_every_chunk_within_the_limit(
    file: tuple[bytes, list[list[str]]], limit: int
) -> None:
    data, rows = file
    found = chunks(b"h1,h2\n" + data, limit, start=6, repeat=b"h1,h2\n")

    assert b"".join(chunk.raw for chunk in found) == data
    for chunk in found:
        assert chunk.body == b"h1,h2\n" + chunk.raw
        assert len(chunk.body) <= limit or len(parsed(chunk.raw)) == 1
    assert [row for chunk in found for row in parsed(chunk.body)[1:]] == rows


@deterministic
@given(st.binary(max_size=60).map(lambda raw: raw.translate(bytes.maketrans(b"xyz", b'"\n"'))), st.booleans())
def test_the_first_and_the_last_boundary_are_those_that_counting_quotes_gives(
    data: bytes, inside: bool
) -> None:
    odd, ends = inside, []
    for at, byte in enumerate(data, start=1):
        odd ^= byte == 0x22
        if byte == 0x0A and not odd:
            ends.append(at)

    assert first_boundary(data, inside=inside) == (ends[0] if ends else 0)
    assert last_boundary(data, inside=inside) == (ends[-1] if ends else 0)
    assert last_boundary(data, 20, inside=inside) == max([end for end in ends if end <= 20], default=0)


def test_a_record_of_exactly_the_limit_fits_and_one_byte_more_goes_alone() -> None:
    assert [chunk.raw for chunk in chunks(b"aaa\nbbbb\nc\n", 4)] == [b"aaa\n", b"bbbb\n", b"c\n"]
    assert [chunk.last for chunk in chunks(b"aaa\nbbb\n", 4)] == [False, True]


def test_a_record_larger_than_what_is_read_at_once_is_found_whole() -> None:
    record = b'1,"' + b'x""\n' * 700_000 + b'"\n'

    found = cut(io.BytesIO(record + b"2,3\n"), 0, 1000, max_record=len(record))

    assert (found.raw == record, found.last) == (True, False)


def test_a_record_over_max_record_is_unfit_and_one_of_exactly_that_size_is_not() -> None:
    record = b"x" * 99 + b"\n"

    assert cut(io.BytesIO(record * 2), 0, 10, max_record=100).raw == record
    for limit in (10, 98):
        with pytest.raises(Unfit, match="the record at byte 0 is longer than 99 bytes"):
            cut(io.BytesIO(record * 2), 0, limit, max_record=99)


@pytest.mark.parametrize("bom", [b"", BOM], ids=["plain", "bom"])
@pytest.mark.parametrize(
    ("header", "first", "repeat"),
    [("none", 0, b""), ("first", 0, b""), ("drop", 6, b""), ("every", 6, b"h1,h2\n")],
)
def test_a_bom_is_never_sent_and_the_header_is_treated_as_the_route_says(
    bom: bytes, header: str, first: int, repeat: bytes
) -> None:
    found = opening(io.BytesIO(bom + b"h1,h2\n1,2\n"), route(header))

    expected = Opening(len(bom) + first, b"" if header == "none" else b"h1,h2\n", repeat)
    assert found == expected


def test_a_header_of_two_lines_is_one_record() -> None:
    assert opening(io.BytesIO(b'"h\n1",h2\r\n1,2\r\n'), route("drop")).start == len(b'"h\n1",h2\r\n')


def test_a_header_without_a_line_end_gets_one_where_it_is_repeated() -> None:
    assert opening(io.BytesIO(b"h1,h2"), route("every")) == Opening(5, b"h1,h2", b"h1,h2\n")


def test_a_header_over_max_record_is_unfit() -> None:
    with pytest.raises(Unfit, match="longer than 20 bytes"):
        opening(io.BytesIO(b"h" * 30 + b"\n1\n"), route("drop", max_record=20))


def test_a_json_document_is_one_chunk_without_its_bom() -> None:
    file = io.BytesIO(BOM + b'{"a":\n1}\n')
    start = opening(file, Route("j", (), "http://x", "application/json", "json", header="drop")).start

    assert whole(file, start, 100) == Chunk(3, 12, b'{"a":\n1}\n', b'{"a":\n1}\n', last=True)
    with pytest.raises(Unfit, match="larger than 8 bytes"):
        whole(file, start, 8)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a,b\n1,"x\n2,"y"\n3,"z"\n', 2),
        ('"a","b"\n"1","x\n"2","y"\n', 2),
        ('a,"b\nc"\nd,"e\nf,g\n', 3),
        ('a,"b ""c"" d"\ne,"f ""g\n', 2),
        ('1,x"\n2,"y"\n', 1),
    ],
)
def test_a_quote_that_is_never_closed_is_told_by_the_line_it_opens_on(text: str, line: int) -> None:
    assert opening_line_of_bad_quote(io.BytesIO(text.encode())) == line
    assert opening_line_of_bad_quote(io.BytesIO(text.replace("\n", "\r\n").encode())) == line


def route(header: str, max_record: int = MAX_RECORD) -> Route:
    return Route("r", (), "http://x", "text/csv", "csv", header=header, max_record=max_record)  # type: ignore[arg-type]
