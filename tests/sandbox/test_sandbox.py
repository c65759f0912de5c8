"""The WFM stand-in keeps the rules of the API, and the samples are what they say."""

import csv
import hashlib
import io
import json
import socket
import struct
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import httpx
import pytest

from watcher.sandbox.samples import BROKEN_LINE, write_samples
from watcher.sandbox.server import Answer, Request, Sandbox

EVENTS = "/_rest/scheduling/adherence/agent-events"
EVENT_TYPES = "/_rest/scheduling/adherence/event-types"
REASON_CODES = "/_rest/scheduling/adherence/reason-codes"
HISTORY = "/_rest/forecasting/historical-data/historical-data-push"
GRANT = {"grant_type": "client_credentials", "client_id": "wfm-importer", "client_secret": "sandbox-secret"}
ROWS = b'1001,READY,,2026-11-23T08:00:00Z,2026-11-23T08:05:00Z,"a, b"\n'


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """One client for all tests, without proxies from the environment."""
    with httpx.Client(trust_env=False, verify=False, timeout=5) as client:
        yield client


@pytest.fixture
def clock() -> Clock:
    """The sandbox's clock, to be moved by hand."""
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    """A running stand-in that takes bodies of up to 1,000 bytes."""
    with Sandbox(clock=clock, max_body=1000) as running:
        yield running


@pytest.fixture
def wfm(sandbox: Sandbox, http: httpx.Client) -> "Wfm":
    """A client with a token, and right in everything that a test does not set otherwise."""
    return Wfm(sandbox, http)


class Wfm:
    """Sends good imports, but for what is passed in; None leaves a header or parameter out."""

    def __init__(self, sandbox: Sandbox, http: httpx.Client) -> None:
        self.url = sandbox.url
        self.http = http
        self.token = http.post(sandbox.token_url, data=GRANT).json()["access_token"]

    def push(
        self,
        path: str = EVENTS,
        *,
        body: bytes | None = None,
        method: str = "POST",
        headers: dict[str, str | None] | None = None,
        **params: str | None,
    ) -> httpx.Response:
        as_json = path.strip("/").endswith(("event-types", "reason-codes"))
        sent: dict[str, str | None] = {
            "Authorization": f"Bearer {self.token}",
            "Tenant-ID": "demo",
            "Content-Type": "application/json" if as_json else "text/csv",
            **(headers or {}),
        }
        query: dict[str, str | None] = {
            "pushToken": str(uuid.uuid4()),
            "lastChunk": "true",
            "acdType": "genesis" if "agent-events" in path else None,
            **params,
        }
        return self.http.request(
            method,
            self.url + path,
            content=body if body is not None else b"[]" if as_json else ROWS,
            headers={name: value for name, value in sent.items() if value is not None},
            params={name: value for name, value in query.items() if value is not None},
        )


def assert_refused(answer: httpx.Response, status: int, word: str) -> None:
    """The status is this one, and the body says what is wrong in a sentence that names the thing."""
    told = answer.json()
    assert answer.status_code == status
    assert told["error"]
    assert word in told["message"]


# --- access tokens


def test_token_answer_has_the_fields_of_keycloak(sandbox: Sandbox, http: httpx.Client) -> None:
    answer = http.post(sandbox.token_url, data=GRANT)
    told = answer.json()
    assert answer.status_code == 200
    assert set(told) == {
        "access_token", "expires_in", "refresh_expires_in", "refresh_token",
        "token_type", "not-before-policy", "session_state", "scope",
    }  # fmt: skip
    assert (told["expires_in"], told["refresh_expires_in"], told["token_type"]) == (300, 1800, "bearer")


def test_access_tokens_are_unique_and_as_long_as_a_jwt(sandbox: Sandbox, http: httpx.Client) -> None:
    first, second = (http.post(sandbox.token_url, data=GRANT).json()["access_token"] for _ in range(2))
    assert first != second
    assert first.count(".") == 2
    assert 1400 < len(first) < 1700


def test_expires_in_tells_the_token_life(http: httpx.Client) -> None:
    with Sandbox(token_life=7.9) as sandbox:
        assert http.post(sandbox.token_url, data=GRANT).json()["expires_in"] == 7


def test_token_url_works_without_the_auth_prefix_too(sandbox: Sandbox, http: httpx.Client) -> None:
    assert "/auth/realms/demo/" in sandbox.token_url
    assert http.post(sandbox.token_url.replace("/auth", ""), data=GRANT).status_code == 200


def test_another_realm_is_not_there(sandbox: Sandbox, http: httpx.Client) -> None:
    url = sandbox.token_url.replace("/demo/", "/other/")
    assert_refused(http.post(url, data=GRANT), 404, "other")


@pytest.mark.parametrize("field", ["client_id", "client_secret"])
@pytest.mark.parametrize("value", ["wrong", None])
def test_wrong_or_missing_client_or_secret_is_an_invalid_client(
    sandbox: Sandbox, http: httpx.Client, field: str, value: str | None
) -> None:
    form = {name: text for name, text in {**GRANT, field: value}.items() if text is not None}
    answer = http.post(sandbox.token_url, data=form)
    assert_refused(answer, 401, "client")
    assert answer.json()["error"] == "invalid_client"
    assert answer.json()["error_description"]


def test_another_grant_is_unsupported(sandbox: Sandbox, http: httpx.Client) -> None:
    answer = http.post(sandbox.token_url, data={**GRANT, "grant_type": "password"})
    assert_refused(answer, 400, "grant_type")
    assert answer.json()["error"] == "unsupported_grant_type"


def test_token_request_in_json_is_refused(sandbox: Sandbox, http: httpx.Client) -> None:
    assert_refused(http.post(sandbox.token_url, json=GRANT), 415, "application/x-www-form-urlencoded")


def test_token_url_takes_only_post(sandbox: Sandbox, http: httpx.Client) -> None:
    answer = http.get(sandbox.token_url)
    assert_refused(answer, 405, "POST")
    assert answer.headers["allow"] == "POST"


# --- rights


def test_no_credentials_are_answered_with_a_challenge(wfm: Wfm) -> None:
    answer = wfm.push(headers={"Authorization": None})
    assert_refused(answer, 401, "bearer token")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_another_scheme_is_no_bearer_token(wfm: Wfm) -> None:
    assert_refused(wfm.push(headers={"Authorization": "Basic d2ZtOndmbQ=="}), 401, "bearer token")


def test_unknown_token_is_refused(wfm: Wfm) -> None:
    answer = wfm.push(headers={"Authorization": "Bearer nobody"})
    assert_refused(answer, 401, "unknown")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_lives_for_its_life_and_no_longer(wfm: Wfm, clock: Clock) -> None:
    clock.now += 299
    assert wfm.push().status_code == 200
    clock.now += 1
    assert_refused(wfm.push(), 401, "expired")


def test_a_new_token_leaves_the_living_one_valid(wfm: Wfm, sandbox: Sandbox, http: httpx.Client) -> None:
    http.post(sandbox.token_url, data=GRANT)
    assert wfm.push().status_code == 200


def test_forgotten_tokens_are_refused_and_a_new_one_is_taken(
    wfm: Wfm, sandbox: Sandbox, http: httpx.Client
) -> None:
    sandbox.forget_tokens()
    assert_refused(wfm.push(), 401, "unknown")
    assert Wfm(sandbox, http).push().status_code == 200


@pytest.mark.parametrize("tenant", [None, "acme"])
def test_missing_or_wrong_tenant_is_refused(wfm: Wfm, tenant: str | None) -> None:
    assert_refused(wfm.push(headers={"Tenant-ID": tenant}), 400, "Tenant-ID")


# --- paths, methods, content types


@pytest.mark.parametrize("path", [EVENT_TYPES, REASON_CODES, EVENTS, HISTORY])
@pytest.mark.parametrize("prefix", ["/_rest", ""])
@pytest.mark.parametrize("slash", ["", "/"])
def test_every_import_is_there_with_and_without_prefix_and_slash(
    wfm: Wfm, path: str, prefix: str, slash: str
) -> None:
    push_token = str(uuid.uuid4())
    answer = wfm.push(prefix + path.removeprefix("/_rest") + slash, pushToken=push_token)
    assert answer.status_code == 200
    assert answer.json() == {"pushToken": push_token, "chunks": 1, "completed": True}


@pytest.mark.parametrize("path", ["/_rest", "/scheduling/adherence/agents", "/_rest" + EVENTS, EVENTS + "//"])
def test_other_paths_are_not_there(wfm: Wfm, path: str) -> None:
    assert_refused(wfm.push(path), 404, path)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_imports_take_only_post(wfm: Wfm, method: str) -> None:
    answer = wfm.push(method=method)
    assert_refused(answer, 405, "POST")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "wrong"), [(EVENT_TYPES, "text/csv"), (EVENTS, "application/json"), (HISTORY, None)]
)
def test_wrong_content_type_is_refused(wfm: Wfm, path: str, wrong: str | None) -> None:
    assert_refused(wfm.push(path, headers={"Content-Type": wrong}), 415, "Content-Type")


def test_content_type_may_have_parameters(wfm: Wfm) -> None:
    assert wfm.push(headers={"Content-Type": "Text/CSV; charset=utf-8"}).status_code == 200


# --- parameters and bodies


@pytest.mark.parametrize("push_token", [None, "", "17", "{12345678-1234-1234-1234-123456789012}"])
def test_push_token_has_to_be_a_uuid(wfm: Wfm, push_token: str | None) -> None:
    assert_refused(wfm.push(pushToken=push_token), 400, "pushToken")


@pytest.mark.parametrize("last", [None, "", "True", "1", "no"])
def test_last_chunk_has_to_be_true_or_false(wfm: Wfm, last: str | None) -> None:
    assert_refused(wfm.push(lastChunk=last), 400, "lastChunk")


@pytest.mark.parametrize("path", [EVENT_TYPES, REASON_CODES])
def test_json_imports_are_one_request(wfm: Wfm, path: str) -> None:
    assert_refused(wfm.push(path, lastChunk="false"), 400, "lastChunk")


@pytest.mark.parametrize("acd_type", [None, ""])
def test_agent_events_need_an_acd_type(wfm: Wfm, acd_type: str | None) -> None:
    assert_refused(wfm.push(acdType=acd_type), 400, "acdType")


@pytest.mark.parametrize("path", [EVENT_TYPES, EVENTS])
def test_empty_body_is_refused(wfm: Wfm, path: str) -> None:
    assert_refused(wfm.push(path, body=b""), 400, "empty")


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe\xfa", b"[" * 999], ids=["cut", "binary", "deep"])
def test_json_has_to_parse(wfm: Wfm, body: bytes) -> None:
    assert_refused(wfm.push(EVENT_TYPES, body=body), 400, "JSON")


@pytest.mark.parametrize("path", [EVENTS, HISTORY])
def test_chunk_with_an_unclosed_quote_is_refused_with_the_reason(wfm: Wfm, path: str) -> None:
    assert_refused(wfm.push(path, body=ROWS + b'1002,"READY\n'), 422, "quoted field is not closed")


def test_refused_chunks_leave_no_trace(wfm: Wfm, sandbox: Sandbox) -> None:
    push_token = str(uuid.uuid4())
    wfm.push(pushToken=push_token, body=b'"')
    assert sandbox.operations() == []
    wfm.push(pushToken=push_token, lastChunk="false")
    wfm.push(pushToken=push_token, body=b'"')
    (operation,) = sandbox.operations()
    assert (operation.body, operation.chunk_count, operation.completed) == (ROWS, 1, False)


# --- operations


def test_chunks_under_one_push_token_are_one_operation(wfm: Wfm, sandbox: Sandbox) -> None:
    push_token = str(uuid.uuid4())
    answers = [
        wfm.push(pushToken=push_token, lastChunk=last, body=body).json()
        for last, body in [("false", b"a\n"), ("false", b"b\n"), ("true", b"c\n")]
    ]
    assert [(told["chunks"], told["completed"]) for told in answers] == [(1, False), (2, False), (3, True)]
    (operation,) = sandbox.operations()
    assert operation.push_token == push_token
    assert (operation.kind, operation.acd_type) == ("agent-events", "genesis")
    assert operation.chunks == [b"a\n", b"b\n", b"c\n"]
    assert operation.body == b"a\nb\nc\n"
    assert operation.completed
    assert operation.received_bytes == 6
    assert operation.sha256 == hashlib.sha256(b"a\nb\nc\n").hexdigest()


def test_operations_are_in_the_order_of_their_first_chunks(wfm: Wfm, sandbox: Sandbox) -> None:
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    for push_token, last in [(first, "false"), (second, "true"), (first, "true")]:
        wfm.push(pushToken=push_token, lastChunk=last)
    assert [known.push_token for known in sandbox.operations()] == [first, second]


def test_push_token_cannot_be_used_for_another_import(wfm: Wfm) -> None:
    push_token = str(uuid.uuid4())
    wfm.push(pushToken=push_token, lastChunk="false")
    assert_refused(wfm.push(HISTORY, pushToken=push_token), 409, "agent-events")


def test_push_token_cannot_be_used_for_another_acd_type(wfm: Wfm) -> None:
    push_token = str(uuid.uuid4())
    wfm.push(pushToken=push_token, lastChunk="false")
    assert_refused(wfm.push(pushToken=push_token, acdType="avaya"), 409, "genesis")


def test_completed_operation_takes_no_more_chunks(wfm: Wfm, sandbox: Sandbox) -> None:
    push_token = str(uuid.uuid4())
    wfm.push(pushToken=push_token)
    assert_refused(wfm.push(pushToken=push_token.upper()), 409, "completed")
    assert sandbox.operations()[0].body == ROWS


def test_snapshots_are_copies(wfm: Wfm, sandbox: Sandbox) -> None:
    wfm.push()
    sandbox.operations()[0].chunks.clear()
    sandbox.requests().clear()
    assert sandbox.operations()[0].chunks == [ROWS]
    assert len(sandbox.requests()) == 2


def test_without_bodies_the_length_and_hash_are_kept(http: httpx.Client) -> None:
    with Sandbox(keep_bodies=False) as sandbox:
        wfm, push_token = Wfm(sandbox, http), str(uuid.uuid4())
        wfm.push(pushToken=push_token, lastChunk="false")
        wfm.push(pushToken=push_token)
        (operation,) = sandbox.operations()
    assert (operation.chunks, operation.body, operation.chunk_count) == ([], b"", 2)
    assert operation.received_bytes == 2 * len(ROWS)
    assert operation.sha256 == hashlib.sha256(ROWS * 2).hexdigest()


def test_uploads_at_the_same_time_do_not_mix(wfm: Wfm, sandbox: Sandbox) -> None:
    def upload(number: int) -> None:
        push_token = str(uuid.uuid4())
        for chunk in range(5):
            answer = wfm.push(
                pushToken=push_token, lastChunk=str(chunk == 4).lower(), body=b"%d,%d\n" % (number, chunk)
            )
            assert answer.status_code == 200

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(upload, range(8)))
    expected = [b"".join(b"%d,%d\n" % (number, chunk) for chunk in range(5)) for number in range(8)]
    assert sorted(known.body for known in sandbox.operations()) == expected
    assert len(sandbox.requests()) == 1 + 8 * 5


def test_overview_is_for_people_and_needs_no_token(wfm: Wfm, sandbox: Sandbox, http: httpx.Client) -> None:
    push_token = str(uuid.uuid4())
    wfm.push(pushToken=push_token, lastChunk="false")
    answer = http.get(sandbox.url + "/")
    assert answer.status_code == 200
    assert answer.text.startswith('{\n  "tenant"')
    assert answer.json() == {
        "tenant": "demo",
        "operations": [
            {
                "push_token": push_token,
                "kind": "agent-events",
                "acd_type": "genesis",
                "chunks": 1,
                "bytes": len(ROWS),
                "completed": False,
                "sha256": hashlib.sha256(ROWS).hexdigest(),
            }
        ],
    }
    assert http.head(sandbox.url + "/").content == b""


def test_request_log_has_every_request_with_its_answer(wfm: Wfm, sandbox: Sandbox) -> None:
    wfm.push()
    wfm.push(headers={"Tenant-ID": None})
    token, good, bad = sandbox.requests()
    assert (token.method, token.status) == ("POST", 200)
    assert (good.method, good.path, good.status, good.body_bytes) == ("POST", EVENTS, 200, len(ROWS))
    assert good.query["acdType"] == "genesis"
    assert good.headers["tenant-id"] == "demo"
    assert good.headers["authorization"] == wfm.token[-8:]
    assert bad.status == 400


# --- on the wire


def test_chunked_body_is_refused(wfm: Wfm, sandbox: Sandbox, http: httpx.Client) -> None:
    answer = http.post(sandbox.url + EVENTS, content=iter([ROWS, ROWS]))
    assert_refused(answer, 411, "Content-Length")
    assert sandbox.requests()[-1].status == 411
    assert wfm.push().status_code == 200


@pytest.mark.parametrize("size", [1001, 3_000_000])
def test_body_that_is_too_large_is_refused(wfm: Wfm, sandbox: Sandbox, size: int) -> None:
    answer = wfm.push(body=b"x" * size)
    assert_refused(answer, 413, "1000")
    assert answer.headers["connection"] == "close"
    assert sandbox.requests()[-1].status == 413
    assert wfm.push(body=b"x" * 1000).status_code == 200


def test_content_length_that_is_no_number_is_refused(sandbox: Sandbox) -> None:
    with socket.create_connection(_address(sandbox), timeout=5) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_what_is_no_http_is_refused_in_json_too(sandbox: Sandbox) -> None:
    with socket.create_connection(_address(sandbox), timeout=5) as connection:
        connection.sendall(b"BREW / HTTP/1.1\r\n\r\n")
        head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 501 ")
    assert "BREW" in json.loads(body)["message"]


def test_fifty_answers_come_each_in_one_piece_over_one_connection(sandbox: Sandbox) -> None:
    """Headers and body in two writes would meet Nagle's algorithm and cost 44 ms an answer."""
    with socket.create_connection(_address(sandbox), timeout=5) as connection:
        for _ in range(50):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: sandbox\r\n\r\n")
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert json.loads(body)["tenant"] == "demo"
    assert len(sandbox.requests()) == 50


def test_client_that_hangs_up_in_the_middle_is_no_error(
    wfm: Wfm, sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(_address(sandbox), timeout=5) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf")
        reset_on_close = struct.pack("ii", 1, 0)  # linger: on, for no time
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset_on_close)
    assert wfm.push().status_code == 200
    assert len(sandbox.requests()) == 2
    sandbox.stop()
    assert capfd.readouterr().err == ""


def test_overridden_respond_decides_and_none_closes_the_connection(http: httpx.Client) -> None:
    class LosesAnswers(Sandbox):
        def respond(self, request: Request) -> Answer | None:
            answer = super().respond(request)
            return answer if request.path != EVENTS else None

    with LosesAnswers() as sandbox:
        wfm = Wfm(sandbox, http)
        with pytest.raises(httpx.RemoteProtocolError):
            wfm.push()
        assert [known.completed for known in sandbox.operations()] == [True]
        assert sandbox.requests()[-1].status is None


def test_answers_of_a_test_may_have_any_status_and_headers(http: httpx.Client) -> None:
    class Busy(Sandbox):
        def respond(self, request: Request) -> Answer | None:
            return Answer(599, b"later", "text/plain", (("Retry-After", "7"),))

    with Busy() as sandbox:
        answer = http.get(sandbox.url)
    assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (599, "later", "7")


# --- life


def test_taken_port_is_told_by_the_constructor(sandbox: Sandbox) -> None:
    with pytest.raises(OSError, match=r"use|usage"):
        Sandbox(port=_address(sandbox)[1])


def test_sandbox_that_was_never_started_can_be_stopped() -> None:
    sandbox = Sandbox()
    assert sandbox.url.startswith("http://127.0.0.1:")
    sandbox.stop()


def test_stop_ends_kept_connections_and_frees_the_port(http: httpx.Client) -> None:
    sandbox = Sandbox()
    sandbox.start()
    assert http.get(sandbox.url).status_code == 200
    sandbox.stop()
    sandbox.stop()
    with pytest.raises(httpx.TransportError):
        http.get(sandbox.url)
    with Sandbox(port=_address(sandbox)[1]) as again:
        assert http.get(again.url).status_code == 200


def test_only_daemon_threads_serve(http: httpx.Client) -> None:
    before = set(threading.enumerate())
    with Sandbox() as sandbox:
        http.get(sandbox.url)
        serving = set(threading.enumerate()) - before
        assert len(serving) == 2
        assert all(thread.daemon for thread in serving)


# --- samples


TODAY = date(2026, 11, 23)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The samples with a full export of 200,000 bytes."""
    return write_samples(tmp_path_factory.mktemp("drop"), big_bytes=200_000, today=TODAY)


def test_samples_are_written_with_agent_events_first_and_nothing_is_left_over(samples: list[Path]) -> None:
    assert [path.name for path in samples] == [
        "agent_events_2026-11-23.csv",
        "agent_events_full.csv",
        "adherence_broken.csv",
        "reason_codes.json",
        "event_types.json",
    ]
    assert set(samples[0].parent.iterdir()) == set(samples)


def test_samples_are_the_same_on_every_run(samples: list[Path], tmp_path: Path) -> None:
    again = write_samples(tmp_path, big_bytes=200_000, today=TODAY)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in samples]


def test_samples_are_dated_today_by_default(tmp_path: Path) -> None:
    assert date.fromisoformat(write_samples(tmp_path, big_bytes=1)[0].stem.removeprefix("agent_events_"))


def test_full_export_is_about_as_large_as_asked_for(samples: list[Path]) -> None:
    assert 200_000 <= samples[1].stat().st_size < 215_000


def test_event_rows_have_six_fields_and_every_kind_of_quoting(samples: list[Path]) -> None:
    for path in samples[:2]:
        text = path.read_text(encoding="utf-8")
        rows = list(csv.reader(io.StringIO(text), strict=True))
        assert len(rows) >= 300
        assert {len(row) for row in rows} == {6}
        assert all(start < end and end.endswith("Z") for _, _, _, start, end, _ in rows)
        notes = {row[5] for row in rows}
        assert all(any(mark in note for note in notes) for mark in [",", '"', "\n"])
        assert text.endswith("\n")


def test_broken_export_opens_one_quote_on_the_line_that_is_named(samples: list[Path]) -> None:
    lines = samples[2].read_text(encoding="utf-8").splitlines()
    assert [number for number, line in enumerate(lines, start=1) if '"' in line] == [BROKEN_LINE]
    assert sum(line.count('"') for line in lines) == 1


def test_stand_in_takes_the_good_samples_and_refuses_the_broken_one(
    samples: list[Path], http: httpx.Client
) -> None:
    with Sandbox() as sandbox:
        wfm = Wfm(sandbox, http)
        paths = [EVENTS, EVENTS, EVENTS, REASON_CODES, EVENT_TYPES]
        answers = [wfm.push(to, body=path.read_bytes()) for to, path in zip(paths, samples, strict=True)]
    assert [answer.status_code for answer in answers] == [200, 200, 422, 200, 200]


def _address(sandbox: Sandbox) -> tuple[str, int]:
    url = httpx.URL(sandbox.url)
    assert url.port is not None
    return url.host, url.port
