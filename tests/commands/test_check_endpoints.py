"""`watcher check` looks at the endpoints and sends nothing: what each kind of answer is told as."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.commands.test_check import about, found, one
from tests.conftest import Server, Step, World, answer, lose_request
from watcher.sandbox.server import Answer, Request

LOGIN = "<!DOCTYPE html><title>Log in</title>"


class Door(Server):
    """The stand-in, behind something that answers the GETs at the imports."""

    looks: Step | None = None

    def respond(self, request: Request) -> Answer | None:
        if request.method == "GET" and self.looks is not None and "/adherence/" in request.path:
            return self.looks(request, super().respond)
        return super().respond(request)


@pytest.fixture
def door(world: World) -> Any:
    with Door() as server:
        world.settings["wfm"] |= {"api_url": server.url, "token_url": server.token_url}
        yield server


def html(status: int, **headers: str) -> Step:
    fields = tuple(headers.items())
    return lambda _request, _take: Answer(status, LOGIN.encode(), "text/html; charset=utf-8", fields)


def in_json(status: int, **content: str) -> Step:
    return lambda _request, _take: Answer(status, json.dumps(content).encode())


def of_all(world: World, **options: Any) -> list[dict[str, str]]:
    """The findings about the three endpoints."""
    items = about(found(world, **options), "endpoint ")
    assert [item["what"].rpartition("/")[2] for item in items] == [
        "event-types",
        "reason-codes",
        "agent-events",
    ]
    return items


def test_endpoints_that_take_uploads_are_fine_and_nothing_is_sent_to_see_it(world: World) -> None:
    items = of_all(world)

    assert {item["level"] for item in items} == {"ok"}
    assert world.server.operations() == []
    looks = [seen for seen in world.server.requests() if "/adherence/" in seen.path]
    assert {(seen.method, seen.body_bytes, len(seen.query)) for seen in looks} == {("GET", 0, 0)}


@pytest.mark.parametrize(
    ("step", "level", "words", "fix"),
    [
        (html(200), "fault", "a web page answers where the API should (HTTP 200", "wfm.api_url"),
        (html(400), "fault", "a web page answers", "wfm.api_url"),
        (answer(302, Location="https://sso.test/in?state=s3cr3t"), "fault", "https://sso.test/in", "trust"),
        (answer(307, Location="/login"), "fault", "to /login", "if you trust"),
        (in_json(404, error="not_found"), "warn", "nothing is there for a GET (HTTP 404)", "/_rest"),
        (html(404), "warn", "HTTP 404, a web page", "/_rest"),
        (answer(405, Allow="POST, OPTIONS"), "ok", "takes POST", ""),
        (answer(405, Allow="GET, HEAD"), "fault", "it takes GET, HEAD", "wfm.api_url"),
        (answer(405), "untested", "not tested", ""),
        (html(405), "untested", "not tested", ""),
        (html(405, Allow="post"), "ok", "takes POST", ""),
        (in_json(401, error="invalid_token"), "fault", "refuses a fresh access token", "wfm.tenant"),
        (in_json(403, error="forbidden"), "warn", "may not import here, or may not look", "roles"),
        (in_json(400, message="pushToken is missing"), "untested", "pushToken is missing", ""),
        (in_json(200, imports="none"), "untested", "not tested", ""),
        (answer(204), "untested", "not tested", ""),
        (in_json(500, error="method GET not supported"), "untested", "not tested", ""),
        (answer(503), "warn", "not tested: the server asks for patience", ""),
        (html(502), "warn", "not tested: the gateway got no answer", "is the WFM server up?"),
        (answer(426), "fault", "another protocol", "http against https"),
    ],
)  # fmt: skip
def test_each_answer_is_told_as_what_it_shows(
    world: World, door: Door, step: Step, level: str, words: str, fix: str
) -> None:
    door.looks = step

    items = of_all(world)

    assert {item["level"] for item in items} == {level}
    assert all(words in item["finding"] and fix in item["fix"] for item in items), items
    assert "s3cr3t" not in str(items)
    assert LOGIN not in str(items)
    assert door.operations() == []


def test_what_cannot_be_tested_is_never_called_fine(world: World, door: Door) -> None:
    door.tokens.append(answer(401))

    items = of_all(world)

    assert {item["level"] for item in items} == {"untested"}
    assert {item["finding"] for item in items} == {"not tested: there is no token"}


def test_a_connection_that_is_closed_without_an_answer_is_a_fault(world: World, door: Door) -> None:
    door.looks = lose_request

    assert {item["level"] for item in of_all(world)} == {"fault"}


def test_one_url_of_several_routes_is_looked_at_once(world: World) -> None:
    world.settings["routes"].append({**world.settings["routes"][2], "name": "more", "match": "more*.csv"})

    assert len(about(found(world), "endpoint ")) == 3


def test_offline_no_endpoint_is_looked_at(world: World) -> None:
    assert about(found(world, offline=True), "endpoint ") == []
    assert world.server.requests() == []


# -- the tenant ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "level"),
    [
        ("/auth/realms/demo/protocol/openid-connect/token", "ok"),
        ("/realms/{tenant}/protocol/openid-connect/token", "ok"),
        ("/auth/realms/other/protocol/openid-connect/token", "fault"),
        ("/auth/realms/Demo/protocol/openid-connect/token", "fault"),
        ("/oauth/token", "untested"),
    ],
)
def test_the_tenant_is_compared_with_the_realm_where_the_url_shows_one(
    world: World, path: str, level: str
) -> None:
    world.settings["wfm"]["token_url"] = f"https://sso.example.com{path}"

    finding = one(world, "wfm.tenant", offline=True)

    assert finding["level"] == level
    assert (level == "untested") == ("not tested" in finding["finding"])
    assert (level == "fault") == ("{tenant}" in finding["fix"])
