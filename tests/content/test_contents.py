"""What programs really write arrives as UTF-8 with commas; what cannot be trusted fails with a way out."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import os
import random
import re
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import World, answer, works
from watcher.content.content import BLOCK_BYTES, Content
from watcher.content.inspect import prepare
from watcher.content.split import cut
from watcher.core.errors import Unfit
from watcher.core.model import Column, Route
from watcher.core.names import stamped

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EXPORT = 'agent;event;note\r\n4711;READY;Müller, Jörg\r\n4712;AWAY;"say ""hi"""\r\n'
ARRIVES = 'agent,event,note\n4711,READY,"Müller, Jörg"\n4712,AWAY,"say ""hi"""\n'

# Byte for byte as the program writes it, with the settings that the route needs.
PROGRAMS = {
    "Excel, CSV UTF-8": (codecs.BOM_UTF8 + EXPORT.encode(), {"delimiter": ";"}),
    "Excel, CSV (German Windows)": (EXPORT.encode("cp1252"), {"delimiter": ";", "encoding": "cp1252"}),
    "Excel, Unicode text": (
        codecs.BOM_UTF16_LE + EXPORT.replace(";", "\t").encode("utf-16-le"),
        {"delimiter": "\t"},
    ),
    "Excel for Mac, old": (
        EXPORT.replace("\r\n", "\r").encode("mac-roman"),
        {"delimiter": ";", "encoding": "mac-roman"},
    ),
    "Excel, with a sep line": (codecs.BOM_UTF8 + b"sep=;\r\n" + EXPORT.encode(), {}),
    "LibreOffice": (EXPORT.replace("\r\n", "\n").encode(), {"delimiter": "auto"}),
    "LibreOffice, UTF-16, text in quotes": (
        codecs.BOM_UTF16_LE
        + '"agent","event","note"\n4711,"READY","Müller, Jörg"\n'.encode("utf-16-le")
        + '4712,"AWAY","say ""hi"""\n'.encode("utf-16-le"),
        {"delimiter": "auto"},
    ),
    "PowerShell 5, Export-Csv -Encoding UTF8": (
        codecs.BOM_UTF8 + b'"agent";"event";"note"\r\n'
        + '"4711";"READY";"Müller, Jörg"\r\n"4712";"AWAY";"say ""hi"""\r\n'.encode(),
        {"delimiter": "auto"},
    ),
    "PowerShell 5, >": (codecs.BOM_UTF16_LE + EXPORT.encode("utf-16-le"), {"delimiter": "auto"}),
    "a Java program on Solaris": (codecs.BOM_UTF16_BE + EXPORT.encode("utf-16-be"), {"delimiter": ";"}),
    "SQL Server, bcp -w -t|": (
        EXPORT.replace(";", "|").encode("utf-16-le"),
        {"delimiter": "|", "encoding": "utf-16-le"},
    ),
}  # fmt: skip


def route(**changes: Any) -> Route:
    """A CSV route."""
    return Route("r", (), "http://x", "text/csv", "csv", **changes)


def prepared(data: bytes, name: str = "a.csv", **changes: Any) -> Content:
    """The preflight of `data`."""
    return prepare(io.BytesIO(data), name, route(**changes), scratch=io.BytesIO, now=NOW)


def sent(content: Content) -> bytes:
    """What goes out, all chunks joined."""
    found, position, last = b"", content.opening.start, False
    while not last:
        chunk = cut(content.file, position, 64, content.opening, max_record=1 << 20)
        found, position, last = found + chunk.body, chunk.end, chunk.last
    return found


def refused(data: bytes, name: str = "a.csv", **changes: Any) -> Unfit:
    """The reason why `data` is not sent."""
    with pytest.raises(Unfit) as caught:
        prepared(data, name, **changes)
    assert caught.value.what_to_do
    return caught.value


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_a_program_writes_arrives_as_utf8_with_commas(world: World, program: str) -> None:
    data, keys = PROGRAMS[program]
    world.settings["routes"][2] |= keys | {"header": "first"}
    world.drop("agent_events.csv", data)

    assert world.run_once() == 0

    (operation,) = world.completed()
    assert list(csv.reader(io.StringIO(operation.body.decode()))) == list(csv.reader(io.StringIO(ARRIVES)))
    assert world.files("done") == {"agent_events.csv": data}
    assert world.history()[0]["records"] == 2


def test_a_file_that_can_go_out_as_it_is_is_not_written_anew() -> None:
    data = codecs.BOM_UTF8 + b'a,"1"\r\nb,2'
    content = prepared(data, columns=(Column("name"), Column("n", "integer")))

    assert sent(content) == b'a,"1"\r\nb,2'
    assert content.sha256 == content.source_sha256


@pytest.mark.parametrize(
    ("data", "hint"),
    [("Größe\n".encode("cp1252"), "cp1252"), ("Příliš žluťoučký kůň\n".encode("cp1250"), "cp125")],
)
def test_an_encoding_that_was_not_declared_is_refused_with_line_byte_and_a_hint(
    data: bytes, hint: str
) -> None:
    fault = refused(b"a,b\n" * 3 + data)

    assert fault.reason.startswith("line 4: byte 0x")
    assert f"is not UTF-8; it looks like {hint}" in fault.reason
    assert f"encoding: {hint}" in fault.what_to_do


def test_the_hint_for_a_few_odd_bytes_is_one_that_exports_are_written_in() -> None:
    fault = refused(b"agent;\x80 event\r\n\xff;y\r\n")

    assert "looks like cp125" in fault.reason


def test_the_hint_never_changes_the_text(world: World) -> None:
    world.drop("agent_events.csv", "Größe,1\n".encode("cp1252"))

    assert world.run_once() == 1
    assert world.server.operations() == []


def test_bytes_that_are_not_of_the_declared_encoding_are_refused_with_their_line() -> None:
    assert refused(b"a\nb\x81\n", encoding="cp1252").reason == "line 2: byte 0x81 is not cp1252"
    cut_short = codecs.BOM_UTF16_LE + "a\nb".encode("utf-16-le")[:-1]
    assert refused(cut_short).reason.startswith("line 2: byte 0x62 is not utf-16-le")


def test_a_byte_order_mark_beats_the_declared_encoding() -> None:
    assert sent(prepared(codecs.BOM_UTF8 + "ü,1\n".encode(), encoding="cp1252")) == "ü,1\n".encode()
    utf16 = codecs.BOM_UTF16_BE + "ü,1\n".encode("utf-16-be")
    assert sent(prepared(utf16, encoding="cp1252")) == "ü,1\n".encode()


def test_a_character_across_blocks_is_decoded_whole() -> None:
    text = "x" * (BLOCK_BYTES // 2 - 1) + "😀\n"

    assert sent(prepared(codecs.BOM_UTF16_LE + text.encode("utf-16-le"))) == text.encode()


@pytest.mark.parametrize(
    ("text", "columns", "delimiter"),
    [
        ("a;b\n1;2\n", 0, ";"),
        ("a\tb,c\n1\t2\n", 0, "\t"),
        ('"a|b",c\n"1",2\n', 0, ","),
        ("a|1,5\nb|2,5\n", 2, None),  # both would do
        ("a|x|1,5\nb|y|2,5\n", 3, "|"),  # only one has three
        ("one\ntwo\n", 0, None),
        ("one\ntwo\n", 1, ","),
        ("a;b\n1;2;3\n", 0, None),
    ],
)
def test_auto_takes_the_one_delimiter_that_fits_and_refuses_in_doubt(
    text: str, columns: int, delimiter: str | None
) -> None:
    keys = {"delimiter": "auto", "columns": tuple(Column(f"c{at}") for at in range(columns))}
    if delimiter is None:
        fault = refused(text.encode(), **keys)
        assert "it is not clear what separates the fields" in fault.reason
        assert "delimiter" in fault.what_to_do
    else:
        rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
        assert list(csv.reader(io.StringIO(sent(prepared(text.encode(), **keys)).decode()))) == rows


def test_a_delimiter_that_is_nowhere_in_the_file_is_refused() -> None:
    fault = refused(b"a,b\nc,d\n", delimiter=";")

    assert "there is no ';' in the file" in fault.reason


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "no newline at the end"])
def test_every_kind_of_line_end_gives_the_same_records(end: str, last: bool) -> None:
    text = end.join(["a;1", 'b;"2\n2"', "c;3"]) + end * last

    content = prepared(text.encode(), delimiter=";")
    assert sent(content) == b'a,1\nb,"2\n2"\nc,3\n'
    assert content.records == 3


def test_an_old_mac_file_with_commas_is_sent_with_lf() -> None:
    content = prepared(b'a,1\rb,"2\r2"\rc,3')

    assert sent(content) == b'a,1\nb,"2\r2"\nc,3', "a CR in quotes is data"


def test_the_line_of_a_refused_chunk_is_that_of_the_dropped_file() -> None:
    content = prepared(b"sep=;\r\na;b\r\n1;2\r\n", header="first")

    assert content.line_in_source(2) == 3


@pytest.mark.parametrize("header", ["drop", "first", "every"])
@pytest.mark.parametrize("columns", [(), ("agent", "n")])
def test_blank_lines_before_the_header_are_no_header(header: Any, columns: tuple[str, ...]) -> None:
    content = prepared(b"\r\n \nagent,n\r\na,1\r\n", header=header, columns=tuple(map(Column, columns)))

    assert sent(content) == (b"" if header == "drop" else b"agent,n\r\n") + b"a,1\r\n"
    assert prepared(b"\nagent,n\n", header=header, columns=tuple(map(Column, columns))).empty


@pytest.mark.parametrize("header", ["drop", "first", "every"])
def test_lone_crs_end_records_wherever_they_stand_outside_quotes(header: Any) -> None:
    for data in (b'agent,n\ra,"x\ny"\rb,2\r', b'agent,n\ra,"x\ny"\nb,2\n', b'agent,n\r\na,"x\ny"\rb,2'):
        content = prepared(data, header=header, columns=(Column("agent"), Column("n")))
        rows = list(csv.reader(io.StringIO(sent(content).decode(), newline="")))
        assert rows == [["agent", "n"]] * (header != "drop") + [["a", "x\ny"], ["b", "2"]]
        assert content.records == 2


def test_a_lone_cr_at_the_end_of_a_block_is_seen() -> None:
    begin = b"x" * (BLOCK_BYTES - 4)

    assert sent(prepared(begin + b",1\r" + b"b,2\r\n")) == begin + b",1\nb,2\r\n"
    assert sent(prepared(begin + b",1\r" + b"\nb,2\r\n")) == begin + b",1\r\nb,2\r\n"


def test_a_stray_quote_in_the_header_is_refused_as_readers_would_not_agree() -> None:
    fault = refused(b'agent 5",n\na 6",1\nb,2\n', header="drop")

    assert fault.reason.startswith("line 1: there is a quote within a field of the header")


def test_a_first_record_longer_than_what_is_judged_is_judged_by_its_beginning() -> None:
    data = b'a;"' + b"x" * 70_000 + b'"\n1;2\n'

    assert sent(prepared(data, delimiter="auto")) == b"a," + b"x" * 70_000 + b"\n1,2\n"


def test_a_nul_byte_of_utf16_names_the_setting_by_its_place() -> None:
    assert "utf-16-le" in refused("a,1\n".encode("utf-16-le")).what_to_do
    assert "utf-16-be" in refused("a,1\n".encode("utf-16-be")).what_to_do


def test_a_compressed_file_without_its_ending_is_told_so() -> None:
    assert "compressed" in refused(gzip.compress(b"a,1\n")).reason


def test_the_line_of_a_byte_in_an_old_mac_file_is_counted_by_cr() -> None:
    assert refused(b"a\r" * 99 + b"\x81\r", encoding="cp1252").lines == "100"


FIELDS = st.text(st.sampled_from('a1,;|\t"\n\r ü€'), max_size=6)
ROWS = st.lists(st.lists(FIELDS, min_size=2, max_size=4), min_size=1, max_size=6)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(
    ROWS,
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_whatever_the_dialect_and_encoding_the_records_that_arrive_are_those_of_the_file(
    rows: list[list[str]], delimiter: str, encoding: str, end: str
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    data = text.getvalue().encode(encoding)
    declared = encoding if encoding == "cp1252" else None

    content = prepared(data, delimiter=delimiter, encoding=declared)
    again = prepared(data, delimiter=delimiter, encoding=declared)

    assert list(csv.reader(io.StringIO(sent(content).decode(), newline=""))) == rows
    assert content.sha256 == again.sha256, "other bytes after a restart"


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(st.lists(st.text(st.sampled_from("ab1, "), max_size=4), min_size=2, max_size=3), max_size=30))
def test_the_quick_way_for_files_without_quotes_writes_what_the_csv_module_writes(
    rows: list[list[str]],
) -> None:
    text = "".join(";".join(row) + "\n" for row in rows)
    if not any(any(row) for row in rows):
        return
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\n").writerows(rows)

    assert sent(prepared(text.encode(), delimiter=";", empty_rows="send")).decode() == written.getvalue()


# -- compressed -------------------------------------------------------------------------------------


def zipped(**members: bytes) -> bytes:
    """A zip with these files in it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(re.sub("_(csv|jsonl?)$", r".\1", name), data)
    return made.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("agent_events.csv.gz", gzip.compress(b"a,1\nb,2\n")),
        ("AGENT_EVENTS.CSV.GZ", gzip.compress(codecs.BOM_UTF16_LE + "a,1\nb,2\n".encode("utf-16-le"))),
        ("agent_events.csv.zip", zipped(whatever_csv=b"a,1\nb,2\n")),
        ("monday.zip", zipped(agent_events_csv=b"a,1\nb,2\n")),
    ],
    ids=["gz", "gz of UTF-16", "zip", "zip routed by what is in it"],
)
def test_a_compressed_file_is_sent_expanded_and_moved_as_it_came(
    world: World, name: str, data: bytes
) -> None:
    world.drop(name, data)

    assert world.run_once() == 0

    (operation,) = world.completed()
    assert operation.body == b"a,1\nb,2\n"
    assert world.files("done") == {name: data}


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("agent_events.csv.gz", gzip.compress(b"a,1\n" * 100)[:-20], "damaged or not whole"),
        ("agent_events.csv.gz", b"a,1\n", "damaged or not whole"),
        ("agent_events.csv.zip", zipped(a_csv=b"1", b_csv=b"2"), "holds 2 files"),
        ("monday.zip", zipped(a_csv=b"1", b_csv=b"2"), "holds 2 files"),
        ("monday.zip", b"PK no zip", "damaged or not whole"),
        ("monday.zip", zipped(b_csv=b"2"), "no route matches"),
        ("agent_events.csv.gz", gzip.compress(b'a,"1\n'), "line 1: the quote"),
    ],
    ids=["cut off", "no gz", "two files", "two files, no route", "no zip", "no route", "bad inside"],
)
def test_a_compressed_file_that_cannot_be_trusted_fails_with_words(
    world: World, name: str, data: bytes, words: str
) -> None:
    world.drop(name, data)

    assert world.run_once() == 1

    assert words in world.report(name)["reason"]
    assert world.files("failed")[name] == data
    assert world.server.operations() == []


def test_what_macos_adds_to_a_zip_is_left_out(world: World) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("export/agent_events.csv", b"a,1\n")
        archive.writestr("export/.DS_Store", b"x")
        archive.writestr("__MACOSX/export/._agent_events.csv", b"x")
    world.drop("export.zip", made.getvalue())

    assert world.run_once() == 0
    assert world.completed()[0].body == b"a,1\n"


def test_a_zip_waits_for_its_marker_and_its_marker_for_it(world: World) -> None:
    world.settings["routes"][2]["marker"] = ".ok"
    world.drop("monday.zip.ok", b"")
    assert world.run_once() == 0
    world.drop("monday.zip", zipped(agent_events_csv=b"a,1\n"))
    assert world.run_once() == 0

    assert set(world.files("done")) == {"monday.zip", "monday.zip.ok"}


def test_a_zip_of_event_types_goes_before_agent_events_though_it_came_later(world: World) -> None:
    world.settings["settle"]["quiet"] = "600ms"
    world.drop("agent_events.csv", "a,1\n")
    os.utime(world.drop("monday.zip", zipped(event_types_json=b"[1]")))

    assert world.run_once() == 0
    assert [operation.kind for operation in world.server.operations()] == ["event-types", "agent-events"]


def test_json_lines_in_a_zip_are_known_by_the_name_in_it(world: World) -> None:
    world.settings["routes"][0]["match"] = "event?types*.json*"
    world.drop("monday.zip", zipped(event_types_jsonl=b"1\n2\n"))

    assert world.run_once() == 0
    assert world.completed()[0].body == b"[1,2]"


DAMAGE = random.Random(4)


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_damaged_zip_is_unfit_or_what_it_was_and_nothing_else(method: int) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        archive.writestr("ü.csv", b"a,1\n" * 50)
    whole, good = made.getvalue(), b"a,1\n" * 50
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(DAMAGE.randint(1, 4)):
            data[DAMAGE.randrange(len(data))] = DAMAGE.randrange(256)
        cut_at = DAMAGE.choice([0, 0, DAMAGE.randrange(len(data))])
        try:
            found = sent(prepared(bytes(data[cut_at:]), "a.csv.zip"))
        except Unfit:
            continue
        assert found == good


def test_a_zip_whose_member_has_no_name_fails_and_hurts_no_other_file(world: World) -> None:
    world.drop("export.zip", zipped(a_csv=b"1").replace(b"a.csv", b"\0.csv"))
    world.drop("agent_events.csv", "a,1\n")

    assert world.run_once() == 1
    assert set(world.files("failed")) == {"export.zip", "export.zip.error.txt"}
    assert set(world.files("done")) == {"agent_events.csv"}


@pytest.mark.parametrize("header", ["drop", "first", "every"])
def test_a_header_with_a_very_long_field_is_read_as_max_record_allows(header: Any) -> None:
    csv.field_size_limit(131_072)  # what Python begins with
    content = prepared(b'a,"' + b"x" * 140_000 + b'"\n1,2\n', header=header)

    assert content.records == 1


def test_a_stamp_goes_before_both_endings_of_a_compressed_file() -> None:
    assert stamped("agent_events.csv.gz", NOW) == "agent_events.20261123T120000Z.csv.gz"


def test_a_zip_that_no_route_wants_stays_where_unmatched_files_stay(world: World) -> None:
    world.settings["unmatched"] = "ignore"
    world.drop("monday.zip", zipped(holidays_csv=b"1"))

    assert world.run_once() == 0
    assert set(world.files("drop")) == {"monday.zip"}


def test_a_bomb_is_refused_before_it_fills_the_disk() -> None:
    class Counting(io.BytesIO):
        most = 0

        def write(self, data: Any) -> int:
            Counting.most = max(Counting.most, self.tell() + len(data))
            return super().write(data)

    def looked_at(**changes: Any) -> Unfit:
        bomb = io.BytesIO(gzip.compress(b"a,1\n" * 10_000_000, 9))
        with pytest.raises(Unfit) as caught:
            prepare(bomb, "a.csv.gz", route(**changes), scratch=Counting, now=NOW)
        return caught.value

    assert "more than 200 times its size" in looked_at().reason
    assert Counting.most < 12_000_000
    assert "expands to more than 1,000,000 bytes" in looked_at(max_expanded=1_000_000).reason


def test_a_large_compressed_file_is_resumed_exactly_after_a_kill(world: World) -> None:
    """The scratch file is gone with the process; it is made again, and the same bytes go on."""
    text = "".join(f"agent-{number};{number},5\n" for number in range(200))
    world.settings["routes"][2]["delimiter"] = ";"
    world.drop("agent_events.csv.gz", gzip.compress(text.encode(), mtime=0))
    world.server.script.extend([works] * 3)
    world.server.always = answer(503)
    assert world.run_once(patience=0.3) == 4
    world.server.always = None

    assert world.run_once() == 0

    (operation,) = world.completed()
    assert operation.body.decode() == "".join(f'agent-{number},"{number},5"\n' for number in range(200))
