"""The contract's table "Faults: whose are they?", row by row, driven by hand: no network."""

import errno
import os
from pathlib import Path

import httpx
import pytest

from watcher.core.conversation import Conversation, Hold, Reply
from watcher.core.errors import LostAnswer, Outside
from watcher.core.faults import Follow, Scope, rule
from watcher.core.model import Chunk, Route
from watcher.core.target import Target
from watcher.disk.files import blame
from watcher.wfm.login import ClientCredentials

SERVER = "https://acme.example"
TOKEN_URL = "https://sso.example/token"
ROUTE = Route("events", (), SERVER + "/events", "text/csv", "csv", acd_type="genesis")
CHUNK = Chunk(0, 4, b"a,b\n", b"a,b\n", last=False)


@pytest.mark.parametrize(
    ("statuses", "follow"),
    [
        ((200, 201, 202, 204, 207, 299), Follow.ACCEPT),
        ((408, 425, 429, 502, 503, 504), Follow.HOLD),
        ((401, 403), Follow.HOLD),
        ((404, 405), Follow.HOLD),
        ((300, 301, 302, 303, 304, 307, 308, 399), Follow.HOLD),
        ((413,), Follow.HALVE),
        ((500, 501, 505, 507, 511, 520, 599), Follow.AGAIN),
        ((400, 409, 415, 422), Follow.FAIL),
        ((402, 406, 410, 411, 414, 416, 418, 423, 428, 431, 451, 499), Follow.FAIL),
        ((100, 101, 103), Follow.HOLD),
    ],
    ids=lambda value: value.name if isinstance(value, Follow) else "-".join(map(str, value)),
)
def test_a_status_has_the_consequence_that_the_contract_gives_it(
    statuses: tuple[int, ...], follow: Follow
) -> None:
    assert {status: rule(status).follow for status in statuses} == dict.fromkeys(statuses, follow)


def test_every_status_has_words_and_every_one_that_stops_a_file_says_what_to_check() -> None:
    for status in range(100, 600):
        found = rule(status)
        assert found.meaning
        assert found.check or found.follow in (Follow.ACCEPT, Follow.HALVE)


@pytest.mark.parametrize(
    ("status", "target"),
    [
        (503, SERVER),
        (429, SERVER),
        (401, SERVER),
        (403, ROUTE.url),
        (404, ROUTE.url),
        (405, ROUTE.url),
        (302, ROUTE.url),
    ],
)
def test_a_wrong_url_or_role_holds_one_endpoint_and_trouble_of_the_server_holds_all(
    status: int, target: str
) -> None:
    verdict = conversation().answered(CHUNK, Reply(status))

    assert isinstance(verdict, Hold)
    assert str(verdict.fault.target) == target
    assert (rule(status).scope is Scope.ENDPOINT) == (target == ROUTE.url)


@pytest.mark.parametrize("status", [408, 425, 429, 502, 503, 504, 401, 403, 404])
def test_retry_after_is_handed_on_with_the_hold(status: int) -> None:
    verdict = conversation().answered(CHUNK, Reply(status, retry_after=7.0))

    assert isinstance(verdict, Hold)
    assert verdict.fault.retry_after == 7.0


def test_holds_have_no_end() -> None:
    talk = conversation(attempts=2)

    assert all(isinstance(talk.answered(CHUNK, Reply(503)), Hold) for _ in range(1000))


@pytest.mark.parametrize(
    "fault",
    [
        Outside(Target("server", SERVER), "refuses the connection"),
        LostAnswer(Target("server", SERVER), "did not answer in time"),
    ],
    ids=["never sent", "no answer"],
)
def test_a_broken_connection_holds_the_target_and_never_fails_the_file(fault: Outside) -> None:
    talk = conversation(attempts=2)

    assert [talk.no_answer(fault) for _ in range(100)] == [Hold(fault)] * 100


@pytest.mark.parametrize("status", [400, 401, 403, 404, 302, 500, 503])
def test_a_token_endpoint_that_refuses_is_outside_whatever_it_answers(status: int) -> None:
    flow = auth().sync_auth_flow(httpx.Request("POST", ROUTE.url))
    asked = next(flow)

    with pytest.raises(Outside) as caught:
        flow.send(httpx.Response(status, json={"error": "invalid_client"}, request=asked))

    assert caught.value.target == Target("login", TOKEN_URL)
    assert f"HTTP {status}: invalid_client" in caught.value.reason
    assert caught.value.check
    assert "s3cret" not in str(caught.value)


def test_after_a_401_a_new_token_is_got_once_and_the_same_request_goes_out_again() -> None:
    push = httpx.Request("POST", ROUTE.url, content=b"a,b\n")
    flow = auth().sync_auth_flow(push)

    asked = next(flow)
    sent = flow.send(token(asked, "old"))
    assert sent is push
    assert sent.headers["Authorization"] == "Bearer old"
    asked = flow.send(httpx.Response(401, content=b"", request=push))
    assert asked.url == TOKEN_URL
    sent = flow.send(token(asked, "new"))
    assert sent is push
    assert sent.headers["Authorization"] == "Bearer new"
    with pytest.raises(StopIteration):  # a second 401 is the answer
        flow.send(httpx.Response(401, content=b"", request=push))


@pytest.mark.parametrize(
    "number", [errno.ENOENT, errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ESTALE, errno.EIO]
)
def test_a_fault_of_a_folder_is_outside_with_the_folder_as_its_target(number: int) -> None:
    with pytest.raises(Outside) as caught, blame(Path("/srv/done")):
        raise OSError(number, os.strerror(number))

    assert str(caught.value.target) == "folder /srv/done"
    assert caught.value.reason
    assert caught.value.check


def conversation(attempts: int = 8) -> Conversation:
    return Conversation(ROUTE, "token-1", server=SERVER, attempts=attempts, lost_answer="resend")


def auth() -> ClientCredentials:
    return ClientCredentials(TOKEN_URL, "importer", "s3cret", timeout_seconds=5, clock=lambda: 0.0)


def token(asked: httpx.Request, value: str) -> httpx.Response:
    return httpx.Response(200, json={"access_token": value, "expires_in": 300}, request=asked)
