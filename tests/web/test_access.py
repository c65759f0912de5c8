"""Who may look at the status page, from where, and what every answer carries."""

from __future__ import annotations

import base64
import re
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.agent.test_agent import watcher
from tests.conftest import World
from tests.web.page import Page, get, page
from watcher.core.errors import ConfigError
from watcher.settings.config import load
from watcher.web.brakes import LONGEST_SECONDS

PATHS = (
    "/",
    "/page.js",
    "/api/now",
    "/api/history",
    "/api/report/x",
    "/api/events",
    "/metrics",
    "/health",
    "/x",
)
PASSWORD, TOKEN = "pässword: with a colon", "t0ken-of-the-tests"


def basic(password: str, user: str = "anybody") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def open_page(world: World) -> Iterator[Page]:
    """A page on the loopback, open to everybody there."""
    with page(world) as served:
        yield served


@pytest.fixture
def closed_page(world: World) -> Iterator[Page]:
    """A page with a password and a token."""
    with page(world, password=PASSWORD, token=TOKEN) as served:
        yield served


def test_only_the_loopbacks_own_names_are_answered(open_page: Page) -> None:
    for host in ("127.0.0.1", "localhost:8787", "LOCALHOST", "[::1]:8787", "127.0.0.1:9"):
        assert open_page.get("/health", Host=host).status == 200, host
    for host in (
        "evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8787",
        "localhost.evil.example",
        "10.0.0.1",
        "",
    ):
        for path in ("/", "/api/now", "/metrics"):
            assert open_page.get(path, Host=host).status == 421, host


def test_nothing_but_reading_is_possible(open_page: Page) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        for path in PATHS:
            found = open_page.get(path, method)

            assert found.status == 405
            assert found.headers["allow"] == "GET, HEAD"


def test_head_is_answered_without_a_body(open_page: Page) -> None:
    found = open_page.get("/", "HEAD")

    assert (found.status, found.text) == (200, "")


def test_every_answer_forbids_inline_scripts_sniffing_and_referrers(closed_page: Page) -> None:
    answers = [
        *(closed_page.get(path, Authorization=basic(PASSWORD)) for path in PATHS if path != "/api/events"),
        closed_page.get("/", Host="evil.example"),
        closed_page.get("/"),
        closed_page.get("/", "POST"),
    ]

    for found in answers:
        policy = dict(
            re.fullmatch(r" ?(\S+) (.*)", part).groups()  # type: ignore[union-attr]
            for part in found.headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert "unsafe" not in str(policy)
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["referrer-policy"] == "no-referrer"
        assert found.headers["cache-control"] == "no-store"


def test_the_page_itself_has_no_inline_script_or_style_and_nothing_from_elsewhere(open_page: Page) -> None:
    text = "".join(
        open_page.get(path).text for path in ("/", "/page.css", "/page.js", "/plots.js", "/basics.js")
    )
    markup = open_page.get("/").text

    assert not re.search(r"<style|<script(?![^>]*src=)|\sstyle=|\son\w+=", markup)
    assert not re.search(r"innerHTML|insertAdjacentHTML|outerHTML|document\.write|\beval\(", text)
    assert set(re.findall(r"https?://[^\s'\"]+", text)) <= {"http://www.w3.org/2000/svg"}


MATRIX = {
    "": 401,
    basic(PASSWORD): 200,
    basic(PASSWORD, user=""): 200,
    basic("wrong"): 401,
    basic(""): 401,
    basic(TOKEN): 401,
    "Basic not-base64!": 401,
    "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(): 401,
    f"Bearer {TOKEN}": 200,
    f"bearer {TOKEN}": 200,
    f"Bearer {PASSWORD}".encode().decode("latin-1"): 401,
    "Bearer ": 401,
    "Digest x": 401,
}


def test_without_the_password_or_the_token_nothing_is_shown(closed_page: Page) -> None:
    for authorization, status in MATRIX.items():
        for path in ("/", "/api/now", "/metrics", "/health", "/page.js"):
            found = closed_page.get(path, **({"Authorization": authorization} if authorization else {}))

            assert found.status == status, (authorization, path)
            if status == 401:
                assert found.headers["www-authenticate"].startswith("Basic")
                assert found.text == "a password or a token is needed\n"
                closed_page.clock[0] += LONGEST_SECONDS  # or it would be too many wrong ones
                closed_page.signs.beat()


def test_a_token_in_the_address_becomes_a_cookie_and_leaves_the_address(closed_page: Page) -> None:
    found = closed_page.get(f"/?token={TOKEN}")
    cookie = found.headers["set-cookie"]

    assert (found.status, found.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    assert closed_page.get("/api/now", Cookie=cookie.split(";")[0]).status == 200
    assert closed_page.get("/api/now", Cookie="watcher_status=" + "0" * 64).status == 401
    assert closed_page.get("/?token=wrong").status == 401
    assert closed_page.get(f"//evil.example/?token={TOKEN}").headers["location"] == "/"


def test_one_of_the_two_is_enough_and_does_not_open_the_other_way(world: World) -> None:
    with page(world, token=TOKEN) as served:
        assert served.get("/", Authorization=basic("")).status == 401
        assert "www-authenticate" not in served.get("/").headers
        assert served.get("/", Authorization=f"Bearer {TOKEN}").status == 200
    with page(world, password="p") as served:
        assert served.get("/?token=").status == 401
        assert served.get("/", Authorization="Bearer ").status == 401
        assert served.get("/", Cookie="watcher_status=").status == 401


def refused(world: World, **status: str) -> str:
    """The words with which the settings are refused."""
    world.settings["status"] = status
    with pytest.raises(ConfigError) as caught:
        load(world.config, {})
    (problem,) = caught.value.problems
    return problem


def test_an_address_that_others_reach_needs_a_password_or_a_token(world: World) -> None:
    for listen in ("0.0.0.0:0", "[::]:0", "192.0.2.7:8787"):
        problem = refused(world, listen=listen)

        assert re.search(
            r"config\.yaml:\d+: status: others can reach .*status\.password or status\.token", problem
        )


def test_an_address_that_is_none_says_how_one_looks(world: World) -> None:
    for listen in ("8787", "wfm.example:80", "127.0.0.1:99999", "127.0.0.1", "::1:80", ":8787"):
        problem = refused(world, listen=listen)

        assert re.search(
            r"config\.yaml:\d+: status\.listen: must be an address and a port such as 127", problem
        )


def test_a_key_that_the_section_does_not_have_is_told_with_the_one_meant(world: World) -> None:
    assert "status.listn: unknown key; did you mean listen?" in refused(world, listn="127.0.0.1:0")


def test_on_other_addresses_any_name_is_answered_but_nobody_without_the_token(world: World) -> None:
    with page(world, listen="0.0.0.0:0", token=TOKEN) as served:
        port = served.url.rpartition(":")[2].rstrip("/")
        here = f"http://127.0.0.1:{port}/"

        assert get(here, "/health", Host="files.example", Authorization=f"Bearer {TOKEN}").status == 200
        assert get(here, "/health", Host="files.example").status == 401


def test_a_port_that_is_taken_is_a_clear_error_of_the_start(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        world.settings["status"] = {"listen": f"127.0.0.1:{port}"}
        found = watcher(world, "run", "--once")

    assert found.returncode == 1
    assert found.stderr == (
        f"status.listen: 127.0.0.1:{port}: another program has this port; stop it, or choose another port\n"
    )


def test_without_the_extra_check_and_the_start_say_which_command_installs_it(world: World) -> None:
    world.settings["status"] = {"listen": "127.0.0.1:0"}
    # None in sys.modules is how Python itself says "not there".
    code = "import sys; sys.modules['starlette'] = None; from watcher.cli import main; main()"
    for arguments in (["run", "--once"], ["check", "--offline"]):
        command = [sys.executable, "-c", code, *arguments, "-c", str(world.config)]
        found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

        assert found.returncode == 1
        assert f"(starlette); run {sys.executable} -m pip install '.[web]'" in re.sub(
            r"\s+", " ", found.stderr + found.stdout
        )
        assert "Traceback" not in found.stderr


def test_without_status_nothing_of_the_extra_is_imported(world: World) -> None:
    code = (
        "import sys\n"
        "from watcher.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print({'starlette', 'uvicorn', 'prometheus_client'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, "run", "--once", "-c", str(world.config)]

    assert subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout == "set()\n"


def test_of_more_connections_than_the_agent_can_spare_the_oldest_are_closed(open_page: Page) -> None:
    port = int(open_page.url.rpartition(":")[2].rstrip("/"))
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    try:
        for connection in idle[:36]:
            connection.settimeout(5)
            try:
                assert connection.recv(1) == b""
            except ConnectionResetError:
                continue
    finally:
        for connection in idle:
            connection.close()
