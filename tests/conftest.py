"""The few fixtures that several files share: a world with folders and a real server, and two guards."""

from __future__ import annotations

import gc
import ipaddress
import signal
import socket
import textwrap
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import yaml
from loguru import logger

from watcher.commands.run import run
from watcher.disk.owner import OWNER_FILE
from watcher.journal.sqlite import SqliteJournal
from watcher.report import log
from watcher.report.as_data import as_json
from watcher.sandbox.server import Answer, Operation, Request, Sandbox
from watcher.settings.config import load

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


def pytest_collection_finish() -> None:
    """All modules are there, and stay: the collector need not look at them again and again."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


SECRET = "s3cr3t-of-the-tests"
Take = Callable[[Request], Answer | None]
Step = Callable[[Request, Take], Answer | None]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting to anything but the loopback raises: a test must never reach a real server."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = address[0]
            if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
                raise AssertionError(f"a test wants to connect to {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer's shell has set does not reach the tests."""
    for name in (
        "WATCHER_CONFIG", "WFM_CLIENT_SECRET", "JOURNAL_STREAM", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """The log, a line each, at every level."""
    found: list[str] = []
    log.setup("debug", stream=_Lines(found))  # type: ignore[arg-type] - all that is needed of a stream
    yield found
    logger.remove()


class _Lines:
    def __init__(self, found: list[str]) -> None:
        self._found = found

    def write(self, text: str) -> None:
        self._found.append(text.rstrip("\n"))


def answer(status: int, said: str = "", **headers: str) -> Step:
    """The server answers with this status and takes nothing."""
    fields = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return lambda _request, _take: Answer(status, said.encode(), "text/plain", fields)


def lose_request(_request: Request, _take: Take) -> None:
    """The server reads the request, takes nothing and closes the connection."""
    return


def lose_answer(request: Request, take: Take) -> None:
    """The server takes the request and closes the connection without an answer."""
    taken = take(request)
    assert taken is not None
    assert taken.status == 200, taken


def works(request: Request, take: Take) -> Answer | None:
    """The server does what it should."""
    return take(request)


class Server(Sandbox):
    """The stand-in, with a script: each import request uses up one step of it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(client_secret=SECRET, **options)
        self.script: deque[Step] = deque()
        self.tokens: deque[Step] = deque()  # the same for token requests
        self.always: Step | None = None  # for import requests when the script is used up

    def respond(self, request: Request) -> Answer | None:
        """Answer by the script, as long as there is one."""
        script = self.tokens if request.path.endswith("/token") else self.script
        if request.method == "POST":
            if script:
                return script.popleft()(request, super().respond)
            if self.always is not None and script is self.script:
                return self.always(request, super().respond)
        return super().respond(request)

    def pushes(self) -> list[dict[str, str]]:
        """The query of every import request, in order."""
        return [dict(seen.query) for seen in self.requests() if "pushToken" in seen.query]


class World:
    """A drop folder with its neighbours, settings, and a server to send to."""

    def __init__(self, root: Path, server: Server) -> None:
        self.root = root
        self.server = server
        self.settings: dict[str, Any] = {
            "folders": {name: name for name in ("drop", "done", "failed", "state")},
            "wfm": {
                "tenant": "demo",
                "api_url": server.url,
                "token_url": server.token_url,
                "client_id": "wfm-importer",
                "client_secret": SECRET,
                "timeout": "2s",
            },
            "routes": [
                {"name": "event-types", "match": "event?types*.json", "endpoint": "event-types"},
                {"name": "reason-codes", "match": "reason?codes*.json", "endpoint": "reason-codes"},
                {
                    "name": "agent-events",
                    "match": ["agent?events*.csv"],
                    "endpoint": "agent-events",
                    "acd_type": "genesis",
                },
            ],
            "settle": {"quiet": 0},
            "observe": "polling",  # watchdog takes half a second to end; its own tests turn it on
            "rescan": "200ms",
            "upload": {"chunk_bytes": 100, "retry_cap": "10ms", "attempts": 3},
        }
        for name in ("drop", "done", "failed", "state"):
            (root / name).mkdir(mode=0o700)

    @property
    def config(self) -> Path:
        """The settings file, written anew at each use."""
        path = self.root / "config.yaml"
        path.write_text(yaml.safe_dump(self.settings), encoding="utf-8")
        path.chmod(0o600)
        return path

    def path(self, name: str) -> Path:
        """A file or folder of this world."""
        return self.root / name

    def drop(self, name: str, content: bytes | str) -> Path:
        """Put a whole file into the drop folder."""
        path = self.root / "drop" / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def run_once(self, patience: float = 5.0) -> int:
        """Run the agent in this process until nothing is left to do; returns the exit code."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            settings, warnings = load(self.config, {})
            return run(settings, warnings, once=True, patience=patience)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def files(self, folder: str) -> dict[str, bytes]:
        """Name and content of the files in a folder."""
        return {path.name: path.read_bytes() for path in (self.root / folder).iterdir() if path.is_file()}

    def work_files(self) -> list[Path]:
        """The claimed files."""
        found = (self.root / "drop" / ".uploading").rglob("*")
        return [path for path in found if path.is_file() and path.name != OWNER_FILE]

    def report(self, name: str) -> dict[str, Any]:
        """The error report of a failed file."""
        text = (self.root / "failed" / f"{name}.error.txt").read_bytes().decode()
        report: dict[str, Any] = yaml.safe_load(text)
        return report

    def history(self) -> list[dict[str, Any]]:
        """The journal, newest first."""
        journal = SqliteJournal(self.root / "state", readonly=True)
        try:
            return [as_json(entry) for entry in journal.history()]
        finally:
            journal.close()

    def completed(self) -> list[Operation]:
        """The operations that the server has whole."""
        return [operation for operation in self.server.operations() if operation.completed]


@pytest.fixture
def server() -> Iterator[Server]:
    """A WFM stand-in that follows a script where a test gives it one."""
    with Server() as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, server: Server, lines: list[str]) -> World:
    """Folders, settings and a server; nothing runs yet."""
    del lines  # the log must not go to the terminal
    return World(tmp_path, server)


def rows(count: int, width: int = 20) -> str:
    """CSV records of `width` bytes each, all different."""
    return "".join(f"agent-{number:0{width - 9}d},1\n" for number in range(count))


def yaml_text(text: str) -> str:
    """Settings written in a test, without its indentation."""
    return textwrap.dedent(text)
