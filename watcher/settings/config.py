"""Reads the settings: YAML to models, every problem reported at once, with its line and its remedy.

It checks what can be known from the text alone; `watcher check` tests folders and servers.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from watcher.content.json_schema import unchecked_formats
from watcher.core.errors import ConfigError
from watcher.core.names import shown
from watcher.disk.ours import user_name
from watcher.settings.presets import build_routes, circle, route_problems, schema_problems
from watcher.settings.secrets import read_secret, secret_problem, withhold
from watcher.settings.setting_types import kinds
from watcher.settings.settings import Config, Folders
from watcher.settings.shape_problems import shape_problems
from watcher.settings.strict_yaml import Document, Location, parse


def find(option: Path | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the settings file: the `-c` option, else `$WATCHER_CONFIG`, else `./config.yaml`."""
    return option or Path(environ.get("WATCHER_CONFIG") or "config.yaml")


def load(
    path: Path, environ: Mapping[str, str] = os.environ, *, secrets: bool = True
) -> tuple[Config, list[str]]:
    """Read the settings; returns them with warnings (sentences). Raises `ConfigError` with all problems.

    `secrets` False: for commands that send nothing. What is secret need not be there, nor be readable.
    """
    return _read(path, environ, withheld=not secrets, file=secrets)


def _read(path: Path, environ: Mapping[str, str], *, withheld: bool, file: bool) -> tuple[Config, list[str]]:
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
    config, document = _parsed(text, path, environ, withheld=withheld, file=file)
    return config, _warnings(config, document, path)


def load_without(
    path: Path, environ: Mapping[str, str] = os.environ
) -> tuple[Config, list[str], list[tuple[str, str]]]:
    """Read the settings, also where what is secret is not there, or cannot be read: returns them, their
    warnings, and what is missing, as key and words. Raises `ConfigError` for every other problem.
    """
    config, warnings, missing = _despite(path, environ)
    return config, warnings, [(key, words) for key, words, _ in missing]


def load_to_send(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read the settings for a command that sends, and serves no page: the secrets of `status` and `notify`
    are the service's alone. Raises `ConfigError`."""
    config, _, missing = _despite(path, environ)
    if needed := [problem for key, _, problem in missing if key.startswith("wfm.")]:
        raise ConfigError(needed)
    return config


def _despite(path: Path, environ: Mapping[str, str]) -> tuple[Config, list[str], list[tuple[str, str, str]]]:
    """Read the settings, whether or not their secrets are there; what is missing as key, words, and both with
    the line. Raises `ConfigError` for every other problem."""
    try:
        return *load(path, environ), []
    except ConfigError as error:
        begin = re.escape(shown(str(path))) + r":\d+: "
        parts = [(re.sub(f"^{begin}", "", problem).partition(": "), problem) for problem in error.problems]
        missing = [(key, words, problem) for (key, _, words), problem in parts]
        try:
            file = "wfm.client_secret_file" not in {key for key, _, _ in missing}
            return *_read(path, environ, withheld=True, file=file), missing
        except ConfigError:
            raise error from None  # which names the others as well


def parsed(text: str, path: Path, environ: Mapping[str, str]) -> Config:
    """Return the settings that a file at `path` with this text would hold. Raises `ConfigError`."""
    return _parsed(text, path, environ, withheld=False, file=True)[0]


def _parsed(
    text: str, path: Path, environ: Mapping[str, str], *, withheld: bool, file: bool
) -> tuple[Config, Document]:
    """`withheld`: what is not there of secrets is no problem; `file`: the secret's file is read."""
    name = shown(str(path))
    document = parse(text, environ)
    if withheld:
        withhold(document)
    if not document.problems and not isinstance(document.data, dict):
        what = "is empty" if document.data is None else "holds no `key: value` lines"
        raise ConfigError(f"{name}: {what}; begin with a copy of config.example.yaml")
    config, problems = _validate(document, path, environ if file else None)
    if config is None or problems:
        placed = sorted((_line(document, at), _key(at), words) for at, words in problems)
        raise ConfigError(
            [f"{name}:{line}: {f'{key}: ' if key else ''}{words}" for line, key, words in placed]
        )
    return config, document


def _validate(
    document: Document, path: Path, environ: Mapping[str, str] | None
) -> tuple[Config | None, list[tuple[Location, str]]]:
    problems = list(document.problems)
    if not isinstance(document.data, dict):
        return None, problems
    data: dict[str, Any] = document.data
    config = None
    base = Path(os.path.abspath(path)).parent  # noqa: PTH100 - resolve() would follow links
    if environ is not None:
        problems += read_secret(data, base, environ)
    try:
        config = Config.model_validate(data, context={"base": base})
    except ValidationError as error:
        problems += [_in_words(details) for details in error.errors(include_input=False, include_url=False)]
    problems += route_problems(data)
    if secret := secret_problem(data):
        problems.append(secret)
    if config is not None and not problems:
        problems += _folder_problems(config.folders) + schema_problems(config)
    if config is not None and not problems:
        problems += shape_problems(config)
    if config is not None and not problems:
        problems += circle(build_routes(config))
        if (config.wfm.client_cert is None) != (config.wfm.client_key is None):
            problems.append((("wfm", "client_cert"), "give both client_cert and client_key"))
    # One problem a key: a value that could not be filled in would be called wrong a second time.
    first: dict[Location, str] = {}
    for at, words in problems:
        first.setdefault(at, words)
    return config, list(first.items())


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
    close = _closing(path, config.folders.state)
    open_to_others = os.name != "nt" and bool(path.stat().st_mode & 0o077)
    if ("wfm", "client_secret") in document.literal and open_to_others:
        found.append(
            f"{shown(str(path))}: holds the client secret and others can read it; {close}, or use"
            " ${WFM_CLIENT_SECRET}"
        )
    if any(at[:2] == ("notify", "urls") for at in document.literal) and open_to_others:
        found.append(
            f"{shown(str(path))}: holds the URLs of notify, which may hold passwords, and others can read it;"
            f" {close}, or use ${{NOTIFY_URL}}"
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
                f"{shown(str(path))}: holds status.{key} and others can read it; {close}, or use"
                f" ${{STATUS_{key.upper()}}}"
            )
    for key, url in (("api_url", config.wfm.api), ("token_url", config.wfm.token)):
        if url.startswith("http://") and not is_loopback(url):
            found.append(f"wfm.{key}: {url} is not encrypted: the token and the data can be read on the way")
    return found


def _closing(path: Path, state: Path) -> str:
    """Return the command after which the service alone can read a file: its user is whose the state folder
    is."""
    try:
        owner = state.stat().st_uid
        chown = f"chown {user_name(owner)} {shown(str(path))} && " if owner != path.stat().st_uid else ""
    except OSError:
        chown = ""
    return f"{chown}chmod 600 {shown(str(path))}"


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
    "too_short": "is empty; add an item, or remove the key",
    "path_type": "must be a path; put it in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
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
        case "less_than" | "less_than_equal":
            return at, f"must be {'less than' if 'lt' in details['ctx'] else 'at most'} {_bound(details)}"
        case _:
            # Whatever it is, it is not said in the library's words, which are about its own types.
            return at, "is not of the kind that belongs here; `watcher manual settings` tells of every key"


def _bound(details: ErrorDetails) -> str:
    return f"{next(iter(details['ctx'].values())):g}"


def _unknown_key(at: Location) -> str:
    model: type[BaseModel] = Config
    for part in at[:-1]:
        if isinstance(part, str):
            field = next(field for name, field in model.model_fields.items() if part in (name, field.alias))
            model = next(kind for kind in kinds(field.annotation) if issubclass(kind, BaseModel))
    keys = [field.alias or name for name, field in model.model_fields.items()]
    close = difflib.get_close_matches(str(at[-1]), keys, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the keys here are {', '.join(keys)}"
    return f"unknown key; {hint}"


def _line(document: Document, at: Location) -> int:
    while at and at not in document.lines:
        at = at[:-1]
    return document.lines.get(at, 1)


def _key(at: Location) -> str:
    text = ""
    for part in at:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
