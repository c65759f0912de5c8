"""The access token: driven by hand as a generator, then through httpx with threads on a real server."""

from __future__ import annotations

import base64
import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from tests.conftest import SECRET, Server
from watcher.core.errors import Outside
from watcher.core.target import Target
from watcher.wfm.login import UNSAID_LIFE_SECONDS, ClientCredentials

TOKEN_URL = "http://127.0.0.1:1/auth/realms/demo/protocol/openid-connect/token"
API_URL = "http://127.0.0.1:2/_rest/scheduling/adherence/agent-events"


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Endpoint:
    """Drives one auth flow after another by hand and plays both servers."""

    def __init__(self, client_secret: str = SECRET, client_id: str = "wfm-importer", **options: Any) -> None:
        self.clock = Clock()
        self.auth = ClientCredentials(
            TOKEN_URL, client_id, client_secret, timeout_seconds=5, clock=self.clock, **options
        )
        self.asked: list[httpx.Request] = []  # token requests
        self.life: dict[str, Any] = {"expires_in": 300}
        self.takes = 0.0  # seconds that a token request takes

    def token(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        self.clock.now += self.takes
        content = {
            "access_token": f"token-{len(self.asked)}",
            "token_type": "bearer",
            "refresh_token": "never-to-be-seen-again",
            "refresh_expires_in": 1800,
            **self.life,
        }
        return httpx.Response(200, content=json.dumps(content).encode(), request=request)

    def request(self, *statuses: int) -> tuple[list[str], int]:
        """One API request, answered by these statuses; returns the tokens it showed and the last status."""
        shown: list[str] = []
        left = list(statuses or (200,))
        status = 0
        flow = self.auth.sync_auth_flow(httpx.Request("POST", API_URL))
        request = next(flow)
        while True:
            if str(request.url) == TOKEN_URL:
                response = self.token(request)
            else:
                shown.append(request.headers["Authorization"].removeprefix("Bearer "))
                status = left.pop(0)
                response = httpx.Response(status, request=request)
            try:
                request = flow.send(response)
            except StopIteration:
                return shown, status


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


def refusal(response: httpx.Response) -> Outside:
    """The error for this answer of the token endpoint."""
    auth = ClientCredentials(TOKEN_URL, "wfm-importer", SECRET, timeout_seconds=5)
    flow = auth.sync_auth_flow(httpx.Request("POST", API_URL))
    response.request = next(flow)
    with pytest.raises(Outside) as caught:
        flow.send(response)
    assert caught.value.target == Target("login", TOKEN_URL)
    assert caught.value.check
    return caught.value


def test_the_first_request_gets_a_token_and_later_ones_use_it(endpoint: Endpoint) -> None:
    assert endpoint.request() == (["token-1"], 200)
    assert endpoint.request() == (["token-1"], 200)

    assert len(endpoint.asked) == 1


def test_the_token_request_is_exactly_the_vendors_form() -> None:
    endpoint = Endpoint(client_secret="s3 cr&t=ü%+")

    endpoint.request()

    (request,) = endpoint.asked
    assert request.method == "POST"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qsl(request.content.decode(), strict_parsing=True) == [
        ("grant_type", "client_credentials"),
        ("client_id", "wfm-importer"),
        ("client_secret", "s3 cr&t=ü%+"),
    ]
    assert "Authorization" not in request.headers
    assert not request.url.query


def test_a_basic_login_puts_id_and_secret_into_a_header_as_form_fields_are_written() -> None:
    endpoint = Endpoint("s3 cr&t:ü%+", "wfm importer:1", basic=True)

    endpoint.request()

    (request,) = endpoint.asked
    scheme, _, pair = request.headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(pair) == b"wfm+importer%3A1:s3+cr%26t%3A%C3%BC%25%2B"
    assert parse_qsl(request.content.decode()) == [("grant_type", "client_credentials")]


@pytest.mark.parametrize("secret", [SECRET, "wrong"])
def test_a_basic_login_is_what_the_sandbox_takes_too(server: Server, secret: str) -> None:
    auth = ClientCredentials(server.token_url, "wfm-importer", secret, timeout_seconds=10, basic=True)

    if secret == SECRET:
        assert in_threads(server, auth, count=1) == [200]
    else:
        with pytest.raises(Outside, match="HTTP 401"):
            in_threads(server, auth, count=1)


def test_scope_and_audience_are_sent_as_they_are() -> None:
    endpoint = Endpoint(scope="wfm.import openid", audience="https://wfm.example.com/ü")

    endpoint.request()

    form = dict(parse_qsl(endpoint.asked[0].content.decode()))
    assert (form["scope"], form["audience"]) == ("wfm.import openid", "https://wfm.example.com/ü")


@pytest.mark.parametrize("basic", [False, True])
def test_the_secret_is_not_shown_in_the_form_that_it_was_sent_in_either(basic: bool) -> None:
    endpoint = Endpoint("s3 cr&t", basic=basic)
    endpoint.request()
    (request,) = endpoint.asked

    echo = endpoint.auth.redacted(f"{request.content.decode()} {request.headers.get('authorization')}")

    assert "[secret]" in echo
    assert "s3" not in echo
    assert base64.b64encode(b"wfm-importer").decode() not in echo


@pytest.mark.parametrize(
    ("life", "used"),
    [
        ({"expires_in": 300}, 240),  # 60 s before its end, and just as well 80 %
        ({"expires_in": 3600}, 2880),
        ({"expires_in": 200}, 140),
        ({"expires_in": 120.5}, 60.5),
        ({"expires_in": "300"}, 240),
        ({"expires_in": 30}, 6),  # the rule gives -30: a fifth, or each request would need its own
        ({"expires_in": 60}, 12),
        ({"expires_in": "soon"}, UNSAID_LIFE_SECONDS / 5),
        ({"expires_in": None}, UNSAID_LIFE_SECONDS / 5),
        ({"expires_in": [300]}, UNSAID_LIFE_SECONDS / 5),
        ({"expires_in": -5}, UNSAID_LIFE_SECONDS / 5),
        ({"expires_in": "nan"}, UNSAID_LIFE_SECONDS / 5),
        ({"expires_in": float("nan")}, UNSAID_LIFE_SECONDS / 5),
        ({"expires_in": "inf"}, UNSAID_LIFE_SECONDS / 5),
        ({"expires_in": 10**400}, UNSAID_LIFE_SECONDS / 5),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_token_is_renewed_ahead_of_its_end(endpoint: Endpoint, life: dict[str, Any], used: float) -> None:
    endpoint.life = life
    endpoint.request()

    endpoint.clock.now += used - 0.01
    assert endpoint.request() == (["token-1"], 200)
    endpoint.clock.now += 0.02
    assert endpoint.request() == (["token-2"], 200)


def test_an_answer_without_expires_in_counts_as_a_short_life(endpoint: Endpoint) -> None:
    endpoint.life = {}
    endpoint.request()

    endpoint.clock.now += UNSAID_LIFE_SECONDS

    assert endpoint.request() == (["token-2"], 200)


def test_a_token_that_lives_no_second_is_used_for_the_request_it_was_asked_for(endpoint: Endpoint) -> None:
    endpoint.life = {"expires_in": 0}

    assert endpoint.request() == (["token-1"], 200)
    assert endpoint.request() == (["token-2"], 200)


def test_the_life_counts_from_before_the_token_was_asked_for(endpoint: Endpoint) -> None:
    endpoint.takes = 100.0
    endpoint.request()

    endpoint.clock.now += 139.9
    assert endpoint.request() == (["token-1"], 200)
    endpoint.clock.now += 0.2
    assert endpoint.request() == (["token-2"], 200)


def test_a_refused_token_is_renewed_once_and_the_request_sent_again(endpoint: Endpoint) -> None:
    endpoint.request()

    assert endpoint.request(401, 200) == (["token-1", "token-2"], 200)
    assert endpoint.request() == (["token-2"], 200)
    assert len(endpoint.asked) == 2


def test_a_second_401_is_passed_on(endpoint: Endpoint) -> None:
    endpoint.request()

    assert endpoint.request(401, 401) == (["token-1", "token-2"], 401)
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize("status", [400, 403, 500, 503])
def test_no_other_status_renews_the_token(endpoint: Endpoint, status: int) -> None:
    assert endpoint.request(status) == (["token-1"], status)
    assert len(endpoint.asked) == 1


def test_the_refresh_token_is_never_used(endpoint: Endpoint) -> None:
    endpoint.request()
    endpoint.clock.now += 10_000
    endpoint.request(401, 200)

    assert len(endpoint.asked) == 3
    for request in endpoint.asked:
        assert b"refresh_token" not in request.content
        assert b"never-to-be-seen-again" not in request.content


def test_a_renewal_that_fails_leaves_no_old_token_and_no_lock_behind(endpoint: Endpoint) -> None:
    endpoint.request()
    endpoint.clock.now += 10_000
    flow = endpoint.auth.sync_auth_flow(httpx.Request("POST", API_URL))
    request = next(flow)
    with pytest.raises(Outside):
        flow.send(httpx.Response(503, request=request))

    assert endpoint.request() == (["token-2"], 200)


def test_a_flow_that_is_closed_in_the_middle_frees_the_others(endpoint: Endpoint) -> None:
    flow = endpoint.auth.sync_auth_flow(httpx.Request("POST", API_URL))
    next(flow)
    flow.close()  # what httpx does when the token request meets a fault

    assert endpoint.request() == (["token-1"], 200)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal_shows_the_servers_description(status: int) -> None:
    said = {"error": "unauthorized_client", "error_description": "Invalid client\nor secret"}

    fault = refusal(httpx.Response(status, json=said))

    assert f"HTTP {status}: Invalid client\\nor secret" in fault.reason
    assert "wfm.client_secret" in fault.check


def test_a_refusal_without_a_description_shows_the_error_code() -> None:
    assert "HTTP 400: invalid_client" in refusal(httpx.Response(400, json={"error": "invalid_client"})).reason


def test_a_description_of_any_type_and_length_is_cut() -> None:
    fault = refusal(httpx.Response(401, json={"error_description": ["x" * 5000]}))

    assert len(fault.reason) < 400


@pytest.mark.parametrize("status", [301, 302, 404, 405])
def test_a_wrong_url_is_told_apart_from_a_refusal(status: int) -> None:
    fault = refusal(httpx.Response(status, headers={"Location": "https://elsewhere.example/"}))

    assert "wfm.token_url" in fault.check


def test_trouble_of_the_login_server_takes_its_retry_after_along() -> None:
    assert refusal(httpx.Response(503, headers={"Retry-After": "17"})).retry_after == 17


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><title>Please log in</title>",
        b"",
        b"[1]",
        b'"token"',
        b"[" * 60_000,
        b'{"access_token": null}',
        b'{"access_token": ""}',
        b'{"access_token": 7}',
        b'{"access_token": "line\\nbreak"}',
        b'{"access_token": "t\\u00fcr"}',
        b'{"access_token": "ends in a blank "}',
        b'{"token": "x"}',
        b"\xff\xfe",
    ],
    ids=lambda body: body[:32].decode("latin-1"),
)
def test_an_answer_without_a_usable_token_holds(body: bytes) -> None:
    fault = refusal(httpx.Response(200, content=body))

    assert "no access token" in fault.reason


def in_threads(server: Server, auth: ClientCredentials, count: int = 8) -> list[int]:
    """One import request from each of `count` threads at once; returns the statuses."""
    barrier = threading.Barrier(count)
    with httpx.Client(auth=auth, trust_env=False, headers={"Tenant-ID": "demo"}) as client:

        def push(_number: int) -> int:
            barrier.wait(timeout=10)
            return client.post(
                f"{server.url}/_rest/scheduling/adherence/agent-events",
                params={"pushToken": str(uuid.uuid4()), "acdType": "genesis", "lastChunk": "true"},
                headers={"Content-Type": "text/csv"},
                content=b"a,1\n",
            ).status_code

        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(push, range(count)))


def token_requests(server: Server) -> int:
    return sum(seen.path.endswith("/token") for seen in server.requests())


def test_eight_threads_starting_cold_ask_for_one_token(server: Server) -> None:
    auth = ClientCredentials(server.token_url, "wfm-importer", SECRET, timeout_seconds=10)

    assert in_threads(server, auth) == [200] * 8
    assert token_requests(server) == 1


def test_eight_threads_with_a_revoked_token_renew_it_once(server: Server) -> None:
    auth = ClientCredentials(server.token_url, "wfm-importer", SECRET, timeout_seconds=10)
    in_threads(server, auth, count=1)
    server.forget_tokens()

    assert in_threads(server, auth) == [200] * 8
    assert token_requests(server) == 2


def test_what_stands_for_a_secret_is_not_taken_for_another() -> None:
    endpoint = Endpoint("secret")
    endpoint.request()

    assert endpoint.auth.redacted("secret token-1 [secret]") == "[secret] [secret] [[secret]]"


def test_a_token_that_was_replaced_is_not_shown_either() -> None:
    """A server may echo it late, and it may be good for minutes still."""
    endpoint = Endpoint()
    tokens, _ = endpoint.request(401, 200)

    assert len(set(tokens)) == 2
    assert endpoint.auth.redacted(" ".join(tokens) + SECRET) == "[secret] [secret][secret]"
