"""One push conversation, driven by hand: requests out, answers in, verdicts out."""

from typing import Literal

import pytest

from watcher.core.conversation import (
    SMALLEST_CHUNK_BYTES,
    Accepted,
    Again,
    Conversation,
    OnHold,
    Refused,
    Reply,
    Request,
    Smaller,
    Suspected,
    Verdict,
)
from watcher.core.errors import LostAnswer, Outside
from watcher.core.model import Chunk, Route
from watcher.core.target import Target

SERVER = "https://acme.example"
EVENTS = Route("events", (), SERVER + "/events", "text/csv", "csv", acd_type="genesis")
TYPES = Route("types", (), SERVER + "/types", "application/json", "json")
FIRST = Chunk(0, 4, b"a,b\n", b"a,b\n", last=False)
LAST = Chunk(4, 8, b"c,d\n", b"c,d\n", last=True)
LOST = LostAnswer(Target("server", SERVER), "did not answer in time")
UNSENT = Outside(Target("server", SERVER), "refuses the connection")


def conversation(
    route: Route = EVENTS,
    *,
    attempts: int = 3,
    lost_answer: Literal["resend", "new_token"] = "resend",
    unknown: bool = False,
) -> Conversation:
    return Conversation(
        route,
        "token-1",
        server=Target("server", SERVER),
        attempts=attempts,
        lost_answer=lost_answer,
        unknown=unknown,
    )


def answers(talk: Conversation, chunk: Chunk, *statuses: int) -> list[Verdict]:
    return [talk.answered(chunk, Reply(status, "words")) for status in statuses]


def test_a_request_has_the_token_the_acd_type_and_the_last_flag_in_this_order() -> None:
    assert conversation().request(FIRST) == Request(
        url="https://acme.example/events",
        params=(("pushToken", "token-1"), ("acdType", "genesis"), ("lastChunk", "false")),
        content_type="text/csv",
        body=b"a,b\n",
    )


def test_only_the_last_chunk_says_last_chunk_true() -> None:
    talk = conversation()

    assert [dict(talk.request(chunk).params)["lastChunk"] for chunk in (FIRST, LAST)] == ["false", "true"]


def test_a_json_document_goes_without_acd_type_as_one_last_chunk() -> None:
    document = Chunk(3, 5, b"{}", b"{}", last=True)

    assert conversation(TYPES).request(document) == Request(
        "https://acme.example/types",
        (("pushToken", "token-1"), ("lastChunk", "true")),
        "application/json",
        b"{}",
    )


def test_params_of_the_route_come_last_and_the_body_is_what_is_sent_not_what_is_in_the_file() -> None:
    route = Route("r", (), "http://x/y", "text/csv", "csv", params=(("source", "acd 1"), ("b", "ü")))
    chunk = Chunk(6, 10, b"1,2\n", b"h1,h2\n1,2\n", last=True)

    request = conversation(route).request(chunk)

    assert request.params[-2:] == (("source", "acd 1"), ("b", "ü"))
    assert request.body == b"h1,h2\n1,2\n"


def test_every_chunk_of_a_good_upload_is_accepted() -> None:
    talk = conversation()

    assert [*answers(talk, FIRST, 200), *answers(talk, LAST, 204)] == [Accepted(), Accepted()]


def test_a_chunk_that_never_left_is_sent_again_under_either_setting() -> None:
    for setting in ("resend", "new_token"):
        talk = conversation(lost_answer=setting)  # type: ignore[arg-type]
        assert talk.no_answer(FIRST, UNSENT) == OnHold(UNSENT, start_over=False)
        assert not talk.unknown


def test_a_chunk_whose_answer_was_lost_is_sent_again_under_the_same_token() -> None:
    talk = conversation()

    assert talk.no_answer(FIRST, LOST) == OnHold(LOST, start_over=False)
    assert talk.unknown
    assert dict(talk.request(FIRST).params)["pushToken"] == "token-1"


def test_a_chunk_whose_answer_was_lost_starts_the_file_over_with_new_token() -> None:
    assert conversation(lost_answer="new_token").no_answer(FIRST, LOST) == OnHold(LOST, start_over=True)


@pytest.mark.parametrize(
    ("status", "lost"), [(502, True), (504, True), (503, False), (429, False), (404, False)]
)
def test_a_gateway_without_an_answer_counts_as_a_lost_one(status: int, lost: bool) -> None:
    resend, new_token = conversation(), conversation(lost_answer="new_token")
    [held], [over] = answers(resend, FIRST, status), answers(new_token, FIRST, status)

    assert isinstance(held, OnHold)
    assert isinstance(over, OnHold)
    assert (held.start_over, resend.unknown, over.start_over) == (False, lost, lost)


def test_a_409_to_the_resend_of_an_unanswered_last_chunk_means_that_it_had_landed() -> None:
    talk = conversation()
    talk.no_answer(LAST, LOST)

    [verdict] = answers(talk, LAST, 409)

    assert isinstance(verdict, Accepted)
    assert verdict.note


def test_a_409_after_a_crash_means_the_same() -> None:
    [verdict] = answers(conversation(unknown=True), LAST, 409)

    assert isinstance(verdict, Accepted)


def test_a_409_still_means_that_when_other_trouble_came_in_between() -> None:
    talk = conversation(attempts=5)
    talk.no_answer(LAST, LOST)
    talk.no_answer(LAST, UNSENT)

    assert isinstance(answers(talk, LAST, 503, 500, 409)[-1], Accepted)


@pytest.mark.parametrize(
    ("unknown", "chunk"), [(False, LAST), (True, FIRST)], ids=["answered", "not the last chunk"]
)
def test_any_other_409_fails_the_file(unknown: bool, chunk: Chunk) -> None:
    [verdict] = answers(conversation(unknown=unknown), chunk, 409)

    refused = refusal(verdict)
    assert (refused.status, refused.said) == (409, "words")


def test_a_lost_answer_is_forgotten_once_the_chunk_is_accepted() -> None:
    talk = conversation()
    talk.no_answer(FIRST, LOST)

    assert answers(talk, FIRST, 200) == [Accepted()]
    assert not talk.unknown
    assert refusal(answers(talk, LAST, 409)[0])


def test_a_500_is_tried_so_many_times_and_then_makes_the_file_a_suspect() -> None:
    first, second, third = answers(conversation(attempts=3), FIRST, 500, 500, 500)

    assert isinstance(first, Again)
    assert isinstance(second, Again)
    assert (first.attempt, second.attempt) == (1, 2)
    refused = refusal(third)
    assert (refused.status, refused.said) == (500, "words")
    assert "3 times" in refused.reason
    assert isinstance(third, Suspected)
    assert not third.suspicion.at_once


def test_a_hold_in_between_neither_counts_nor_forgives_a_500() -> None:
    verdicts = answers(conversation(attempts=2), FIRST, 500, 503, 503, 503, 500)

    assert [type(verdict) for verdict in verdicts] == [Again, OnHold, OnHold, OnHold, Suspected]


def test_each_chunk_has_its_own_attempts() -> None:
    verdicts = answers(conversation(attempts=2), FIRST, 500, 200, 500, 200)

    assert [type(verdict) for verdict in verdicts] == [Again, Accepted, Again, Accepted]


def test_a_chunk_that_is_too_large_is_halved_down_to_16_kib_and_then_fails_the_file() -> None:
    talk, size, sizes = conversation(), 100_000, []
    while True:
        [verdict] = answers(talk, Chunk(0, size, b"x" * size, b"x" * size, last=False), 413)
        if not isinstance(verdict, Smaller):
            break
        size = verdict.limit
        sizes.append(size)

    assert sizes == [50_000, 25_000, SMALLEST_CHUNK_BYTES]
    assert SMALLEST_CHUNK_BYTES == 16 * 1024
    assert "16,384 bytes" in refusal(verdict).reason


def test_what_is_halved_is_the_size_that_was_sent_not_the_one_that_was_allowed() -> None:
    small = Chunk(0, 20_000, b"x" * 20_000, b"x" * 20_000, last=True)

    [verdict] = answers(conversation(), small, 413)

    assert isinstance(verdict, Smaller)
    assert verdict.limit == SMALLEST_CHUNK_BYTES
    assert "one record of 20,000 bytes" in refusal(verdict.uncut).reason
    assert verdict.uncut.suspicion.at_once


def test_a_json_document_that_is_too_large_fails_at_once_for_it_cannot_be_cut() -> None:
    [verdict] = answers(conversation(TYPES), Chunk(0, 99_999, b"x" * 99_999, b"x" * 99_999, last=True), 413)

    assert "99,999 bytes" in refusal(verdict).reason
    assert isinstance(verdict, Suspected)
    assert verdict.suspicion.at_once, "but not where the server refuses everything so"


@pytest.mark.parametrize("answer", [503, 408, 429])
def test_a_409_to_a_last_chunk_that_was_held_up_before_says_that_it_may_be_complete(answer: int) -> None:
    """Whoever answered in its place may not have known that it had taken it; nor is it known that it had."""
    talk = conversation()
    refused = refusal(answers(talk, LAST, answer, 409)[-1])

    assert "may have completed it" in refused.reason
    assert refused.in_doubt
    assert not refusal(answers(talk, LAST, 422)[-1]).in_doubt
    assert not refusal(answers(conversation(), LAST, 409, 409)[-1]).in_doubt
    assert not refusal(answers(conversation(), FIRST, answer, 409)[-1]).in_doubt


@pytest.mark.parametrize("status", [400, 415, 422, 418])
def test_the_first_refusal_fails_the_file_with_the_servers_words(status: int) -> None:
    [verdict] = answers(conversation(), FIRST, status)

    refused = refusal(verdict)
    assert refused.reason.startswith(f"HTTP {status}: ")
    assert (refused.status, refused.said) == (status, "words")
    assert refused.what_to_do
    assert isinstance(verdict, Suspected)
    assert verdict.suspicion.at_once


@pytest.mark.parametrize("status", [400, 422, 413])
def test_a_refusal_of_the_repeat_of_an_unanswered_last_chunk_says_that_it_may_be_complete(
    status: int,
) -> None:
    large = Chunk(4, 100_000, b"", b"x" * 99_996, last=True)
    for fault in (LOST, 500):
        talk = conversation()
        if isinstance(fault, int):
            answers(talk, large, fault)
        else:
            talk.no_answer(large, fault)

        refused = refusal(answers(talk, large, status)[0])

        assert "may have completed it" in refused.reason
        assert refused.what_to_do.startswith("look into the import history of the WFM first")


def test_a_409_behind_a_500_to_the_last_chunk_means_that_it_had_landed() -> None:
    assert isinstance(answers(conversation(), LAST, 500, 409)[-1], Accepted)


def test_a_commit_without_an_answer_is_never_begun_anew() -> None:
    """Under a new token the file would be there twice."""
    talk = conversation(lost_answer="new_token", attempts=2)

    first, second = talk.no_answer(LAST, LOST), talk.no_answer(LAST, LOST)

    assert first == OnHold(LOST, start_over=False)
    assert isinstance(second, Suspected)
    assert not second.start_over


def test_a_chunk_without_an_answer_gets_more_time_with_each_try_and_no_other_does() -> None:
    """A server that is slower than the timeout is to get it as rarely as can be."""
    talk = conversation(attempts=9)
    given = []
    for _ in range(5):
        given.append(talk.request(FIRST).patience)
        talk.no_answer(FIRST, LOST)

    assert given == [1, 2, 4, 4, 4]
    assert talk.request(LAST).patience == 1


def test_a_chunk_that_is_lost_under_each_new_token_is_suspect_in_the_end() -> None:
    talk = conversation(lost_answer="new_token", attempts=3)
    second = Chunk(4, 8, b"c,d\n", b"c,d\n", last=False)
    verdicts = []
    for number in range(3):
        assert answers(talk, FIRST, 200) == [Accepted()]
        verdicts.append(talk.no_answer(second, LOST))
        talk.renew(f"token-{number + 2}")

    assert [type(verdict) for verdict in verdicts] == [OnHold, OnHold, Suspected]


def refusal(verdict: Verdict) -> Refused:
    """What the file fails with, if it is to blame."""
    assert isinstance(verdict, Suspected)
    assert verdict.refused is not None
    return verdict.refused
