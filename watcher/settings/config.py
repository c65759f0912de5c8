"""Reads the settings: YAML to models, every problem reported at once, with its line and its remedy.

It checks what can be known from the text alone; `watcher check` tests folders and servers.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from watcher.content.json_schema import unchecked_formats
from watcher.core.errors import ConfigError
from watcher.core.names import shown
from watcher.settings.presets import build_routes, circle, route_problems, schema_problems
from watcher.settings.settings import Config, Folders
from watcher.settings.strict_yaml import Document, Location, parse


def find(option: Path | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the settings file: the `-c` option, else `$WATCHER_CONFIG`, else `./config.yaml`."""
    return option or Path(environ.get("WATCHER_CONFIG") or "config.yaml")


def load(path: Path, environ: Mapping[str, str] = os.environ) -> tuple[Config, list[str]]:
    """Read the settings; returns them with warnings (sentences). Raises `ConfigError` with all problems."""
    name = shown(str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"{name}: there is no such file; copy config.example.yaml, or name yours with -c"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}") from None
    document = parse(text, environ)
    if not document.problems and not isinstance(document.data, dict):
        what = "is empty" if document.data is None else "holds no `key: value` lines"
        raise ConfigError(f"{name}: {what}; begin with a copy of config.example.yaml")
    config, problems = _validate(document, path, environ)
    if config is None or problems:
        placed = sorted((_line(document, at), _key(at), words) for at, words in problems)
        raise ConfigError(
            [f"{name}:{line}: {f'{key}: ' if key else ''}{words}" for line, key, words in placed]
        )
    return config, _warnings(config, document, path)


def _validate(
    document: Document, path: Path, environ: Mapping[str, str]
) -> tuple[Config | None, list[tuple[Location, str]]]:
    problems = list(document.problems)
    if not isinstance(document.data, dict):
        return None, problems
    data: dict[str, Any] = document.data
    config = None
    base = Path(os.path.abspath(path)).parent  # noqa: PTH100 - resolve() would follow links
    problems += _read_secret(data, base, environ)
    try:
        config = Config.model_validate(data, context={"base": base})
    except ValidationError as error:
        problems += [_in_words(details) for details in error.errors(include_input=False, include_url=False)]
    problems += route_problems(data)
    if secret := _secret_problem(data):
        problems.append(secret)
    if config is not None and not problems:
        problems += _folder_problems(config.folders) + schema_problems(config)
    if config is not None and not problems:
        problems += circle(build_routes(config))
        if (config.wfm.client_cert is None) != (config.wfm.client_key is None):
            problems.append((("wfm", "client_cert"), "give both client_cert and client_key"))
    # One problem a key: a value that could not be filled in would be called wrong a second time.
    first: dict[Location, str] = {}
    for at, words in problems:
        first.setdefault(at, words)
    return config, list(first.items())


def _secret_problem(data: Mapping[str, Any]) -> tuple[Location, str] | None:
    wfm = data.get("wfm")
    if isinstance(wfm, dict) and (wfm.get("client_secret") is None) == (
        wfm.get("client_secret_file") is None
    ):
        return ("wfm", "client_secret"), "give either client_secret or client_secret_file"
    return None


def _read_secret(data: dict[str, Any], base: Path, environ: Mapping[str, str]) -> list[tuple[Location, str]]:
    """Put the content of `client_secret_file` where `client_secret` would be."""
    wfm = data.get("wfm")
    if not isinstance(wfm, dict) or not isinstance(wfm.get("client_secret_file"), str):
        return []
    at: Location = ("wfm", "client_secret_file")
    # systemd's LoadCredential= puts secrets into this folder.
    folders = [Path(environ["CREDENTIALS_DIRECTORY"])] if environ.get("CREDENTIALS_DIRECTORY") else []
    # ... under the file's name alone: the path is that of the original, which the service cannot read.
    named = Path(wfm["client_secret_file"])
    candidates = [*(folder / named.name for folder in folders), base / named]
    found = next((candidate for candidate in candidates if candidate.is_file()), candidates[-1])
    try:
        secret = found.read_text(encoding="utf-8-sig").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        return [(at, f"{shown(str(found))} cannot be read: {why}; check the path and its permissions")]
    if not secret:
        return [(at, f"{shown(str(found))} is empty; put the client secret into it")]
    if wfm.get("client_secret") is None:
        data["wfm"] = {**wfm, "client_secret": secret, "client_secret_file": None}
    return []


def _folder_problems(folders: Folders) -> list[tuple[Location, str]]:
    seen: dict[Path, str] = {}
    problems: list[tuple[Location, str]] = []
    for key in ("drop", "done", "failed", "state", "work_folder"):
        path = getattr(folders, key)
        if path in seen:
            words = f"is the same folder as folders.{seen[path]}; each needs its own"
            problems.append((("folders", key.removesuffix("_folder")), words))
        seen[path] = key
    return problems


def _warnings(config: Config, document: Document, path: Path) -> list[str]:
    found = []
    open_to_others = os.name != "nt" and bool(path.stat().st_mode & 0o077)
    if ("wfm", "client_secret") in document.literal and open_to_others:
        found.append(
            f"{shown(str(path))}: holds the client secret and others can read it; chmod 600, or use"
            " ${WFM_CLIENT_SECRET}"
        )
    if any(at[:2] == ("notify", "urls") for at in document.literal) and open_to_others:
        found.append(
            f"{shown(str(path))}: holds the URLs of notify, which may hold passwords, and others can read it;"
            " chmod 600, or use ${NOTIFY_URL}"
        )
    if config.notify is None and any(route.expect for route in config.routes):
        found.append("routes have expect, but there is no notify: nobody will be told when no file comes")
    for index, route in enumerate(config.routes):
        schema = route.schema_file.read_text(encoding="utf-8-sig") if route.schema_file else "{}"
        if formats := unchecked_formats(schema):
            found.append(f"routes[{index}].schema: nothing is checked for format: {', '.join(formats)}")
    for key in ("password", "token"):
        if ("status", key) in document.literal and open_to_others:
            found.append(
                f"{shown(str(path))}: holds status.{key} and others can read it; chmod 600, or use"
                f" ${{STATUS_{key.upper()}}}"
            )
    for key, url in (("api_url", config.wfm.api), ("token_url", config.wfm.token)):
        if url.startswith("http://") and not is_loopback(url):
            found.append(f"wfm.{key}: {url} is not encrypted: the token and the data can be read on the way")
    return found


def is_loopback(url: str) -> bool:
    """Say whether a URL's host is this machine itself."""
    host = re.sub(r"^https?://", "", url).split("/")[0].rpartition("@")[2]
    return bool(re.fullmatch(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?", host))


# What pydantic calls a fault, and what is said of it.
_WORDS = {
    "missing": "is missing; add it",
    "string_type": "must be text; put it in quotes",
    "model_type": "must hold `key: value` lines",
    "dict_type": "must hold `key: value` lines",
    "tuple_type": "must be a list; begin each item with '- '",
    "string_too_short": "must not be empty",
    "path_type": "must be a path; put it in quotes",
}
_WORDS |= dict.fromkeys(
    ("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "must be a whole number"
)
_WORDS |= dict.fromkeys(("float_parsing", "float_type", "finite_number"), "must be a number such as 200")


def _in_words(details: ErrorDetails) -> tuple[Location, str]:
    at: Location = details["loc"]
    match details["type"]:
        case known if known in _WORDS:
            return at, _WORDS[known]
        case "extra_forbidden":
            return at, _unknown_key(at)
        case "literal_error":
            return at, f"must be {details['ctx']['expected']}"
        case "value_error":
            return at, str(details["ctx"]["error"])
        case "greater_than" | "greater_than_equal":
            return at, f"must be {'more than' if 'gt' in details['ctx'] else 'at least'} {_bound(details)}"
        case "less_than_equal":
            return at, f"must be at most {_bound(details)}"
        case _:
            return at, details["msg"][0].lower() + details["msg"][1:]


def _bound(details: ErrorDetails) -> str:
    return f"{next(iter(details['ctx'].values())):g}"


def _unknown_key(at: Location) -> str:
    model: type[BaseModel] = Config
    for part in at[:-1]:
        if isinstance(part, str):
            field = next(field for name, field in model.model_fields.items() if part in (name, field.alias))
            model = next(_models(field.annotation))
    keys = [field.alias or name for name, field in model.model_fields.items()]
    close = difflib.get_close_matches(str(at[-1]), keys, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the keys here are {', '.join(keys)}"
    return f"unknown key; {hint}"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models in a type: `Folders`, or the one in `tuple[Annotated[ColumnSettings, ...], ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _line(document: Document, at: Location) -> int:
    while at and at not in document.lines:
        at = at[:-1]
    return document.lines.get(at, 1)


def _key(at: Location) -> str:
    text = ""
    for part in at:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
