"""A PostgreSQL server for tests: `WATCHER_TEST_POSTGRES` (a URL), or one of our own in a temporary folder.

Each process of the tests has its own server, started when a test first asks for one; each test gets a new
database.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_WORDS = [
    "fsync=off", "synchronous_commit=on", "full_page_writes=off", "shared_buffers=16MB", "listen_addresses=",
    "max_connections=40", "autovacuum=off", "logging_collector=off",
]  # fmt: skip
_FAST = {"fsync=off", "full_page_writes=off"}


def programs() -> Path | None:
    """Where PostgreSQL's programs are; None: there are none here."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    there = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return there[-1].parent if there else None


class Server:
    """One server, on a socket in its folder. It can be killed and started again."""

    def __init__(
        self,
        folder: Path,
        bin: Path,
        user: str = "watcher",
        *,
        durable: bool = False,
        of: Server | None = None,
    ) -> None:
        """`user`: who may do everything there; `durable`: it syncs what it commits, as one in use does; `of`:
        this is a replica of that one, which is streamed to it, without anybody waiting for that."""
        self._words = [word for word in _WORDS if not (durable and word in _FAST)]
        self.folder, self._bin, self._user = folder, bin, user
        self._data = folder / "data"
        # The server refuses to run as root.
        self._as: list[str] = []
        if os.geteuid() == 0:
            self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(folder, "postgres", "postgres")
        folder.chmod(0o755)
        made = ["initdb", "-D", str(self._data), "-U", user, "-A", "trust", "-E", "UTF8", "--locale=C"]
        if of is not None:
            made = [
                "pg_basebackup",
                "-D",
                str(self._data),
                "-U",
                user,
                "-h",
                str(of.folder),
                "-c",
                "fast",
                "-R",
            ]
        subprocess.run(
            [*self._as, str(bin / made[0]), *made[1:], "--no-sync"], check=True, capture_output=True
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def url(self, database: str) -> str:
        """How to reach a database of it."""
        return f"postgresql://{self._user}@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        words = [word for each in self._words for word in ("-c", each)]
        log = (self.folder / "log").open("ab")
        with log:
            at = ["-D", str(self._data), "-k", str(self.folder)]
            command = [*self._as, str(self._bin / "postgres"), *at, *words]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        ready = [str(self._bin / "pg_isready"), "-q", "-h", str(self.folder), "-t", "1"]
        for _ in range(200):
            if subprocess.run(ready, check=False).returncode == 0:
                return
            try:
                self._process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            break
        raise RuntimeError((self.folder / "log").read_text())

    def stop(self) -> None:
        """End it at once, as a machine that dies does: sessions are cut off."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(20)

    def part(self) -> None:
        """What the one does of which this is a replica arrives no more."""
        self.run("ALTER SYSTEM SET primary_conninfo = ''")
        self.run("SELECT pg_reload_conf()")
        while self.run("SELECT count(*) FROM pg_stat_wal_receiver") != "0":
            time.sleep(0.05)

    def promote(self) -> None:
        """It is a replica no more."""
        self.run("SELECT pg_promote()")

    def run(self, statement: str, database: str = "postgres") -> str:
        """Do one statement; returns what it printed."""
        told = subprocess.run(
            [str(self._bin / "psql"), "-XAtq", "-c", statement, self.url(database)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return told.stdout.strip()


@contextmanager
def replicated(server: Server, user: str = "watcher") -> Iterator[Server]:
    """A replica as long as the block lasts."""
    bin = programs()
    assert bin is not None, "the other one runs"
    with tempfile.TemporaryDirectory(prefix="wpg") as folder:
        replica = Server(Path(folder), bin, user, of=server)
        try:
            yield replica
        finally:
            replica.stop()


@contextmanager
def served(user: str = "watcher") -> Iterator[Server]:
    """A server as long as the block lasts; without the programs the test is skipped. `user`: who may do
    everything there."""
    pytest.importorskip("psycopg")
    bin = programs()
    if bin is None:
        pytest.skip("PostgreSQL is not installed here")
    with tempfile.TemporaryDirectory(prefix="wpg") as folder:
        server = Server(Path(folder), bin, user)
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """One server for all tests of this process that do not hurt it."""
    with served() as running:
        yield running


@pytest.fixture(scope="session")
def database_of_tests(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database for the tests of this process."""
    psycopg = pytest.importorskip("psycopg")
    name = f"watcher_{uuid.uuid4().hex[:12]}"
    given = os.environ.get("WATCHER_TEST_POSTGRES")
    base = given or request.getfixturevalue("postgres_server").url("postgres")
    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        yield _of(base, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_of_tests: str) -> Iterator[str]:
    """The URL of a database that has no journal yet; to make one for each test would take a minute in all."""
    psycopg = pytest.importorskip("psycopg")
    yield database_of_tests
    with psycopg.connect(database_of_tests, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS watcher CASCADE")


def _of(url: str, database: str) -> str:
    """The same server's other database."""
    head, mark, words = url.partition("?")
    return f"{head.rpartition('/')[0]}/{database}{mark}{words}"
