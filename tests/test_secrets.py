"""The client secret and the tokens: in nothing that is written, and with nobody that should not have them."""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agent.test_agent import agent, log_of, until, watcher
from tests.conftest import SECRET, Server, World, answer, rows
from watcher.sandbox.server import Answer, Request

both_formats = pytest.mark.parametrize("style", ["text", "json"])
Take = Callable[[Request], Answer | None]


class Ears:
    """A server step that remembers every token it hears, and then answers as it is told."""

    def __init__(self, *statuses: int, echo: bool = False) -> None:
        self.tokens: set[str] = set()
        self._statuses = list(statuses)
        self._echo = echo

    def __call__(self, request: Request, take: Take) -> Answer | None:
        self.tokens.add(request.headers["authorization"].removeprefix("Bearer "))
        if not self._statuses:
            return take(request)
        told = f"{dict(request.headers)} {request.body!r}" if self._echo else "no"
        return Answer(self._statuses.pop(0), told.encode())


def assert_hidden(world: World, tokens: set[str], *more: str) -> None:
    """No file of this world but the settings, and nothing of `more`, holds the secret or a token."""
    assert tokens
    needles = [
        SECRET.encode(),
        *(token.encode() for token in tokens),
        *(token[-40:].encode() for token in tokens),
    ]
    texts = {str(path): path.read_bytes() for path in world.root.rglob("*") if path.is_file()}
    del texts[str(world.root / "config.yaml")]
    texts |= {f"output {number}": text.encode() for number, text in enumerate(more)}
    assert {name for name, text in texts.items() if any(needle in text for needle in needles)} == set()


def outputs(world: World) -> str:
    """All that the commands say."""
    some = next(iter(world.path("failed").glob("*.csv")), world.config)
    commands = [
        ["status"],
        ["status", "--json"],
        ["history"],
        ["history", "--json"],
        ["check"],
        ["explain", str(some)],
    ]
    told = [watcher(world, *command) for command in commands]
    assert all(found.returncode in (0, 1) for found in told), told
    return "".join(found.stdout + found.stderr for found in told)


@both_formats
def test_a_debug_log_the_journal_reports_and_commands_hold_no_secret(world: World, style: str) -> None:
    ears = Ears(500, 503, 401, 302, 400)
    world.server.always = ears
    world.server.tokens.append(answer(503, "no"))
    world.settings["upload"]["retry_cap"] = "100ms"
    world.settings["log"] = {"file": "watcher.log", "level": "debug", "format": style}
    for number in range(3):
        world.drop(f"agent_events_{number}.csv", rows(12))
    with agent(world, "--once", "-v", "--log-format", style) as process:
        assert process.wait(20) == 1

    assert len(ears.tokens) == 2
    assert "holding" in log_of(world)
    assert_hidden(world, ears.tokens, outputs(world))
    assert (world.root / "watcher.log").read_text().count("\n") == log_of(world).count("\n")


def test_what_the_agent_shows_while_it_runs_and_is_held_holds_no_secret(world: World) -> None:
    ears = Ears(*[503] * 1000)
    world.server.always = ears
    world.drop("agent_events.csv", rows(3))
    with agent(world, "-v") as process:
        until(lambda: json.loads(watcher(world, "status", "--json").stdout)["held"])
        assert_hidden(world, ears.tokens, outputs(world))
        if sys.platform == "linux":
            told = Path(f"/proc/{process.pid}/cmdline").read_text()
            assert "watcher" in told
            assert SECRET not in told
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@pytest.mark.parametrize(("status", "style"), [(400, "text"), (500, "json"), (403, "text"), (502, "json")])
def test_a_server_that_echoes_the_request_does_not_make_us_write_the_token(
    world: World, status: int, style: str
) -> None:
    """Proxies and debug pages do that; the report is for people who may not have the token."""
    ears = Ears(*[status] * 3, echo=True)
    world.server.always = ears
    world.drop("agent_events.csv", rows(3))
    with agent(world, "--once", "-v", "--log-format", style) as process:
        process.wait(20)

    assert_hidden(world, ears.tokens, outputs(world))


@pytest.mark.parametrize("key", ["error", "error_description"])
def test_a_token_endpoint_that_echoes_the_secret_does_not_make_us_write_it(world: World, key: str) -> None:
    said = json.dumps({key: f"client_secret={SECRET} is wrong"})
    world.server.tokens.extend([answer(400, said), answer(403, said), answer(500, said)])
    world.server.always = (ears := Ears())
    world.drop("agent_events.csv", rows(3))
    with agent(world, "--once", "-v") as process:
        assert process.wait(20) == 0
    world.server.tokens.append(answer(401, said))

    assert_hidden(world, ears.tokens, outputs(world))


@both_formats
@pytest.mark.parametrize("act", ["INSERT ON files", "UPDATE OF sending_to ON files"])
def test_the_traceback_of_a_fault_of_ours_shows_no_secret(world: World, style: str, act: str) -> None:
    """A journal that refuses a step, in the main thread or in an uploader's."""
    world.server.always = (ears := Ears())
    world.drop("agent_events.csv", rows(1))
    assert world.run_once() == 0
    with sqlite3.connect(world.path("state") / "journal.db") as journal:
        journal.execute(f"CREATE TRIGGER forced AFTER {act} BEGIN SELECT RAISE(ABORT, 'forced'); END")
    journal.close()
    world.drop("agent_events.csv", rows(3))
    with agent(world, "--once", "--patience", "1s", "-v", "--log-format", style) as process:
        assert process.wait(20) == 3

    assert "Traceback" in log_of(world)
    assert "forced" in log_of(world)
    assert_hidden(world, ears.tokens, log_of(world), outputs(world))


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", "[::1", "host:99999"])
def test_a_corrupted_url_is_a_config_error_or_a_hold_and_shows_no_secret(world: World, host: str) -> None:
    """The token is there by then, and goes nowhere."""
    world.server.always = (ears := Ears())
    world.drop("agent_events.csv", rows(1))
    assert world.run_once() == 0
    world.settings["wfm"]["api_url"] = f"http://{host}"
    world.drop("agent_events.csv", rows(3))

    with agent(world, "--once", "--patience", "300ms", "-v") as process:
        code = process.wait(20)

    assert_hidden(world, ears.tokens, log_of(world), outputs(world))
    assert "Traceback" not in log_of(world)
    assert code in (1, 4)
    assert world.files("failed") == {}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("which", ["import", "token"])
def test_a_redirect_to_another_host_is_not_followed(world: World, status: int, which: str) -> None:
    with Server() as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        script = world.server.tokens if which == "token" else world.server.script
        script.extend(
            [answer(status, Location=f"{elsewhere}/take"), answer(status, Location=other.token_url)]
        )
        world.drop("agent_events.csv", rows(3))

        assert world.run_once() == 0

        assert other.requests() == []
    assert len(world.completed()) == 1
