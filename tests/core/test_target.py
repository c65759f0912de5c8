"""A target is a value: what kind of thing it is and which one; its words are for people alone."""

import pytest

from watcher.core.target import Target


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target("folder", "/srv/drop"), "folder /srv/drop"),
        (Target("folder", "/srv/two\nlines\udce9"), "folder /srv/two\\nlines\\xe9"),
        (Target("file", "a\u00a0b.csv"), "file a\\xa0b.csv"),
        (Target("route", "agent-events"), "route agent-events"),
        (Target("login", "https://x.example/token"), "https://x.example/token"),
        (Target("server", "https://x.example"), "https://x.example"),
        (Target("endpoint", "https://x.example/import"), "https://x.example/import"),
    ],
)
def test_paths_and_names_are_said_with_their_kind_and_urls_as_they_are(target: Target, words: str) -> None:
    assert str(target) == words


def test_two_targets_are_one_only_if_both_kind_and_name_are() -> None:
    url = "https://x.example"

    assert Target("server", url) == Target("server", url)
    assert Target("server", url) != Target("endpoint", url)
    # On one line they look the same.
    assert Target("file", "a\nb") != Target("file", "a\\nb")
