"""A file's own view: what is known of it, and its report and receipt to be kept."""

from __future__ import annotations

import json
import re
from urllib.parse import quote, unquote

import pytest
import yaml

from tests.conftest import World, answer, lose_request, rows
from tests.web.page import Page, page
from tests.web.test_data import HOSTILE
from watcher.web.file_page import problems
from watcher.web.file_routes import disposition


def about(served: Page, kind: str, key: str) -> dict[str, object]:
    """What the page tells of a file."""
    found: dict[str, object] = json.loads(served.get(f"/api/file?{kind}={quote(key)}").text)
    return found


def story(found: dict[str, object]) -> list[str]:
    """What happened to it."""
    return [moment["what"] for moment in found["timeline"]]  # type: ignore[attr-defined]


def test_a_delivered_file_tells_its_story_and_gives_its_receipt(world: World) -> None:
    world.server.script.extend([lose_request, answer(503)])
    world.drop("agent_events.csv", rows(12))
    assert world.run_once() == 0
    token = world.history()[0]["push_token"]

    with page(world) as served:
        found = about(served, "token", token)
        receipt = served.get(f"/api/file/receipt?token={token}")
        no_report = served.get(f"/api/file/report?token={token}")

    told = story(found)
    assert told[:2] == ["written", "settled and claimed"]
    assert any(what.startswith("held: ") for what in told)
    assert told[-3:] == ["3 chunks taken by the server", "delivered: the server has it whole", "filed under"]
    times = [moment["at"] for moment in found["timeline"]]  # type: ignore[attr-defined]
    assert times == sorted(times)
    assert receipt.headers["content-type"].startswith("text/plain")
    assert receipt.headers["x-content-type-options"] == "nosniff"
    assert 'filename="agent_events.csv.receipt.txt"' in receipt.headers["content-disposition"]
    assert yaml.safe_load(receipt.text)["push_token"] == token
    assert yaml.safe_load(receipt.text)["records"] == 12
    assert no_report.status == 404


def test_a_failed_file_is_found_by_token_and_by_where_it_lies_with_its_problems_taken_apart(
    world: World,
) -> None:
    world.settings["routes"][2] |= {"columns": ["agent", {"name": "state", "is": "integer"}]}
    world.drop("agent_events.csv", "a,1\nb,x\nc\n")
    assert world.run_once() == 1
    token = world.history()[0]["push_token"]

    with page(world) as served:
        found = about(served, "token", token)
        beside = about(served, "failed", "agent_events.csv")
        reports = [
            served.get(f"/api/file/report?{query}") for query in (f"token={token}", "failed=agent_events.csv")
        ]

    assert found == beside
    assert found["lies_in_failed"] == "agent_events.csv"
    assert [(row["line"], row["field"]) for row in found["problems"]] == [  # type: ignore[attr-defined]
        ("2", "column 2 (state)"), ("3", None),
    ]  # fmt: skip
    assert "'x'" in found["problems"][0]["wrong"]  # type: ignore[index]
    assert [report.status for report in reports] == [200, 200]
    assert reports[0].text == reports[1].text == found["report"]


def test_a_replay_is_told_on_the_failed_file_and_both_know_each_other(world: World) -> None:
    world.server.script.append(answer(400, "no such agent"))
    world.drop("agent_events.csv", rows(2))
    assert world.run_once() == 1
    for path in world.path("failed").iterdir():
        path.unlink()
    world.drop("agent_events.csv", rows(3))
    assert world.run_once() == 0
    new, old = (row["push_token"] for row in world.history())

    with page(world) as served:
        first, second = about(served, "token", old), about(served, "token", new)
        # It does not lie there any more: the newest file of the name is what is left to tell of.
        gone = about(served, "failed", "agent_events.csv")

    assert first["timeline"][-1]["token"] == new  # type: ignore[index]
    assert first["lies_in_failed"] is None
    assert "the server answered HTTP 400" in story(first)
    assert [other["token"] for other in second["others"]] == [old]  # type: ignore[attr-defined]
    assert gone["token"] == new


def test_records_set_aside_lead_to_the_file_that_they_are_of(world: World) -> None:
    world.settings["routes"][2] |= {"columns": ["agent", "state"], "bad_records": "set_aside"}
    world.drop("agent_events.csv", "a,1\nb\nc,3\n")
    world.run_once()
    with page(world) as served:
        found = about(served, "failed", "agent_events.csv")

    assert (found["state"], found["lies_in_failed"]) == ("partly delivered", "agent_events.csv")
    assert found["receipt"] is True
    assert found["report"]


def test_what_the_journal_does_not_have_is_told_as_far_as_it_is_known(world: World) -> None:
    (world.path("failed") / "orphan.csv").write_text("x")
    (world.path("failed") / "other.csv").write_text("x")
    (world.path("failed") / "other.csv.error.txt").write_text(
        'reason: "I say so"\nproblem_1: "line 3: <b>"\n'
    )
    world.drop("agent_events.csv", rows(2))
    with page(world) as served:
        orphan, other = about(served, "failed", "orphan.csv"), about(served, "failed", "other.csv")
        waiting = about(served, "waiting", "agent_events.csv")
        assert world.run_once() == 0
        went_on = about(served, "waiting", "agent_events.csv")

    assert "its report is gone" in str(orphan["reason"])
    assert (orphan["report"], orphan["state"]) == (None, "failed")
    assert other["reason"] == "I say so"
    assert other["problems"] == [{"line": "3", "field": None, "wrong": "<b>"}]
    assert (waiting["state"], waiting["route"], waiting["bytes"]) == ("waiting", "agent-events", 40)
    assert story(waiting) == ["written", "waiting"]
    assert (went_on["state"], went_on["receipt"]) == ("done", True)


def test_a_file_is_looked_up_and_never_opened_by_what_the_address_says(world: World) -> None:
    secret = world.path("secret.error.txt")
    secret.write_text("s3cret")
    (world.path("failed") / "evil.csv").write_text("x")
    (world.path("failed") / "evil.csv.error.txt").symlink_to(secret)
    with page(world) as served:
        refused = [
            served.get(f"/api/file{what}?{query}").status
            for what in ("", "/report", "/receipt")
            for query in (
                "", "token=", "token=..%2F..%2Fx", "failed=..%2Fsecret", "failed=..%2Fconfig.yaml",
                "token=%00",
                "failed=evil.csv.error.txt", "waiting=..%2Fconfig.yaml", "token=a&failed=evil.csv", "id=1",
            )
        ]  # fmt: skip
        linked = served.get("/api/file/report?failed=evil.csv")
        view = served.get("/api/file?failed=evil.csv").text

    assert set(refused) == {404}
    assert linked.status == 404
    assert "s3cret" not in view


def test_a_hostile_name_is_data_in_the_view_and_in_the_name_to_save_under(world: World) -> None:
    world.server.always = answer(400, "</pre><script>alert(1)</script>")
    world.drop(HOSTILE, rows(2))
    assert world.run_once() == 1
    token = world.history()[0]["push_token"]
    with page(world) as served:
        kept = served.get(f"/api/file/report?token={token}")
        found = served.get(f"/api/file?token={token}")
        lying = json.loads(served.get("/api/now").text)["failed"][0]["name"]
        beside = about(served, "failed", lying)

    assert found.text.isascii()
    assert beside["token"] == token
    said = kept.headers["content-disposition"]
    assert re.fullmatch(
        r"""attachment; filename="[A-Za-z0-9._ -]+"; filename\*=UTF-8''[A-Za-z0-9._~%-]+""", said
    )
    assert not re.search(r'[/\\<>"\x00-\x1f]', unquote(said.partition("''")[2]))


@pytest.mark.parametrize("name", ["../../x.txt", "a\r\nb.txt", "\udce9.txt", '";x="', "...", "é" * 300])
def test_a_name_to_save_under_is_plain_whatever_it_was(name: str) -> None:
    said = disposition(name)

    assert said.isascii()
    assert said.isprintable()
    assert said.count('"') == 2
    assert "/" not in unquote(said.partition("''")[2])


def test_the_view_of_a_file_needs_the_password_like_all_else(world: World) -> None:
    with page(world, password="open-sesame-1") as served:
        found = [served.get(f"/api/file{what}?token=x").status for what in ("", "/report", "/receipt")]

    assert found == [401, 401, 401]


def test_problems_are_taken_apart_where_they_have_parts() -> None:
    found = problems(
        ["line 7, column 2 (a: b): 'x': is empty", "line 7: 3 fields where the route has 2 columns",
         "line 3, [1].agent.id: 'x' is too short", "the document: 1 is not an object", "something else"]
    )  # fmt: skip

    assert [tuple(row.values()) for row in found] == [
        ("7", "column 2 (a: b)", "'x': is empty"),
        ("7", None, "3 fields where the route has 2 columns"),
        ("3", "[1].agent.id", "'x' is too short"),
        (None, "the document", "1 is not an object"),
        (None, None, "something else"),
    ]
