"""The settings as frozen, typed models: what each key is, its type, its default, its limits.

Checks across keys stand in `presets` and `config`; nothing here reads a file.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from watcher.core.errors import ConfigError
from watcher.report.site import Site
from watcher.settings.column_settings import ColumnItem, LinesSettings
from watcher.settings.housekeeping_settings import Done, Duplicates, OrNothing, Retention
from watcher.settings.notify_settings import Expect, Notify
from watcher.settings.setting_types import (
    Codec,
    ContentType,
    Count,
    Delimiter,
    Duration,
    Escape,
    FolderPath,
    HeaderText,
    JournalUrl,
    KeyPath,
    Marker,
    Model,
    Number,
    Proxy,
    Secret,
    Size,
    Text,
    Timeout,
    Truth,
    UrlPath,
    WebUrl,
)
from watcher.settings.status_settings import Status
from watcher.settings.wrong import WRONG


class Folders(Model):
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


class Wfm(Model):
    """The WFM server and how to log in."""

    tenant: HeaderText
    api_url: WebUrl
    token_url: WebUrl
    client_id: Text
    client_secret: Secret | None = None
    client_secret_file: Path | None = None
    login: Literal["post", "basic"] = "post"
    scope: Text | None = None
    audience: Text | None = None
    ca_file: FolderPath | None = None
    client_cert: FolderPath | None = None
    client_key: FolderPath | None = None
    proxy: Proxy | None = None
    timeout: Timeout = 60.0

    @property
    def api(self) -> str:
        """The API's URL, the tenant filled in."""
        return self.api_url.replace("{tenant}", self.tenant)

    @property
    def token(self) -> str:
        """The token endpoint's URL, the tenant filled in."""
        return self.token_url.replace("{tenant}", self.tenant)


class Settle(Model):
    """When a file counts as whole."""

    quiet: Duration = 2.0
    unsure: Duration = 30.0
    patience: Annotated[Duration, Field(gt=0)] = 900.0
    ignore: tuple[Text, ...] = (
        ".*",
        "~*",
        "*.tmp",
        "*.part",
        "*.partial",
        "*.filepart",
        "*.crdownload",
        "*.error.txt",
        "*~",
        "#*#",
        "*.bak",
        "*.swp",
        "*:Zone.Identifier",
        "*.download",
        "*.opdownload",
        "*.!sync",
        "*.aria2",
        "Thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
    )


class Upload(Model):
    """How files are sent."""

    chunk_bytes: Annotated[Size, Field(gt=0)] = 1_000_000
    lost_answer: Literal["resend", "new_token"] = "resend"
    attempts: Annotated[Count, Field(ge=1)] = 8
    retry_cap: Annotated[Duration, Field(gt=0)] = 300.0
    max_record: Annotated[Size, Field(gt=0)] = 16 * 2**20
    max_json: Annotated[Size, Field(gt=0)] = 10_000_000
    max_expanded: Annotated[Size, Field(gt=0)] = 4_000_000_000
    max_ratio: Annotated[Number, Field(gt=1, allow_inf_nan=False)] = 200.0


class Log(Model):
    """Where the log goes besides the standard error stream."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
    file: FolderPath | None = None
    rotate: Annotated[Size, Field(gt=0)] = 10_000_000
    keep: Annotated[Count, Field(ge=1)] = 10


class RouteSettings(Model):
    """One item of `routes`."""

    name: Text
    match: tuple[Text, ...] = ()
    regex: Text | None = None
    endpoint: Text | None = None
    acd_type: Text | None = None
    path: UrlPath | None = None
    content_type: ContentType | None = None
    params: dict[str, str] = Field(default={})
    chunk_bytes: Annotated[Size, Field(gt=0)] | None = None
    parallel: Annotated[Count, Field(ge=1, le=64)] = 1
    after: tuple[Text, ...] | None = None
    header: Literal["none", "drop", "first", "every"] = "none"
    encoding: Codec | None = None
    delimiter: Delimiter = ","
    quotes: Literal["double", "none"] = "double"
    escape: Escape | None = None
    trailing_delimiter: Truth = False
    empty_rows: Literal["fail", "drop", "send"] = "fail"
    columns: tuple[ColumnItem, ...] = ()
    others: Literal["fail", "drop"] = "fail"
    lines: LinesSettings | None = None
    reorder: Truth = False
    bad_records: Literal["fail", "set_aside"] = "fail"
    schema_file: Annotated[FolderPath | None, Field(alias="schema")] = None
    split: Annotated[Count, Field(ge=1)] | None = None
    split_at: KeyPath | None = None
    format: Literal["json", "jsonl"] = "json"
    marker: Marker | None = None
    empty: Literal["fail", "done"] = "fail"
    expect: Expect | None = None
    duplicates: Duplicates | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_or_many(cls, data: Any) -> Any:
        """`match` is one glob, a list of them, or `{regex: …}`."""
        if isinstance(data, dict):
            match = data.get("match")
            if isinstance(match, str):
                return {**data, "match": [match] if match else []}
            regex = data.get("regex", WRONG)
            if isinstance(match, dict) and set(match) == {"regex"} and regex is WRONG:
                return {"regex": match["regex"], **{key: data[key] for key in data if key != "match"}}
        return data


class Config(Model):
    """All settings."""

    folders: Folders
    wfm: Wfm
    routes: tuple[RouteSettings, ...]
    settle: Settle = Settle()
    observe: Literal["auto", "native", "polling"] = "auto"
    rescan: Annotated[Duration, Field(gt=0)] = 30.0
    unmatched: Literal["fail", "ignore"] = "fail"
    duplicates: Duplicates = "upload"
    journal: JournalUrl | None = None
    lease: Annotated[Duration, Field(ge=2, le=600)] = 30.0
    done: Done = Done()
    retention: OrNothing[Retention] = Retention()
    upload: Upload = Upload()
    log: Log = Log()
    notify: Notify | None = None
    status: Status | None = None

    @property
    def journal_url(self) -> str | None:
        """Where in PostgreSQL the journal is; None: in the state folder. Never log it."""
        return self.journal.get_secret_value() if self.journal else None

    @property
    def secret(self) -> str:
        """The client secret, wherever it was given. Never log it."""
        if self.wfm.client_secret is None:
            raise ConfigError("wfm.client_secret: not given")
        return self.wfm.client_secret.get_secret_value()

    @property
    def site(self) -> Site:
        """Which agent this is, for people."""
        return Site(self.status.title if self.status else None, self.wfm.tenant, socket.gethostname())
