"""The settings as frozen, typed models: what each key is, its type, its default, its limits.

Checks across keys stand in `presets` and `config`; nothing here reads a file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    model_validator,
)

from watcher.errors import ConfigError
from watcher.units import byte_count, seconds


def _no_truth(value: object) -> object:
    if isinstance(value, bool):  # Python takes True for 1
        raise ValueError("must be a whole number")
    return value


def _absolute(value: Path, info: ValidationInfo) -> Path:
    if any(ord(char) < 32 for char in str(value)):
        raise ValueError(
            "has a control character in it; a Windows path in double quotes needs single ones: 'C:\\new'"
        )
    base: Path = (info.context or {}).get("base", Path())
    return Path(os.path.abspath(base / value))  # noqa: PTH100 - resolve() would follow links


def _web_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no port
        sound = False
    if not sound or not re.fullmatch(r"[!-~]+", value) or re.search(r"[?#@]", value):
        raise ValueError("must be a URL such as https://host or https://host:port")
    if re.search(r"\{(?!tenant\})", value):
        raise ValueError("may hold {tenant}, and no other name in braces")
    return value.rstrip("/")


def _proxy(value: SecretStr) -> SecretStr:  # it may hold a password
    if not re.fullmatch(r"https?://[!-~]+", value.get_secret_value()):
        raise ValueError("must be a URL such as http://proxy:3128 or http://user:password@proxy:3128")
    return value


def _some_secret(value: SecretStr) -> SecretStr:
    if not value.get_secret_value():
        raise ValueError("is empty; is the environment variable filled in?")
    return value


def _header_text(value: str) -> str:
    if not value or not value.isascii() or not value.isprintable() or value != value.strip():
        raise ValueError("goes into a request header: plain ASCII text without line breaks")
    return value


def _plain_path(value: str) -> str:
    if not value.startswith("/") or not re.fullmatch(r"[!-~]+", value) or re.search(r"[?#]", value):
        raise ValueError("must begin with / and hold neither blanks nor a query (use params for that)")
    return value


def _content_type(value: str) -> str:
    if not re.fullmatch(r"[\w.+-]+/[\w.+-]+(\s*;[ -~]*)?", value, re.ASCII):
        raise ValueError("must be a content type such as text/csv or application/json")
    return value


def _marker(value: str) -> str:
    marker = "{name}" + value if value.startswith(".") and "{" not in value else value
    if marker.count("{name}") + marker.count("{stem}") != 1 or marker == "{name}" or "/" in marker:
        raise ValueError(
            "must hold {name} or {stem} once, such as '{name}.ok', or be an ending such as '.ok'"
        )
    return marker


def _one_character(value: str) -> str:
    if len(value) != 1 or not value.isascii() or value in '"\r\n':
        raise ValueError("must be one character such as ',' or ';'")
    return value


Count = Annotated[int, BeforeValidator(_no_truth)]
Duration = Annotated[float, BeforeValidator(seconds)]
Size = Annotated[int, BeforeValidator(byte_count)]
FolderPath = Annotated[Path, AfterValidator(_absolute)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
HeaderText = Annotated[str, AfterValidator(_header_text)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Folders(_Model):
    """Where files lie; relative paths are relative to the settings file."""

    drop: FolderPath
    done: FolderPath
    failed: FolderPath
    state: FolderPath
    work: FolderPath | None = None

    @property
    def work_folder(self) -> Path:
        """The folder for claimed files; it must be on the drop folder's file system."""
        return self.work or self.drop / ".uploading"


class Wfm(_Model):
    """The WFM server and how to log in."""

    tenant: HeaderText
    api_url: WebUrl
    token_url: WebUrl
    client_id: Annotated[str, Field(min_length=1)]
    client_secret: Annotated[SecretStr, AfterValidator(_some_secret)] | None = None
    client_secret_file: Path | None = None
    ca_file: FolderPath | None = None
    client_cert: FolderPath | None = None
    client_key: FolderPath | None = None
    proxy: Annotated[SecretStr, AfterValidator(_proxy)] | None = None
    timeout: Annotated[Duration, Field(gt=0)] = 60.0

    @property
    def api(self) -> str:
        """The API's URL, the tenant filled in."""
        return self.api_url.replace("{tenant}", self.tenant)

    @property
    def token(self) -> str:
        """The token endpoint's URL, the tenant filled in."""
        return self.token_url.replace("{tenant}", self.tenant)


class Settle(_Model):
    """When a file counts as whole."""

    quiet: Duration = 2.0
    ignore: tuple[str, ...] = (
        ".*",
        "~*",
        "*.tmp",
        "*.part",
        "*.partial",
        "*.filepart",
        "*.crdownload",
        "*.error.txt",
        "Thumbs.db",
        "desktop.ini",
    )


class Upload(_Model):
    """How files are sent."""

    chunk_bytes: Annotated[Size, Field(gt=0)] = 1_000_000
    lost_answer: Literal["resend", "new_token"] = "resend"
    attempts: Annotated[Count, Field(ge=1)] = 8
    retry_cap: Annotated[Duration, Field(gt=0)] = 300.0
    max_record: Annotated[Size, Field(gt=0)] = 16 * 2**20
    max_json: Annotated[Size, Field(gt=0)] = 10_000_000


class Log(_Model):
    """Where the log goes besides the standard error stream."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
    file: FolderPath | None = None
    rotate: Annotated[Size, Field(gt=0)] = 10_000_000
    keep: Annotated[Count, Field(ge=1)] = 10


class RouteSettings(_Model):
    """One item of `routes`."""

    name: Annotated[str, Field(min_length=1)]
    match: tuple[str, ...] = ()
    regex: str | None = None
    endpoint: str | None = None
    acd_type: str | None = None
    path: Annotated[str, AfterValidator(_plain_path)] | None = None
    content_type: Annotated[str, AfterValidator(_content_type)] | None = None
    params: dict[str, str] = {}
    chunk_bytes: Annotated[Size, Field(gt=0)] | None = None
    parallel: Annotated[Count, Field(ge=1, le=64)] = 1
    after: tuple[str, ...] | None = None
    header: Literal["none", "drop", "first", "every"] = "none"
    encoding: Literal["utf-8"] = "utf-8"
    delimiter: Annotated[str, AfterValidator(_one_character)] = ","
    columns: tuple[str, ...] = ()
    marker: Annotated[str, AfterValidator(_marker)] | None = None
    empty: Literal["fail", "done"] = "fail"

    @model_validator(mode="before")
    @classmethod
    def _one_or_many(cls, data: Any) -> Any:
        """`match` is one glob, a list of them, or `{regex: …}`."""
        if isinstance(data, dict):
            match = data.get("match")
            if isinstance(match, str):
                return {**data, "match": [match]}
            if isinstance(match, dict) and set(match) == {"regex"} and "regex" not in data:
                return {**{key: data[key] for key in data if key != "match"}, "regex": match["regex"]}
        return data


class Config(_Model):
    """All settings."""

    folders: Folders
    wfm: Wfm
    routes: tuple[RouteSettings, ...]
    settle: Settle = Settle()
    observe: Literal["auto", "native", "polling"] = "auto"
    rescan: Annotated[Duration, Field(gt=0)] = 30.0
    unmatched: Literal["fail", "ignore"] = "fail"
    upload: Upload = Upload()
    log: Log = Log()

    @property
    def secret(self) -> str:
        """The client secret, wherever it was given. Never log it."""
        if self.wfm.client_secret is None:
            raise ConfigError("wfm.client_secret: not given")
        return self.wfm.client_secret.get_secret_value()
