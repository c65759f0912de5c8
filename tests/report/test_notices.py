"""What is told, when, and how often: by hand, with a clock that is a number."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from tests.made import made_row
from watcher.core.events import Stuck, StuckEnded
from watcher.core.model import FileState, Placement, Row
from watcher.report.expect import Expectation
from watcher.report.notices import HOLD_AGAIN_SECONDS, SHOWN_FAILED, Held, Message, Notices, Silence

SINCE = datetime(2026, 11, 24, 3, 12, tzinfo=UTC)


def failed(name: str = "a.csv", **more: str) -> Row:
    facts = {"route": "agent-events", "reason": "line 17: an open quote", "what_to_do": "close it", **more}
    return made_row(FileState.FAILED, name=name, **facts)


def held(target: str = "https://wfm", began: float = 0.0, reason: str = "it refuses") -> Held:
    return Held(target, reason, "is the server up?", SINCE, began)


def one(messages: list[Message]) -> Message:
    [message] = messages
    return message


def test_a_failed_file_is_told_with_its_reason_and_what_to_do() -> None:
    notices = Notices(gather=60)
    notices.failed(failed(), 100)

    assert notices.due(159) == []
    assert notices.next_due() == 160
    message = one(notices.due(160))
    assert (message.kind, message.subject) == ("failure", "a.csv failed")
    assert "a.csv (agent-events): line 17: an open quote\nWhat to do: close it" in message.body
    assert notices.due(1000) == []
    assert notices.next_due() is None


def test_many_failed_files_in_a_minute_are_one_message_with_a_count() -> None:
    notices = Notices(gather=60)
    for number in range(1234):
        notices.failed(failed(f"{number}.csv"), number / 100)

    message = one(notices.due(60))
    assert message.subject == "1,234 files failed"
    assert message.body.count("What to do") == SHOWN_FAILED
    assert "... and 1,224 more files." in message.body
    notices.failed(failed("a day later.csv"), 90_000)
    assert one(notices.due(90_060)).subject == "a day later.csv failed"


def test_while_files_go_on_failing_the_messages_become_rarer() -> None:
    notices = Notices(gather=60)
    told = []
    for tick in range(0, 86_400, 10):
        notices.failed(failed(), tick)
        told += [tick for _ in notices.due(tick)]

    assert told[:3] == [60, 190, 440]
    assert 24 <= len(told) <= 32


def test_records_that_a_delivered_file_left_behind_are_told_too() -> None:
    place = Placement(aside="/failed/a.csv")
    notices, partly = Notices(gather=0), replace(failed(), state=FileState.DONE, place=place)
    notices.failed(partly, 0)
    assert one(notices.due(0)).subject == "a.csv left records behind"

    notices.failed(partly, 0)
    notices.failed(failed("b.csv"), 0)
    assert one(notices.due(0)).subject == "2 files failed or left records behind"


def test_at_the_end_what_still_gathers_is_told() -> None:
    notices = Notices(gather=60)
    notices.failed(failed(), 0)

    assert one(notices.due(1, all_of_it=True)).subject == "a.csv failed"


def test_failed_false_keeps_failed_files_to_itself() -> None:
    notices = Notices(failed_files=False)
    notices.failed(failed(), 0)

    assert notices.due(1000, all_of_it=True) == []


def test_a_name_and_a_reason_are_data_and_of_bounded_length() -> None:
    notices = Notices(gather=0)
    notices.failed(failed("a\nb\x1b.csv", reason="x" * 5000), 0)

    message = one(notices.due(0))
    assert message.subject == "a\\nb\\x1b.csv failed"
    assert "\x1b" not in message.body
    assert len(message.body) < 1000


def test_a_hold_is_told_once_when_it_lasts_and_once_when_it_is_over() -> None:
    notices = Notices(held_for=900)
    notices.holds([held()], 1)
    assert notices.due(899) == []
    assert notices.next_due() == 900

    notices.holds([held(reason="it answers 503")], 900)
    message = one(notices.due(900))
    assert message.subject == "https://wfm is held for 15 minutes"
    assert "since 2026-11-24T03:12:00.000Z: it answers 503\nWhat to check: is the server up?" in message.body
    notices.holds([held()], 5000)
    assert notices.due(5000) == []
    notices.holds([], 7200)
    assert one(notices.due(7200)) == Message(
        "success", "https://wfm is back", "https://wfm is back after 2 hours."
    )
    assert notices.due(9000) == []


def test_a_hold_that_nobody_waits_for_is_not_told_to_be_back() -> None:
    notices = Notices(held_for=900)
    notices.holds([held()], 1)
    notices.holds([held()], 900)
    assert one(notices.due(900)).subject == "https://wfm is held for 15 minutes"

    notices.unneeded.add("https://wfm")
    notices.holds([], 7200)

    assert one(notices.due(7200)) == Message(
        "success",
        "https://wfm is held no longer",
        "https://wfm is held no longer after 2 hours: nobody waits for it.",
    )
    assert not notices.unneeded, "the next hold is another one"


def test_a_hold_that_ends_in_time_is_never_told() -> None:
    notices = Notices(held_for=900)
    notices.holds([held()], 1)
    notices.holds([], 899)

    assert notices.due(10_000) == []


def test_a_hold_that_comes_and_goes_is_told_once_an_hour_at_most() -> None:
    notices = Notices(held_for=10)
    told: list[str] = []
    for tick in range(0, 4000, 40):  # held for 30 s, back for 10 s, and so on
        notices.holds([held(began=tick)], tick)
        told += [message.subject for message in notices.due(tick + 30)]
        notices.holds([], tick + 30)
        told += [message.subject for message in notices.due(tick + 30)]

    assert len([subject for subject in told if "held" in subject]) == 2
    assert len([subject for subject in told if "back" in subject]) == 2
    assert HOLD_AGAIN_SECONDS < 4000


def test_a_hold_that_ended_and_began_anew_between_two_looks_is_another_hold() -> None:
    notices = Notices(held_for=10)
    notices.holds([held(began=0)], 0)
    assert len(notices.due(10)) == 1
    notices.holds([held(began=15)], 16)

    assert one(notices.due(16)).subject == "https://wfm is back"


def test_holds_that_are_due_together_are_one_message() -> None:
    notices = Notices(held_for=900)
    notices.holds([held(), held("folder /drop", 30)], 40)

    message = one(notices.due(1000))
    assert message.subject == "2 things are held, for 17 minutes"
    assert "folder /drop" in message.body
    notices.holds([], 2000)
    assert one(notices.due(2000)).subject == "2 holds are over"


def test_held_for_null_never_tells_of_holds() -> None:
    notices = Notices(held_for=None)
    notices.holds([held()], 0)

    assert notices.due(1e9) == []
    assert notices.next_due() is None


def test_a_silence_is_told_once_until_a_file_ends_it() -> None:
    notices, wanted = Notices(), Expectation("agent-events", 86_400)
    silence = Silence(wanted, SINCE)
    notices.silences([silence], {})

    message = one(notices.due(0))
    assert message.subject == "no file of agent-events came"
    assert "every 1 day" in message.body
    assert "delivered at 2026-11-24T03:12:00.000Z" in message.body
    notices.silences([silence], {})
    assert notices.due(1) == []
    notices.silences([], {"agent-events": "a.csv"})
    assert one(notices.due(2)).subject == "files of agent-events come again"
    notices.silences([], {"agent-events": "b.csv"})
    assert notices.due(3) == []
    notices.silences([Silence(wanted, SINCE.replace(day=25))], {})
    assert one(notices.due(4)).subject == "no file of agent-events came"


def test_a_silence_that_was_told_before_a_restart_is_not_told_again() -> None:
    notices = Notices(silent={"agent-events": "no file yet"})
    notices.silences([Silence(Expectation("agent-events", 60), None)], {})

    assert notices.due(0) == []


def test_files_that_are_stuck_are_one_message_with_what_to_do_and_what_waits_for_them() -> None:
    notices = Notices(gather=60)
    notices.stuck(Stuck("a.json", "a program has it open", "end the program", SINCE, ("b.csv",), 3), 100)
    notices.stuck(Stuck("export", "a folder", "move its files", SINCE), 110)

    assert notices.due(159) == []
    assert notices.next_due() == 160
    message = one(notices.due(160))
    assert message.subject == "2 files are stuck"
    assert (
        "a.json, since 2026-11-24T03:12:00.000Z: a program has it open\nWhat to do: end the" in message.body
    )
    assert "For it wait: b.csv and 2 more" in message.body
    assert notices.next_due() is None


def test_the_end_of_what_was_told_is_told_and_what_ended_before_never_was() -> None:
    notices = Notices(gather=60)
    stuck = Stuck("a.csv", "open", "close it", SINCE)
    notices.stuck(stuck, 0)
    notices.stuck(StuckEnded("a.csv", 900), 30)
    assert notices.due(1000) == []

    notices.stuck(stuck, 2000)
    assert one(notices.due(2060)).subject == "a.csv is stuck"
    notices.stuck(StuckEnded("a.csv", 3600), 3000)
    assert one(notices.due(3000)).subject == "a.csv is stuck no longer"


def test_what_two_agents_see_is_told_by_one_of_them_and_its_end_by_the_same() -> None:
    asked: set[str] = set()

    def is_first(key: str, _seconds: float, _of_a_place: bool) -> bool:
        first = key not in asked
        asked.add(key)
        return first

    agents = [Notices(held_for=60, gather=0, is_first=is_first) for _ in range(2)]
    silence = Silence(Expectation("agent-events", 3600), SINCE)
    for notices in agents:
        notices.holds([held()], 100)
        notices.stuck(Stuck("a.csv", "it is open", "close it", SINCE), 100)
        notices.silences([silence], {})
    told = [[message.subject for message in notices.due(tick)] for tick in (100, 200) for notices in agents]
    assert sorted(map(len, told)) == [0, 0, 0, 3]
    for notices in agents:
        notices.holds([], 300)
        notices.stuck(StuckEnded("a.csv", 200), 300)
        notices.silences([], {"agent-events": "b.csv"})
    over = [[message.kind for message in notices.due(300)] for notices in agents]
    assert sorted(map(len, over)) == [0, 3]
