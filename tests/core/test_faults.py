"""The contract's table "Faults: whose are they?", row by row, driven by hand: no network."""

import errno
import os
from pathlib import Path

import httpx
import pytest

from watcher.core.conversation import Conversation, OnHold, Reply, Suspected
from watcher.core.errors import CutOff, LostAnswer, Outside
from watcher.core.faults import Follow, Scope, rule
from watcher.core.model import Chunk, Route
from watcher.core.target import Target
from watcher.disk.files import blame
from watcher.wfm.login import ClientCredentials

SERVER = "https://acme.example"
URL = SERVER + "/events"
TOKEN_URL = "https://sso.example/token"
ROUTE = Route("events", (), URL, "text/csv", "csv", acd_type="genesis")
CHUNK = Chunk(0, 4, b"a,b\n", b"a,b\n", last=False)


@pytest.mark.parametrize(
    ("statuses", "follow"),
    [
        ((200, 201, 202, 204, 207, 299), Follow.ACCEPT),
        ((407, 408, 421, 423, 425, 429, 431, 502, 503, 504, 507, 511, *range(520, 531)), Follow.HOLD),
        ((401, 403), Follow.HOLD),
        ((402, 404, 405, 410, 411, 414, 417, 426, 451), Follow.HOLD),
        ((300, 301, 302, 303, 304, 307, 308, 399), Follow.HOLD),
        ((413,), Follow.HALVE),
        ((500, 501, 505, 510, 519, 531, 599), Follow.AGAIN),
        ((400, 409, 415, 422), Follow.REFUSE),
        ((406, 416, 418, 428, 499), Follow.REFUSE),
        ((100, 101, 103, 600, 666, 999), Follow.HOLD),
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
        *((status, SERVER) for status in (503, 429, 401, 421, 423, 431, 507, 511, 522, 530, 666)),
        *((status, ROUTE.url) for status in (402, 410, 411, 414, 417, 426, 451)),
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

    assert isinstance(verdict, OnHold)
    assert str(verdict.fault.target) == target
    assert (rule(status).scope is Scope.ENDPOINT) == (target == ROUTE.url)


@pytest.mark.parametrize("status", [200, 204, 400, 409, 415, 422, 418])
def test_a_web_page_where_the_api_should_answer_holds_the_endpoint(status: int) -> None:
    """A login page, a block page, or nginx: "plain HTTP request was sent to HTTPS port"."""
    verdict = conversation().answered(CHUNK, Reply(status, "<html>", html=True))

    assert isinstance(verdict, OnHold)
    assert verdict.fault.target == Target("endpoint", ROUTE.url)
    assert "web page" in verdict.fault.reason


@pytest.mark.parametrize("status", [401, 403, 404, 413, 429, 500, 502, 503])
def test_what_has_a_rule_of_its_own_keeps_it_as_a_web_page(status: int) -> None:
    """A gateway says 413 and 503 with a page of its own."""
    assert rule(status, html=True) == rule(status)


@pytest.mark.parametrize("status", [408, 425, 429, 502, 503, 504, 401, 403, 404])
def test_retry_after_is_handed_on_with_the_hold(status: int) -> None:
    verdict = conversation().answered(CHUNK, Reply(status, retry_after=7.0))

    assert isinstance(verdict, OnHold)
    assert verdict.fault.retry_after == 7.0


@pytest.mark.parametrize("status", [401, 407, 408, 423, 429, 431, 503, 507, 511])
def test_what_no_file_can_be_to_blame_for_is_held_without_end(status: int) -> None:
    talk = conversation(attempts=2)

    assert all(isinstance(talk.answered(CHUNK, Reply(status)), OnHold) for _ in range(1000))


@pytest.mark.parametrize("status", [302, 402, 403, 404, 405, 417, 426, 451])
def test_what_a_chunk_meets_at_its_url_is_held_without_end_and_others_are_asked(status: int) -> None:
    talk = conversation(attempts=3)
    verdicts = [talk.answered(CHUNK, Reply(status, retry_after=7.0)) for _ in range(1000)]

    assert [type(verdict) for verdict in verdicts] == [OnHold] * 2 + [Suspected] * 998
    for verdict in verdicts[2:]:
        assert isinstance(verdict, Suspected)
        assert verdict.refused is None
        assert verdict.fault is not None
        assert (verdict.fault.target.name, verdict.fault.retry_after) == (URL, 7.0)


def test_a_connection_that_is_refused_holds_the_server_without_end() -> None:
    talk, fault = conversation(attempts=2), Outside(Target("server", SERVER), "refuses the connection")

    assert [talk.no_answer(CHUNK, fault) for _ in range(100)] == [OnHold(fault)] * 100


@pytest.mark.parametrize("kind", [LostAnswer, CutOff])
def test_a_chunk_that_never_has_an_answer_holds_the_server_and_is_suspect_after_its_attempts(
    kind: type[Outside],
) -> None:
    talk, fault = conversation(attempts=3), kind(Target("server", SERVER), "did not answer in time")

    verdicts = [talk.no_answer(CHUNK, fault) for _ in range(5)]

    assert [type(verdict) for verdict in verdicts] == [OnHold, OnHold, Suspected, Suspected, Suspected]
    assert all(isinstance(verdict, OnHold | Suspected) and verdict.fault is fault for verdict in verdicts)
    assert isinstance(verdicts[2], Suspected)
    assert verdicts[2].refused is None
    assert talk.unknown == (kind is LostAnswer)


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
    return Conversation(
        ROUTE, "token-1", server=Target("server", SERVER), attempts=attempts, lost_answer="resend"
    )


def auth() -> ClientCredentials:
    return ClientCredentials(TOKEN_URL, "importer", "s3cret", timeout_seconds=5, clock=lambda: 0.0)


def token(asked: httpx.Request, value: str) -> httpx.Response:
    return httpx.Response(200, json={"access_token": value, "expires_in": 300}, request=asked)
