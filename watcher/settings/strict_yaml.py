"""YAML as people write settings: to plain data, with the line of every key; surprises become problems.

YAML 1.1 reads `0123` as 83, `12:30:45` as 45045 and keeps the last of two equal keys without a word. Here
only plain decimal numbers, booleans and null are anything but text, and duplicate keys are problems.
`${NAME}` is filled in after parsing, so that a value with `#` or `:` in it cannot change the structure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import yaml

Location = tuple[str | int, ...]

_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?")
# YAML 1.1's booleans: where text is meant they are refused, and the remedy is quotes.
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NULLS = frozenset({"", "~", "null"})
# ... and what other readers of YAML 1.1 take for one.
_NO_TEXT = frozenset({*_BOOLEANS, *_NULLS, "y", "n"})
_WORD = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
_PLACE = re.compile(r"(https?://|\.{0,2}/)[\w./:{}-]*[\w/}]", re.ASCII)
# What a variable of the environment may say where yes or no is wanted: it has no types of its own.
TRUTHS = {**_BOOLEANS, "y": True, "t": True, "1": True, "n": False, "f": False, "0": False}
_VARIABLE = re.compile(r"\$(\$\{|\{([A-Za-z_][A-Za-z0-9_]*)\}|\{)")

_FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # where PyYAML was built with libyaml


class Given(str):
    """A text that is a variable of the environment and nothing else: it may stand for a number, yes or no."""

    __slots__ = ()


@dataclass(slots=True)
class Document:
    """What was read: the data, the line (from 1) of every key, and what is wrong so far."""

    data: object = None
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[tuple[Location, str]] = field(default_factory=list)
    # Text with a ${NAME} that the environment has not, or that leaves nothing of it: it stays as written.
    unset: set[Location] = field(default_factory=set)
    variables: dict[Location, list[str]] = field(default_factory=dict)  # whose text has their names in it
    twice: set[Location] = field(default_factory=set)  # keys that are there twice
    # What stood at such a key before it, each as a document of its own.
    displaced: list[tuple[Location, Document]] = field(default_factory=list)
    plain: dict[Location, str] = field(default_factory=dict)  # what is no text, as it is written
    literal: set[Location] = field(default_factory=set)  # text written out, with no ${NAME} in it


def parse(text: str, environ: Mapping[str, str], *, aliases: bool = True) -> Document:
    """Parse `text`, filling in `${NAME}` from `environ` (`$${` stays `${`). Never raises for bad input.

    Not `aliases`: a text of others, where a part that stands for another (`*name`) is a problem: a few
    hundred bytes of them are gigabytes.
    """
    document = Document()
    try:
        if not aliases and any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=_FAST)):
            raise yaml.YAMLError("it has aliases")
        node = _composed(text)
        if node is not None:
            document.lines[()] = node.start_mark.line + 1
            document.data = _plain(node, (), document, environ)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        document.lines[()] = line
        remedy = _remedy(text, line, in_braces="got '{'" in (error.problem or ""))
        document.problems.append(((), f"not YAML: {_unquoted(error)}; {remedy}"))
    except yaml.YAMLError as error:
        document.problems.append(((), f"not YAML: {' '.join(str(error).split())}; save the file as UTF-8"))
    except RecursionError:
        document.problems.append(((), "nested too deeply; see config.example.yaml for the layout"))
    return document


def _composed(text: str) -> yaml.Node | None:
    with suppress(yaml.YAMLError, UnicodeEncodeError):
        if "\t" not in text:  # which libyaml takes for a part of the value
            return yaml.compose(text, Loader=_FAST)
    # Twenty times slower, and with the clearer words for what is wrong.
    return yaml.compose(text, Loader=yaml.SafeLoader)


def scalar(text: str) -> str:
    """Return a text as it is to be written, so that `parse` reads it as it is: in quotes where it could be
    taken for something else.

    >>> scalar("acme"), scalar("12"), scalar("./drop"), scalar("a b")
    ('acme', '"12"', './drop', '"a b"')
    """
    text = text.replace("${", "$${")
    if (_WORD.fullmatch(text) and text.lower() not in _NO_TEXT) or _PLACE.fullmatch(text):
        return text
    # A text of JSON is one of YAML 1.2; what YAML's readers refuse as unprintable is escaped there, too.
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in quoted)


def _unquoted(error: yaml.MarkedYAMLError) -> str:
    """Return PyYAML's words without what they quote from the file: that may be a secret."""
    return re.sub(r" '(?!<[a-z ]+>'|.{1,2}')[^']*'?", "", error.problem or error.context or "cannot be read")


# A variable behind `{`, `[` or `,`, or behind a key, that no quotes begin before: YAML takes its brace for
# one of its own.
_BARE_VARIABLE = re.compile(r"(?:[{\[,]|:\s)\s*(?:[\w-]+:\s+)?[^\s'\"#,{}\[\]]*\$\{")


def _remedy(text: str, line: int, *, in_braces: bool) -> str:
    found = (text.splitlines() or [""])[min(line, len(text.splitlines())) - 1] if text.strip() else ""
    if in_braces and _BARE_VARIABLE.search(found):
        return 'within { } and [ ], put quotes around a value with ${NAME} in it: "${NAME}"'
    if re.search(r"[:-]\s+[*&@%`!|>]", found):
        return "put quotes around the value"
    if "\t" in found:
        return "indent with spaces, not tabs"
    return "check the indentation and the quotes on this line and the one before"


def _plain(node: yaml.Node, at: Location, document: Document, environ: Mapping[str, str]) -> object:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, at, document, environ)
    if isinstance(node, yaml.SequenceNode):
        items = []
        for index, item in enumerate(node.value):
            document.lines[(*at, index)] = item.start_mark.line + 1
            items.append(_plain(item, (*at, index), document, environ))
        return items
    return _scalar(node, at, document, environ)


def _mapping(
    node: yaml.MappingNode, at: Location, document: Document, environ: Mapping[str, str]
) -> dict[str, object]:
    found: dict[str, object] = {}
    first: dict[str, int] = {}  # the lines of keys that are there again
    last = {str(key_node.value): index for index, (key_node, _) in enumerate(node.value)}
    for index, (key_node, value_node) in enumerate(node.value):
        key = str(key_node.value)
        here, line = (*at, key), key_node.start_mark.line + 1
        if index != last[key]:
            first.setdefault(key, line)
            before = Document(lines={here: line})
            before.data = _plain(value_node, here, before, environ)
            document.displaced.append((here, before))
            continue
        if key in first:
            document.twice.add(here)
            document.problems.append((here, f"is there twice, first on line {first[key]}; remove one"))
        document.lines[here] = line
        found[key] = _plain(value_node, here, document, environ)
    return found


def _scalar(node: yaml.Node, at: Location, document: Document, environ: Mapping[str, str]) -> object:
    text = str(node.value)
    if isinstance(node, yaml.ScalarNode) and not node.style:
        document.plain[at] = text
        if text.lower() in _NULLS:
            return None
        if text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
        if _NUMBER.fullmatch(text) and len(text) <= 18:
            return float(text) if "." in text else int(text)
        del document.plain[at]
    filled = _fill(text, at, document, environ)
    if at not in document.variables:
        document.literal.add(at)
    only = _VARIABLE.fullmatch(text)
    return Given(filled) if only and only[2] else filled


def _fill(text: str, at: Location, document: Document, environ: Mapping[str, str]) -> str:
    names = list(dict.fromkeys(match[2] for match in _VARIABLE.finditer(text) if match[2]))
    if names:
        document.variables[at] = names

    def value(match: re.Match[str]) -> str:
        if match[1] == "${":
            return "${"
        if match[2] is None:
            document.problems.append(
                (at, "'${' begins a variable name; write ${NAME}, or $${ for a plain '${'")
            )
            return match[0]
        if match[2] not in environ:
            document.unset.add(at)
            document.problems.append(
                (at, f"the environment variable {match[2]} is not set; set it, or write the value here")
            )
            return match[0]
        return environ[match[2]]

    filled = _VARIABLE.sub(value, text)
    if names and not filled:
        # Never meant: an empty folder is the settings' own, and an empty ACD type one that no event has.
        document.unset.add(at)
        words = (
            f"the environment variable {' and '.join(names)} is empty; fill it in, or write the value here"
        )
        document.problems.append((at, words))
        return text
    return filled
