"""What a file is by its first bytes is said, whatever its name is and whatever the route takes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from watcher.content.compressed import member_name
from watcher.content.content import Content
from watcher.content.inspect import prepare
from watcher.core.errors import Unfit
from watcher.core.model import Route

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CSV = b"4711,READY\n4712,AWAY\n"
Format = Literal["csv", "json"]


def prepared(data: bytes, name: str = "a.csv", kind: Format = "csv", **changes: Any) -> Content:
    """The preflight of `data`."""
    route = Route("r", (), "http://x", "application/json" if kind == "json" else "text/csv", kind, **changes)
    return prepare(io.BytesIO(data), name, route, scratch=io.BytesIO, now=NOW)


def refused(data: bytes, name: str = "a.csv", kind: Format = "csv", **changes: Any) -> Unfit:
    """The reason why `data` is not sent."""
    with pytest.raises(Unfit) as caught:
        prepared(data, name, kind, **changes)
    assert caught.value.what_to_do
    return caught.value


def zipped(*names: str, data: bytes = CSV, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip with these files in it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name in names:
            archive.writestr(name, data)
    return made.getvalue()


def tar() -> bytes:
    """A tar archive of one file."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        member = tarfile.TarInfo("a.csv")
        member.size = len(CSV)
        archive.addfile(member, io.BytesIO(CSV))
    return made.getvalue()


XLSX = zipped("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml", "xl/worksheets/sheet1.xml")
XLSX_OF_PANDAS = zipped("docProps/app.xml", "xl/worksheets/sheet1.xml", "xl/workbook.xml", "_rels/.rels")
ODS = zipped("mimetype", data=b"application/vnd.oasis.opendocument.spreadsheet", method=zipfile.ZIP_STORED)
XLS = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)
SPREADSHEET_XML = (
    b'<?xml version="1.0"?>\r\n<?mso-application progid="Excel.Sheet"?>\r\n'
    b'<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">\r\n<Worksheet/>\r\n</Workbook>\r\n'
)
KINDS = {
    "xlsx": (XLSX, "an Excel workbook", "save it as 'CSV UTF-8'"),
    "xlsx of pandas": (XLSX_OF_PANDAS, "an Excel workbook", "save it as 'CSV UTF-8'"),
    "ods": (ODS, "an OpenDocument file", "save it as 'CSV UTF-8'"),
    "docx": (
        zipped("[Content_Types].xml", "word/document.xml"),
        "a document of an office",
        "export the data",
    ),
    "xls": (XLS, "an old Excel workbook", "save it as 'CSV UTF-8'"),
    "zip": (zipped("a.csv"), "a zip", "the ending .zip"),
    "gz": (gzip.compress(CSV), "compressed by gzip", "the ending .gz"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive", "unpack it"),
    "rar": (b"Rar!\x1a\x07\x01\0", "a RAR archive", "unpack it"),
    "bz2": (bz2.compress(CSV), "compressed by bzip2", "unpack it"),
    "xz": (lzma.compress(CSV), "compressed by xz", "unpack it"),
    "zstd": (b"\x28\xb5\x2f\xfd\x24\0", "compressed by Zstandard", "unpack it"),
    "tar": (tar(), "a tar archive", "unpack it"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\n", "a PDF document", "export the data as"),
    "rtf": (b"{\\rtf1\\ansi 4711, READY}", "an RTF document", "export the data as"),
    "png": (b"\x89PNG\r\n\x1a\n\0\0", "a picture", "export the data as"),
    "sqlite": (b"SQLite format 3\0", "a file of a database", "export the data as"),
    "html": (b"\xef\xbb\xbf\r\n<!DOCTYPE html>\n<html><body>Log in</body></html>", "a web page", "a login"),
    "html table": (b"<table><tr><td>4711</td></tr></table>", "a web page", "a report that only calls"),
    "html with a comment": (b"<!-- report -->\n<HTML>\n</HTML>", "a web page", "a login"),
    "html in UTF-16": (b"\xff\xfe" + "<html><body>".encode("utf-16-le"), "a web page", "a login"),
    "SpreadsheetML": (SPREADSHEET_XML, "SpreadsheetML", "save it as 'CSV UTF-8'"),
    "xml": (b"<?xml version='1.0'?>\n<events><event/></events>", "XML", "export the data as"),
    "UTF-16": ("4711,READY\n".encode("utf-16-le"), "UTF-16 without", "encoding: utf-16-le"),
    "UTF-16 BE": ("4711,Müller\n".encode("utf-16-be"), "UTF-16 without", "encoding: utf-16-be"),
}


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize("name", KINDS)
def test_what_is_neither_csv_nor_json_is_named_by_its_first_bytes(name: str, kind: Format) -> None:
    data, words, advice = KINDS[name]

    fault = refused(data, kind=kind)

    assert words in fault.reason
    assert advice in fault.what_to_do
    assert "{" not in fault.what_to_do


@pytest.mark.parametrize("name", KINDS)
def test_it_is_named_within_a_gz_too(name: str) -> None:
    data, words, _ = KINDS[name]

    fault = refused(gzip.compress(data), "a.csv.gz")

    assert words in fault.reason
    if name in ("gz", "zip"):
        assert fault.what_to_do == "compress it once, and drop it again"


def test_an_excel_workbook_stays_one_when_it_is_renamed() -> None:
    for name in ("a.csv", "a.csv.zip", "a.zip", "a.csv.gz"):
        fault = refused(XLSX, name)
        assert "an Excel workbook" in fault.reason
        assert "save it as 'CSV UTF-8'" in fault.what_to_do
    with pytest.raises(Unfit, match="an Excel workbook"):
        member_name(io.BytesIO(XLSX))


@pytest.mark.parametrize(
    ("data", "name", "words", "advice"),
    [
        (CSV, "a.csv.gz", "plain text", "take the ending .gz off"),
        (CSV, "a.csv.zip", "plain text", "take the ending .zip off"),
        (zipped("a.csv"), "a.csv.gz", "a zip", "change its ending to .zip"),
        (gzip.compress(CSV), "a.csv.zip", "compressed by gzip", "change its ending to .gz"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "a.csv.zip", "a 7z archive", "unpack it"),
        (b"<html></html>", "a.csv.gz", "a web page", "export the data as CSV or JSON"),
    ],
    ids=["text, gz", "text, zip", "zip, gz", "gz, zip", "7z, zip", "html, gz"],  # the bytes hold the time
)
def test_a_file_whose_ending_is_another_is_told_what_it_is(
    data: bytes, name: str, words: str, advice: str
) -> None:
    fault = refused(data, name)

    assert f"by its first bytes it is {words}" in fault.reason
    assert advice in fault.what_to_do


def test_a_zip_packed_by_a_method_that_cannot_be_read_says_how_to_pack_it() -> None:
    data = bytearray(zipped("a.csv"))
    data[8] = data[data.find(b"PK\x01\x02") + 10] = 9

    fault = refused(bytes(data), "a.csv.zip")

    assert "Deflate64" in fault.reason
    assert "Deflate (7-Zip offers it)" in fault.what_to_do


@pytest.mark.parametrize(
    "text", ['{"agent": 1}', '[{"agent": 1}]', '[\n  {\n "a":1}]', '{"a": 1}\n{"a": 2}\n', "[1, 2]", '["a"]']
)
def test_json_on_a_csv_route_is_called_so(text: str) -> None:
    fault = refused(text.encode())

    assert fault.reason == "it is JSON, not CSV"
    assert "a route for JSON" in fault.what_to_do


@pytest.mark.parametrize(
    "text", ["[1,2],x\n", "{a},b\n", "[x],y\n", "<none>,1\n", "%,1\n", "PAR1,x\n", "BZ,1\n"]
)
def test_csv_that_begins_like_something_else_is_csv(text: str) -> None:
    assert prepared(text.encode()).records == 1


@pytest.mark.parametrize("split", [None, 10])
def test_json_lines_that_are_named_json_are_called_so(split: int | None) -> None:
    fault = refused(b'{"a": 1}\n{"a": 2}\n', "a.json", "json", split=split)

    assert "line 2: it is JSON Lines" in fault.reason
    assert ".jsonl" in fault.what_to_do
