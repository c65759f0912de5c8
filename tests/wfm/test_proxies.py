"""Proxies: which one a request goes by, and whose fault it is where the way ends at one."""

from __future__ import annotations

import socket
import threading
from contextlib import AbstractContextManager, suppress

import pytest
import trustme

from tests.conftest import Server, World
from tests.sockets import LONG, Serve, answers, free_port, raw, read_request
from tests.wfm.clients import client as any_client
from tests.wfm.clients import push
from tests.wfm.test_tls import ANSWER, secure, tls
from watcher.core.errors import ConfigError, LostAnswer, Outside
from watcher.core.target import Target
from watcher.wfm.client import Client
from watcher.wfm.proxies import proxy_for

API = "http://wfm.example.com"
USER = "us3r"
PASSWORD = "passw0rd"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own proxies do not reach the tests."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def with_user(url: str) -> str:
    return url.replace("://", f"://{USER}:{PASSWORD}@")


def client(
    server: str, token_url: str, proxy: str | None, *, trust_env: bool = False
) -> AbstractContextManager[Client]:
    """One that gives up soon."""
    return any_client(server, token_url, timeout_seconds=0.5, trust_env=trust_env, proxy=proxy)


def fault(opened: Client) -> Outside:
    with pytest.raises(Outside) as caught:
        push(opened)
    error = caught.value
    assert PASSWORD not in f"{error}{error.check}{error.target}"
    assert error.target in opened.way
    return error


def refuses(text: bytes) -> Serve:
    return answers(b"HTTP/1.1 " + text + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


# Whose fault it is.


SCHEMES = pytest.mark.parametrize("scheme", ["http", "https"])  # forwarded, and by a tunnel


@SCHEMES
def test_a_407_holds_the_proxy_and_names_the_setting(scheme: str) -> None:
    server = f"{scheme}://wfm.example.com"
    with (
        raw(refuses(b"407 Proxy Authentication Required")) as proxy,
        client(server, f"{server}/token", with_user(proxy.url)) as opened,
    ):
        error = fault(opened)

    assert type(error) is Outside
    assert error.target == Target("proxy", proxy.url)
    assert f"the proxy {proxy.url} refuses us" in error.reason
    assert "407 Proxy Authentication Required" in error.reason
    assert error.check == "wfm.proxy (user, password)"


@SCHEMES
def test_a_407_of_a_proxy_of_the_environment_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    server, variable = f"{scheme}://wfm.example.com", f"{scheme.upper()}_PROXY"
    with raw(answers(ANSWER)) as login, raw(refuses(b"407 No")) as proxy:
        monkeypatch.setenv(variable, with_user(proxy.url))
        with client(server, f"{login.url}/token", None, trust_env=True) as opened:
            error = fault(opened)
            kinds = [target.kind for target in opened.way]

    assert kinds == ["login", "proxy", "server"]  # the login is on the loopback, and reached straight
    assert error.target == Target("proxy", proxy.url)
    assert error.check == f"{variable} of the environment (user, password)"


@pytest.mark.parametrize("text", [b"403 Forbidden", b"502 Bad Gateway", b"503 Service Unavailable"])
def test_a_proxy_that_makes_no_tunnel_is_held(text: bytes) -> None:
    with raw(refuses(text)) as proxy:
        server = "https://wfm.example.com"
        with client(server, f"{server}/token", proxy.url) as opened:
            error = fault(opened)

    assert error.target == Target("proxy", proxy.url)
    assert text.decode() in error.reason
    assert "the way to wfm.example.com" in error.reason


@pytest.mark.parametrize("server", [API, "https://wfm.example.com"])
@pytest.mark.parametrize("host", ["127.0.0.1", "proxy.example.invalid"])
def test_a_proxy_that_cannot_be_reached_is_held_and_not_the_server(server: str, host: str) -> None:
    proxy = f"http://{host}:{free_port()}"
    with client(server, f"{server}/token", proxy) as opened:
        error = fault(opened)

    assert type(error) is Outside
    assert error.target == Target("proxy", proxy)
    assert host in error.reason
    assert error.reason.endswith("it is the proxy on the way to wfm.example.com")
    assert error.check.startswith("wfm.proxy; ")


def test_a_proxy_that_never_makes_its_tunnel_is_held_and_the_chunk_did_not_go_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()

    def hang(connection: socket.socket) -> None:
        connection.recv(65_536)
        over.wait(LONG)

    with raw(answers(ANSWER)) as login, raw(hang) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with client("https://wfm.example.com", f"{login.url}/token", None, trust_env=True) as opened:
            error = fault(opened)
        over.set()

    assert type(error) is Outside
    assert error.target == Target("proxy", proxy.url)


def forwards(port: int) -> Serve:
    """A proxy whose every tunnel leads to this port of the loopback."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", port)) as there:
            back = threading.Thread(target=pump, args=(there, connection), daemon=True)
            back.start()
            pump(connection, there)
            back.join(LONG)

    return serve


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def test_behind_a_proxy_that_does_its_part_the_certificate_of_the_server_holds_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stranger = trustme.CA()
    with (
        raw(tls(stranger.issue_cert("wfm.example.com"))) as server,
        raw(answers(ANSWER)) as login,
        raw(forwards(int(server.url.rpartition(":")[2]))) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        api = secure(server, "wfm.example.com")
        with client(api, f"{login.url}/token", None, trust_env=True) as opened:
            error = fault(opened)

    assert error.target == Target("server", api)
    assert error.reason.startswith("the certificate of wfm.example.com is not trusted")
    assert error.reason.endswith(f"(by the proxy {proxy.url})")


def test_an_answer_that_is_lost_behind_a_proxy_is_a_lost_one_of_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with raw(answers(ANSWER)) as login, raw(answers(b"")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with client(API, f"{login.url}/token", None, trust_env=True) as opened:
            error = fault(opened)

    assert type(error) is LostAnswer
    assert error.target == Target("server", API)


def test_a_407_of_the_server_itself_is_its_answer() -> None:
    with (
        raw(answers(ANSWER)) as login,
        raw(refuses(b"407 No")) as server,
        client(server.url, f"{login.url}/token", None) as opened,
    ):
        assert push(opened) == 407
        assert opened.way == (Target("login", opened.token_url), Target("server", opened.server))


def test_a_proxy_for_both_servers_is_met_before_both() -> None:
    with client(API, f"{API}/token", "http://proxy.example.com:3128/") as opened:
        assert [target.kind for target in opened.way] == ["proxy", "login", "server"]


def test_the_files_go_by_the_proxy_and_those_of_no_proxy_go_straight(
    monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    seen: list[bytes] = []

    def by_proxy(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with raw(by_proxy) as proxy:
        monkeypatch.setenv("HTTP_PROXY", with_user(proxy.url))
        with client(API, server.token_url, None, trust_env=True) as opened:
            assert push(opened) == 200

    (request,) = seen
    assert request.startswith(b"POST http://wfm.example.com/import? HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXMzcjpwYXNzdzByZA==" in request
    assert [exchange.path.rpartition("/")[2] for exchange in server.requests()] == ["token"]


def test_a_queue_behind_a_proxy_that_refuses_says_so_and_loses_nothing(
    world: World, lines: list[str]
) -> None:
    with raw(refuses(b"407 Proxy Authentication Required")) as proxy:
        world.settings["wfm"] |= {"api_url": API, "proxy": with_user(proxy.url)}
        world.drop("agent_events.csv", b"a,1\n")

        assert world.run_once(patience=0.3) == 4

    (told,) = [line for line in lines if "holding" in line]
    assert f"holding proxy {proxy.url}: the proxy {proxy.url} refuses us" in told
    assert "check: wfm.proxy (user, password)" in told
    assert PASSWORD not in "".join(lines)


# Which one it is.


@pytest.mark.parametrize(
    ("no_proxy", "url"),
    [
        ("*", API),
        ("a.example, *", API),
        ("wfm.example.com", API),
        ("WFM.Example.Com.", API),
        ("example.com", API),
        (".example.com", API),
        ("*.example.com", API),
        ("other.example example.com", API),
        ("wfm.example.com:80", API),
        ("example.com:8443", "https://wfm.example.com:8443"),
        ("http://wfm.example.com", API),
        (".example.com", "http://example.com"),
        ("10.0.0.0/8", "https://10.1.2.3"),
        ("10.1.2.3", "https://10.1.2.3"),
        ("10.1.2.3:443", "https://10.1.2.3"),
        ("10.1.2.3/8", "https://10.9.9.9"),
        ("fd00::/8", "https://[fd12::7]"),
        ("[fd00::]/8", "https://[fd12::7]:8443"),
        ("fd12:0::7", "https://[fd12::7]"),
        ("[fd12::7]", "https://[fd12::7]"),
        ("[fd12::7]:8443", "https://[fd12::7]:8443"),
    ],
)
def test_no_proxy_exempts_what_curl_exempts(monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)

    assert proxy_for(url) is None


@pytest.mark.parametrize(
    ("no_proxy", "url"),
    [
        ("", API),
        (" , ,", API),
        ("m.example.com", API),
        ("www.wfm.example.com", API),
        ("wfm.example.com:8080", API),
        ("https://wfm.example.com", API),
        ("10.0.0.0/8,fd00::/8,::/0", API),
        ("10.0.0.0/8", "https://11.1.2.3"),
        ("1.2.3", "https://10.1.2.3"),
        ("0.0.0.0/0", "https://[fd12::7]"),
        ("[fd12::7]:1", "https://[fd12::7]"),
        ("fd00::/999,[[::,::::,10.0.0.0/x,[]:,:80,.,http://,ü", "https://[fd12::7]"),
    ],
)
def test_no_proxy_exempts_nothing_else(monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str) -> None:
    monkeypatch.setenv("ALL_PROXY", "proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)

    found = proxy_for(url)

    assert found is not None
    assert (found.name, found.source) == ("http://proxy.example.com:3128", "ALL_PROXY of the environment")


@pytest.mark.parametrize("url", ["http://localhost:8080", "http://127.0.0.9", "https://[::1]:1"])
def test_this_machine_is_not_reached_by_a_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example.com:3128")

    assert proxy_for(url) is None


def test_the_proxy_of_the_settings_is_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")

    found = proxy_for(API, with_user("https://[fd12::7]:3128/"))

    assert found is not None
    assert (found.name, found.source) == ("https://[fd12::7]:3128", "wfm.proxy")
    assert PASSWORD not in repr(found)


def test_the_variable_of_the_scheme_goes_before_the_one_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://all.example.com")
    monkeypatch.setenv("https_proxy", "http://https.example.com")

    names = [found.name for url in (API, "https://x.example") if (found := proxy_for(url))]

    assert names == ["http://all.example.com", "http://https.example.com"]


@pytest.mark.parametrize(
    "value", ["ftp://p:1", "http://", "http://:3128", "http://p:99999", "p:x", "http://["]
)
def test_a_proxy_that_cannot_be_used_names_its_variable_and_shows_no_password(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("https_proxy", value if "://" not in value else with_user(value))

    with pytest.raises(ConfigError, match="https_proxy of the environment") as caught:
        proxy_for("https://wfm.example.com")

    assert PASSWORD not in str(caught.value)
