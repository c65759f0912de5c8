"""Pure: regular expressions of the settings, on texts that somebody else chose: they end in a bounded time.

A name or a field can be made so that a harmless looking expression tries more ways through it than there is
time for. The package `regex` can be told when to give up, and `re` cannot; what is taken is what both take.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Protocol

import regex

from watcher.core.errors import TooSlow

LONGEST_SECONDS = 1.0  # of one match, by the processor's time
# A match that takes longer is begun again, with other threads let in: that costs a sane one far more than it
# takes itself. Texts as long as this are let take longer, by what any expression needs for a character.
_QUICK_SECONDS = 0.01
_SECONDS_PER_CHAR = 1e-6
_LONG_CHARS = 10_000
# So many matches of one expression may take long; whoever drops a thousand such names gains no more time.
_LONG_TRIES = 3
# `regex` counts the time of all threads together: where others are busy, a sane match may seem to take long.
_QUICK_TRIES = 3
_MOST_WAYS = 100_000  # through a text, that need no watching
_MOST_REMEMBERED = 100_000  # texts

# What `regex` reads otherwise than `re`: braces that are no number of times (fuzzy matching), `[:alpha:]`.
_TOKENS = re.compile(
    r"(?P<same>\\N\{[^}]*\}|\\.|\{\d*,\d+\}|\{\d+,?\}|\{,\})|(?P<brace>\{)|(?P<set>\[:)", re.DOTALL
)


_FLAGS = re.compile(r"\(\?[a-zA-Z]+\)")  # for all of an expression, at its beginning


class Match(Protocol):
    """What is used of a match, of whichever package."""

    def groupdict(self) -> Mapping[str, str | None]:
        """Return the named groups; None: one that has no part in the match."""


class Expression:
    """A compiled expression; any thread may use it. One for each text and flags: see `expression`."""

    def __init__(self, text: str, *, ignore_case: bool, dot_all: bool) -> None:
        """Raises ValueError for what is no expression, in words of Python's."""
        flags = (regex.IGNORECASE if ignore_case else 0) | (regex.DOTALL if dot_all else 0)
        try:
            short = re.compile(text, (re.IGNORECASE if ignore_case else 0) | (re.DOTALL if dot_all else 0))
            self._compiled = regex.compile(_TOKENS.sub(_as_re, text), regex.VERSION0 | flags)
        except (re.error, regex.error, RecursionError, OverflowError) as error:
            raise ValueError(str(error)) from error
        self.text = text
        self.groups = tuple(short.groupindex)  # names
        self._short = short.fullmatch
        self._swift_chars = _swift_chars(text)
        self._slow: set[int] = set()  # hashes of texts that took too long
        self._tries_left = _LONG_TRIES

    def fullmatch(self, text: str) -> Match | None:
        """Match the whole text. Raises `TooSlow`."""
        if len(text) <= self._swift_chars:
            return self._short(text)
        return self._within_time(self._compiled.fullmatch, text)

    def fullmatches(self, texts: Collection[str]) -> bool:
        """Say whether each text matches as a whole; quicker than one by one. Raises `TooSlow`."""
        are_short = max(map(len, texts), default=0) <= self._swift_chars
        return all(map(self._short if are_short else self.fullmatch, texts))

    def any_fullmatches(self, texts: Collection[str]) -> bool:
        """Say whether one of the texts matches as a whole; quicker than one by one. Raises `TooSlow`."""
        are_short = max(map(len, texts), default=0) <= self._swift_chars
        return any(map(self._short if are_short else self.fullmatch, texts))

    def search(self, text: str) -> Match | None:
        """Look for a match anywhere in the text. Raises `TooSlow`."""
        return self._within_time(self._compiled.search, text)

    def _within_time(self, match: _Matching, text: str) -> Match | None:
        if self._slow and hash(text) in self._slow:
            raise TooSlow(self.text)
        more = len(text) * _SECONDS_PER_CHAR
        for _ in range(_QUICK_TRIES):
            with suppress(TimeoutError):
                return match(text, timeout=_QUICK_SECONDS + more, concurrent=len(text) > _LONG_CHARS)
        if self._tries_left > 0:
            self._tries_left -= 1
            with suppress(TimeoutError):
                return match(text, timeout=LONGEST_SECONDS + more, concurrent=True)
        if len(self._slow) < _MOST_REMEMBERED:
            self._slow.add(hash(text))
        raise TooSlow(self.text)


class _Matching(Protocol):
    def __call__(self, string: str, *, timeout: float, concurrent: bool) -> Match | None: ...


@functools.lru_cache(maxsize=1000)
def expression(text: str, *, ignore_case: bool = False, dot_all: bool = False) -> Expression:
    """Return the expression: the same one each time, for it remembers what took too long.

    Raises ValueError for what is no expression.
    """
    return Expression(text, ignore_case=ignore_case, dot_all=dot_all)


def line_expression(text: str) -> Expression:
    """Return an expression that matches a whole line where `text` is found in it: quickly, where it can only
    be found at its beginning. Raises ValueError for what is no expression."""
    flags = _FLAGS.match(text)
    head = flags[0] if flags is not None else ""
    body = text[len(head) :]
    before = "" if _begins_line(body) else ".*?"
    re.compile(text)  # what is wrong is told as of what stands in the settings
    return expression(f"{head}{before}(?:{body}).*", dot_all=True)


def _begins_line(text: str) -> bool:
    """Say whether an expression can only be found at the beginning of a line."""
    depth, at = 0, 0
    while at < len(text):
        char = text[at]
        at += 2 if char == "\\" else 1
        if char == "[" or (char == "|" and depth == 0):
            return False  # what is in a set needs more to be told
        depth += (char == "(") - (char == ")")
    return text.startswith("^")


def _as_re(token: re.Match[str]) -> str:
    if token["brace"]:
        return r"\{"
    return r"[\:" if token["set"] else token[0]


def _swift_chars(text: str) -> int:
    r"""Return the length of the longest text that may be matched unwatched, by `re`: most fields are short,
    and to look at the time costs ten times as much as the match.

    There are no more ways through it than the choices that the expression leaves: each `*`, `+` or `{1,9}`
    may take any number of characters, each `?` and `|` leaves two ways. What repeats a group is watched.

    >>> _swift_chars(r"[A-Z]+-\d+"), _swift_chars(r"(\w+\s?)*")
    (315, -1)
    """
    if re.search(r"\)\s*[*+{]", text) or "#" in text:  # a comment may stand between the two
        return -1
    text = re.sub(r"\{\d+\}", "", text)
    repeats, forks = len(re.findall(r"[*+{]", text)), len(re.findall(r"[?|]", text))
    ways = _MOST_WAYS / 2**forks if forks < 64 else 0.0
    return int(ways ** (1 / repeats)) - 1 if repeats else int(min(ways, _LONG_CHARS))
