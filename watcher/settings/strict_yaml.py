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
_VARIABLE = re.compile(r"\$(\$\{|\{([A-Za-z_][A-Za-z0-9_]*)\}|\{)")

_FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # where PyYAML was built with libyaml


@dataclass(slots=True)
class Document:
    """What was read: the data, the line (from 1) of every key, and what is wrong so far."""

    data: object = None
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[tuple[Location, str]] = field(default_factory=list)
    unset: set[Location] = field(default_factory=set)  # text with a ${NAME} that the environment has not
    literal: set[Location] = field(default_factory=set)  # text written out, with no ${NAME} in it


def parse(text: str, environ: Mapping[str, str]) -> Document:
    """Parse `text`, filling in `${NAME}` from `environ` (`$${` stays `${`). Never raises for bad input."""
    document = Document()
    try:
        node = _composed(text)
        if node is not None:
            document.lines[()] = node.start_mark.line + 1
            document.data = _plain(node, (), document, environ)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        document.lines[()] = line
        document.problems.append(((), f"not YAML: {_unquoted(error)}; {_remedy(text, line)}"))
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


def _remedy(text: str, line: int) -> str:
    found = (text.splitlines() or [""])[min(line, len(text.splitlines())) - 1] if text.strip() else ""
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
    for key_node, value_node in node.value:
        key = str(key_node.value)
        here = (*at, key)
        line = key_node.start_mark.line + 1
        if key in found:
            document.problems.append(
                (here, f"is there twice, first on line {document.lines[here]}; remove one")
            )
        document.lines[here] = line
        found[key] = _plain(value_node, here, document, environ)
    return found


def _scalar(node: yaml.Node, at: Location, document: Document, environ: Mapping[str, str]) -> object:
    text = str(node.value)
    if isinstance(node, yaml.ScalarNode) and not node.style:
        if text.lower() in _NULLS:
            return None
        if text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
        if _NUMBER.fullmatch(text) and len(text) <= 18:
            return float(text) if "." in text else int(text)
    if not any(match[2] for match in _VARIABLE.finditer(text)):
        document.literal.add(at)
    return _fill(text, at, document, environ)


def _fill(text: str, at: Location, document: Document, environ: Mapping[str, str]) -> str:
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

    return _VARIABLE.sub(value, text)
