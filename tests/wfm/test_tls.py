"""TLS with a real chain of certificates: what is trusted, what holds, and what a person reads then."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.sockets import LONG, Serve, answers, raw, read_request
from tests.wfm.clients import client, push
from watcher.core.errors import ConfigError, Outside
from watcher.core.target import Target
from watcher.wfm.client import Client

TOKEN = json.dumps({"access_token": "token", "expires_in": 300}).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(TOKEN), TOKEN)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(organization_name="A company of the tests")


@pytest.fixture(scope="module")
def stranger() -> trustme.CA:
    return trustme.CA(organization_name="Somebody else")


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "company-ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def tls(
    certificate: trustme.LeafCert,
    *,
    clients_of: trustme.CA | None = None,
    says: bytes = ANSWER,
    to_get: bytes | None = None,
) -> Serve:
    """Answer over TLS; with `clients_of` only whom that authority knows. `to_get`: to a GET."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if clients_of is not None:
        clients_of.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED

    def serve(connection: socket.socket) -> None:
        connection.settimeout(LONG)
        with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as secured:
            try:
                secured.do_handshake()
                is_get = read_request(secured).startswith(b"GET ")
                secured.sendall(to_get if is_get and to_get is not None else says)
            except ssl.SSLError:
                # The alert is on its way; to close with bytes unread would overtake it with a reset.
                with suppress(OSError):
                    secured.shutdown(socket.SHUT_WR)
                while os.read(secured.fileno(), 65536):
                    pass

    return serve


def fault(opened: Client) -> Outside:
    with pytest.raises(Outside) as caught:
        push(opened)
    return caught.value


def secure(server: Any, host: str = "localhost") -> str:
    """The server's URL, by https and under this name."""
    return f"https://{host}:{server.url.rpartition(':')[2]}"


def test_a_certificate_of_the_authority_in_ca_file_is_trusted(authority: trustme.CA, ca_file: Path) -> None:
    with (
        raw(tls(authority.issue_cert("localhost"))) as server,
        client(secure(server), ca_file=ca_file) as opened,
    ):
        assert push(opened) == 200


def test_a_chain_with_an_intermediate_authority_is_trusted(authority: trustme.CA, ca_file: Path) -> None:
    between = authority.create_child_ca()
    with (
        raw(tls(between.issue_cert("localhost"))) as server,
        client(secure(server), ca_file=ca_file) as opened,
    ):
        assert push(opened) == 200


def test_ca_file_comes_on_top_of_the_systems_authorities(
    ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = trustme.CA()
    with system.cert_pem.tempfile() as path, raw(tls(system.issue_cert("localhost"))) as server:
        monkeypatch.setenv("SSL_CERT_FILE", path)  # OpenSSL's own name for the system's store
        with client(secure(server), ca_file=ca_file) as opened:
            assert push(opened) == 200


@pytest.mark.parametrize("known", ["no ca_file", "another ca_file"])
def test_an_unknown_issuer_holds_and_the_remedy_is_named(
    authority: trustme.CA, stranger: trustme.CA, ca_file: Path, known: str
) -> None:
    issuer = authority if known == "no ca_file" else stranger
    with (
        raw(tls(issuer.issue_cert("localhost"))) as server,
        client(secure(server), ca_file=None if known == "no ca_file" else ca_file) as opened,
    ):
        error = fault(opened)

    assert error.reason.startswith("the certificate of localhost is not trusted: ")
    assert "issuer" in error.reason
    assert "wfm.ca_file" in error.check


@pytest.mark.parametrize(("name", "word"), [("wfm.example.com", "ostname mismatch"), ("10.0.0.1", "ostname")])
def test_a_certificate_for_another_host_holds(
    authority: trustme.CA, ca_file: Path, name: str, word: str
) -> None:
    with (
        raw(tls(authority.issue_cert(name))) as server,
        client(secure(server), ca_file=ca_file) as opened,
    ):
        error = fault(opened)

    assert error.reason.startswith("the certificate of localhost is not trusted: ")
    assert word in error.reason
    assert "host name" in error.check


@pytest.mark.parametrize(
    ("begins", "ends", "word"), [(-10, -1, "expired"), (10, 20, "not yet valid")], ids=["expired", "too new"]
)
def test_a_certificate_out_of_its_time_holds(
    authority: trustme.CA, ca_file: Path, begins: int, ends: int, word: str
) -> None:
    now = datetime.now(UTC)
    certificate = authority.issue_cert(
        "localhost", not_before=now + timedelta(days=begins), not_after=now + timedelta(days=ends)
    )
    with raw(tls(certificate)) as server, client(secure(server), ca_file=ca_file) as opened:
        error = fault(opened)

    assert word in error.reason
    assert "wfm.ca_file" in error.check
    assert "clock" in error.check


def test_the_bad_certificate_of_the_login_server_holds_the_login_server(
    authority: trustme.CA, stranger: trustme.CA, ca_file: Path
) -> None:
    with (
        raw(tls(stranger.issue_cert("localhost"))) as login,
        raw(tls(authority.issue_cert("localhost"))) as api,
    ):
        token_url = f"{secure(login)}/token"
        with client(secure(api), token_url, ca_file=ca_file) as opened:
            error = fault(opened)

    assert error.target == Target("login", token_url)
    assert type(error) is Outside
    assert api.connections == 0


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path: Path) -> tuple[Path, Path]:
    """A client's certificate and its key, in two files."""
    leaf = authority.issue_cert("agent@example.com")
    cert, key = tmp_path / "client.pem", tmp_path / "client.key"
    cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    leaf.private_key_pem.write_to_path(key)
    return cert, key


def test_a_server_that_asks_for_a_client_certificate_gets_it(
    authority: trustme.CA, ca_file: Path, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    with (
        raw(tls(authority.issue_cert("localhost"), clients_of=authority)) as server,
        client(secure(server), ca_file=ca_file, client_cert=cert, client_key=key) as opened,
    ):
        assert push(opened) == 200


def test_certificate_and_key_may_be_in_one_file(
    authority: trustme.CA, ca_file: Path, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    cert.write_bytes(key.read_bytes() + cert.read_bytes())
    with (
        raw(tls(authority.issue_cert("localhost"), clients_of=authority)) as server,
        client(secure(server), ca_file=ca_file, client_cert=cert) as opened,
    ):
        assert push(opened) == 200


@pytest.mark.parametrize("whose", ["api", "login"])
def test_a_missing_client_certificate_holds_and_the_setting_is_named(
    authority: trustme.CA, ca_file: Path, whose: str
) -> None:
    strict = tls(authority.issue_cert("localhost"), clients_of=authority)
    with raw(strict) as asking, raw(answers(ANSWER)) as plain:
        token_url = f"{secure(asking)}/token" if whose == "login" else f"{plain.url}/token"
        server = plain.url if whose == "login" else secure(asking)
        with client(server, token_url, ca_file=ca_file) as opened:
            error = fault(opened)

    assert error.target == (Target("login", token_url) if whose == "login" else Target("server", server))
    assert error.reason.startswith("TLS with localhost failed: ")
    assert "wfm.client_cert" in error.check


def test_https_to_a_port_that_speaks_plain_http_holds_and_says_so() -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    with raw(refuse) as server, client(secure(server)) as opened:
        error = fault(opened)

    assert type(error) is Outside
    assert error.reason.startswith("TLS with localhost failed: ")
    assert "http against https" in error.check


def test_http_to_a_port_that_speaks_tls_is_no_answer(authority: trustme.CA) -> None:
    with (
        raw(tls(authority.issue_cert("localhost"))) as server,
        raw(answers(ANSWER)) as login,
        client(server.url, f"{login.url}/token") as opened,
    ):
        assert fault(opened).reason


@pytest.mark.parametrize("content", [b"", b"not a certificate\n", b"\x00\xff" * 50, None])
@pytest.mark.parametrize("key", ["ca_file", "client_cert"])
def test_a_file_that_holds_no_certificate_is_a_config_error_that_names_it(
    tmp_path: Path, key: str, content: bytes | None
) -> None:
    path = tmp_path / "certificate.pem"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError) as caught, client("https://localhost:1", **{key: path}):
        pass

    assert f"wfm.{key}" in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_certificate_with_the_key_of_another_is_a_config_error(
    stranger: trustme.CA, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    stranger.issue_cert("other@example.com").private_key_pem.write_to_path(key)

    with (
        pytest.raises(ConfigError, match=r"wfm\.client_cert"),
        client("https://localhost:1", client_cert=cert, client_key=key),
    ):
        pass


def test_nobody_is_asked_for_the_passphrase_of_a_key(certificate: tuple[Path, Path]) -> None:
    """A service would wait for ever at its terminal."""
    from cryptography.hazmat.primitives import serialization

    cert, key = certificate
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        )
    )
    script = (
        "import sys; from pathlib import Path; from watcher.wfm.tls import tls_context\n"
        "from watcher.core.errors import ConfigError\n"
        "try: tls_context(None, Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except ConfigError: print('config error')\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, cert, key],
        input="passphrase\n",
        capture_output=True,
        text=True,
        timeout=20,
        start_new_session=True,
    )

    assert (done.stdout, done.stderr) == ("config error\n", "")
