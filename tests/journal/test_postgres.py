"""What goes wrong between an agent and PostgreSQL holds the queue; nothing is written twice or told amiss."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any, Literal, TypeVar

import pytest

from tests.conftest import World
from tests.journal.contract import S, claim, row_in, seen, step
from tests.postgres import database, database_of_tests, postgres_server
from watcher.core.errors import ConfigError, Outside
from watcher.core.steps import Sending
from watcher.core.target import Target
from watcher.settings.config import load

psycopg = pytest.importorskip("psycopg")
from watcher.journal.postgres import PostgresJournal  # noqa: E402 - needs the extra

__all__ = ["database", "database_of_tests", "postgres_server"]
STATE = Target("folder", "/state")
T = TypeVar("T")
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'watcher agent-1'"
WRITING = "-c default_transaction_read_only=off"
SOCKET = ".s.PGSQL.5432"


class Line:
    """The way between an agent and the server, which is cut when a COMMIT comes by."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._folder = tempfile.TemporaryDirectory(prefix="wpl")
        self.cut: Literal["", "before", "behind"] = ""  # before or behind the server did it
        self.is_brief = False  # who was cut gets through again at once, and else nobody does
        self.is_closed = False
        self._unheard: socket.socket | None = None  # its answers find nobody
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{self._folder.name}/{SOCKET}")
        self._listener.listen()
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_off(self) -> None:
        """From now on nobody gets through; who is connected finds that out."""
        self.is_closed = True
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def url(self, url: str) -> str:
        """The same database by this line."""
        return url.partition("?")[0] + f"?host={self._folder.name}"

    def close(self) -> None:
        """End it."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._folder.cleanup()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.is_closed:
                    client.close()
                    continue
                behind = socket.socket(socket.AF_UNIX)
                try:
                    behind.connect(f"{self._server}/{SOCKET}")
                except OSError:  # the server is away
                    behind.close()
                    client.close()
                    continue
                self._ends += [client, behind]
                threading.Thread(target=self._there, args=(client, behind), daemon=True).start()
                threading.Thread(target=self._back, args=(behind, client), daemon=True).start()

    def _there(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if self.cut and b"COMMIT" in data:
                    self.is_closed = not self.is_brief
                    how, self.cut = self.cut, ""
                    if self.is_brief:  # noticed when the server is through with it
                        self._unheard = server
                        server.sendall(data if how == "behind" else b"")
                        break
                    client.shutdown(socket.SHUT_RDWR)  # its answer finds nobody
                    if how == "behind":
                        server.sendall(data)
                    break
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                with suppress(OSError):
                    client.sendall(b"" if server is self._unheard else data)
        for end in (server, client):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def line(database: str) -> Iterator[Line]:
    """A line to the server that can be cut."""
    if "?host=" not in database:
        pytest.skip("the server of WATCHER_TEST_POSTGRES is not on a socket of ours")
    with closing(Line(database.partition("?host=")[2])) as line:
        yield line


@pytest.mark.parametrize("cut", ["before", "behind"])
def test_a_step_whose_answer_was_lost_is_taken_once(
    cut: Literal["before", "behind"], line: Line, database: str
) -> None:
    with closing(PostgresJournal(line.url(database), "agent-1", STATE)) as journal:
        row = row_in(journal, S.READY)
        sending = Sending(row, 0, 0, 9, "ab", "d")
        line.cut = cut
        with pytest.raises(Outside):
            journal.apply([sending])
        line.is_closed = False

        [after] = asked_again(lambda: journal.apply([sending]))

        assert (after.state, after.upload.sends) == (S.SENDING, 1)
        assert journal.row(row.id) == after
        [again] = journal.apply([sending])
        assert again.upload.sends == 2  # that was another one


@pytest.mark.parametrize("cut", ["before", "behind"])
def test_a_step_whose_answer_was_lost_is_not_taken_back_where_the_database_is_back_at_once(
    cut: Literal["before", "behind"], line: Line, database: str
) -> None:
    with closing(PostgresJournal(line.url(database), "agent-1", STATE, lives=True)) as journal:
        row = row_in(journal, S.READY)
        sending = Sending(row, 0, 0, 9, "ab", "d")
        line.cut, line.is_brief = cut, True

        [after] = asked_again(lambda: journal.apply([sending]))

        assert line.cut == ""
        assert (after.state, after.upload.sends) == (S.SENDING, 1)
        assert journal.row(row.id) == after
        assert change(database, "SELECT state FROM watcher.files") == [("sending",)]
        assert journal.news == []


@pytest.mark.parametrize("cut", ["before", "behind"])
def test_of_claims_whose_answer_was_lost_nothing_stays(
    cut: Literal["before", "behind"], line: Line, database: str
) -> None:
    with closing(PostgresJournal(line.url(database), "agent-1", STATE)) as journal:
        line.cut = cut
        with pytest.raises(Outside):
            journal.claim([claim(push_token="lost")])
        line.is_closed = False
        [row] = asked_again(lambda: journal.claim([claim(push_token="new")]))
        assert journal.history() == [row]


def test_a_connection_that_was_cut_between_two_steps_is_made_anew(database: str) -> None:
    with closing(PostgresJournal(database, "agent-1", STATE, lives=True)) as journal:
        row = seen(journal)
        change(database, CUT)
        [after] = journal.apply([step(row, S.READY)])
        assert journal.row(row.id) == after
        change(database, CUT)
        assert journal.history() == [after]
        with pytest.raises(ConfigError, match="is running"):
            PostgresJournal(database, "agent-1", STATE, lives=True)


def test_a_second_agent_of_the_same_id_is_refused_until_the_first_one_ends(database: str) -> None:
    with closing(PostgresJournal(database, "agent-1", STATE, lives=True)):
        with pytest.raises(ConfigError, match="another agent with the id agent-1 is running"):
            PostgresJournal(database, "agent-1", STATE, lives=True)
        PostgresJournal(database, "agent-1", STATE).close()  # `watcher upload` beside it
    with closing(PostgresJournal(database, "agent-1", STATE, lives=True)) as journal:
        [agent] = journal.agents()
        assert (agent.id, agent.ended_at, agent.silent) == ("agent-1", None, False)


def test_an_agent_without_a_heartbeat_is_silent(database: str) -> None:
    with closing(PostgresJournal(database, "agent-1", STATE, lives=True)) as journal:
        # The next heartbeat is five seconds away.
        change(database, "UPDATE watcher.agents SET seen_at = seen_at - interval '31 s'")
        [agent] = journal.agents()
        assert agent.silent


def test_agents_that_start_at_once_on_an_empty_database_make_its_tables_once(database: str) -> None:
    together, agents, faults = threading.Barrier(6), list[PostgresJournal](), list[BaseException]()

    def start(number: int) -> None:
        together.wait()
        try:
            agents.append(PostgresJournal(database, f"agent-{number}", STATE, lives=True))
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert len(agents[0].agents()) == 6
    for agent in agents:
        agent.close()


def test_a_journal_of_a_newer_version_is_refused(database: str) -> None:
    PostgresJournal(database, "agent-1", STATE).close()
    change(database, "UPDATE watcher.version SET number = 99")
    with pytest.raises(ConfigError, match="newer version"):
        PostgresJournal(database, "agent-1", STATE)


def test_a_database_that_may_not_be_written_to_is_a_reason_outside(database: str) -> None:
    with closing(PostgresJournal(database, "agent-1", STATE)) as journal:
        row = seen(journal)
        name = change(database, "SELECT current_database()")[0][0]
        change(database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        try:
            change(database, CUT)
            with pytest.raises(Outside, match="read-only"):
                journal.apply([step(row, S.READY)])
        finally:
            change(database, f"ALTER DATABASE {name} RESET default_transaction_read_only")
        change(database, CUT)
        assert journal.apply([step(row, S.READY)])[0].state is S.READY


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:s3cret@127.0.0.1:1/x", "postgresql://u:s3cret%zz@h/x", "postgresql://u:s3cret@h/x?y=z"],
)
def test_the_password_is_never_told(url: str) -> None:
    with pytest.raises((Outside, ConfigError)) as caught:
        PostgresJournal(url, "agent-1", STATE)
    error: BaseException | None = caught.value
    while error is not None:
        assert "s3cret" not in str(error)
        error = error.__cause__ or error.__context__


def test_the_settings_take_a_url_of_postgresql_alone_and_do_not_show_it(world: World) -> None:
    world.settings["journal"] = "postgresql://u:${PASSWORD}@h/x"
    config, _ = load(world.config, {"PASSWORD": "s3cret"})
    assert config.journal_url == "postgresql://u:s3cret@h/x"
    assert "s3cret" not in repr(config)
    world.settings["journal"] = "mysql://u:s3cret@h/x"
    with pytest.raises(ConfigError, match="postgresql://user@host/database") as caught:
        load(world.config, {})
    assert "s3cret" not in str(caught.value)


def asked_again(do: Callable[[], T]) -> T:
    """Do it until it is not held, as an agent does: the server may still be about the transaction before."""
    pause = threading.Event()
    for _ in range(600):
        with suppress(Outside):
            return do()
        pause.wait(0.05)
    raise AssertionError("it is held for half a minute")


def change(database: str, statement: str) -> list[Any]:
    """Do something to the database that no agent does; returns what it answered."""
    with psycopg.connect(database, autocommit=True, options=WRITING) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []
