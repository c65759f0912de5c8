"""The four questions of `watcher init`, and what it does with the answers.

A secret is never asked for: the settings name the environment variable, or the file, that holds it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from watcher.commands import init_answers as check
from watcher.commands.init_answers import FOLDERS, Answers, absolute
from watcher.commands.init_text import SECRET_VARIABLE, settings_text
from watcher.commands.program import command_line
from watcher.core.errors import ConfigError
from watcher.core.names import shown
from watcher.disk import files

_Answer = TypeVar("_Answer")


class Ask:
    """Somebody at a terminal: `line` shows a question and returns the answer, `say` shows a line."""

    def __init__(self, line: Callable[[str], str], say: Callable[[str], None]) -> None:
        self.line = line
        self.say = say


@dataclass(frozen=True, slots=True)
class Given:
    """The options, as they were given; None: it was not."""

    tenant: str | None
    api_url: str | None
    token_url: str | None
    client_id: str | None
    secret_file: str | None
    folders: str | None
    acd_type: str
    sandbox: int | None  # the port of `watcher sandbox`


def answered(given: Given, settings: Path, ask: Ask | None) -> Answers:
    """Return all answers: those given, and what is missing by questions, of which each is asked until its
    answer is sound.

    `settings`: where they will be; `ask` None: there is nobody to ask.
    Raises ValueError for what is given and cannot be used, or is missing.
    """
    if given.sandbox is not None:
        return _for_sandbox(given, given.sandbox, settings)
    missing = [
        option
        for option, value in (
            ("--tenant", given.tenant),
            ("--api-url", given.api_url),
            ("--token-url", given.token_url),
            ("--client-id", given.client_id),
            ("--folders", given.folders),
        )
        if value is None
    ]
    # What was given is looked at before anything is asked.
    tenant = None if given.tenant is None else check.tenant(given.tenant)
    api_url = None if given.api_url is None else check.url(given.api_url, "--api-url")
    token_url = None if given.token_url is None else check.url(given.token_url, "--token-url")
    client_id = None if given.client_id is None else check.client_id(given.client_id)
    secret_file = None if given.secret_file is None else check.secret_file(given.secret_file, settings)
    folders = None if given.folders is None else check.folders(given.folders, settings)
    acd_type = check.acd_type(given.acd_type)
    if missing and ask is None:
        raise ValueError(f"there is no terminal to ask on: give {', '.join(missing)} (or --sandbox PORT)")
    if ask is not None and (tenant is None or api_url is None):
        tenant, api_url = _server(ask, tenant, api_url)
    assert tenant is not None
    assert api_url is not None
    if ask is not None and token_url is None:
        token_url = _token_url(ask, tenant, api_url)
    if ask is not None and client_id is None:
        client_id, secret_file = _client(ask, secret_file, settings)
    if ask is not None and folders is None:
        words = f"4 of 4  Folder for {', '.join(FOLDERS)} (or four, with commas between)"
        folders = _asked(ask, words, ".", lambda text: check.folders(text, settings))
    assert token_url is not None
    assert client_id is not None
    assert folders is not None
    return Answers(tenant, api_url, token_url, client_id, secret_file, folders, acd_type)


def _for_sandbox(given: Given, port: int, settings: Path) -> Answers:
    others = (given.tenant, given.api_url, given.token_url, given.client_id, given.secret_file)
    if any(value is not None for value in others):
        raise ValueError("--sandbox says who the server is: leave out what is said of another")
    url = f"http://127.0.0.1:{port}"
    folders = check.folders(given.folders or ".", settings)
    token_url = check.usual_token_url("demo", url)
    acd_type = check.acd_type(given.acd_type)
    return Answers("demo", url, token_url, "wfm-importer", None, folders, acd_type, sandbox=port)


def _server(ask: Ask, tenant: str | None, api_url: str | None) -> tuple[str, str]:
    if api_url is not None:
        return _asked(ask, "1 of 4  Tenant", "", check.tenant), api_url
    if tenant is not None:
        words = "1 of 4  Address of the API, such as https://acme.myeleveo.com"
        return tenant, _asked(ask, words, "", lambda text: check.url(text, "the address of the API"))
    words = "1 of 4  Tenant and address of the API, such as: acme https://acme.myeleveo.com"
    return _asked(ask, words, "", check.server)


def _token_url(ask: Ask, tenant: str, api_url: str) -> str:
    usual = check.usual_token_url(tenant, api_url)
    words = "2 of 4  Address of the token endpoint, by which the agent logs in"
    return _asked(ask, words, usual, lambda text: check.url(text, "the address of the token endpoint"))


def _client(ask: Ask, secret_file: str | None, settings: Path) -> tuple[str, str | None]:
    if secret_file is not None:
        return _asked(ask, "3 of 4  Client id", "wfm-importer", check.client_id), secret_file
    words = (
        f"3 of 4  Client id, and the file with its secret (without one: ${{{SECRET_VARIABLE}}}), such as:"
        " wfm-importer /etc/watcher/wfm-secret"
    )
    return _asked(ask, words, "wfm-importer", lambda text: check.client(text, settings))


def _asked(ask: Ask, question: str, default: str, read: Callable[[str], _Answer]) -> _Answer:
    """Ask until there is an answer that can be used."""
    shown_default = f" [{default}]" if default else ""
    while True:
        text = ask.line(f"{question}{shown_default}: ").strip() or default
        try:
            return read(text)
        except ValueError as error:
            ask.say(f"  {error}")


def wants_folders(answers: Answers, settings: Path, ask: Ask | None) -> bool:
    """Ask whether folders that are not there are to be made; without a terminal they are not."""
    missing = _missing(answers, settings)
    if ask is None or answers.sandbox is not None or not missing:
        return False
    return ask.line(f"Make {', '.join(map(shown, missing))} now? [y/N]: ").strip().lower() in ("y", "yes")


def _missing(answers: Answers, settings: Path) -> list[str]:
    return [path for path in answers.folders.values() if not absolute(path, settings).exists()]


def write(answers: Answers, settings: Path, say: Callable[[str], None], *, make_folders: bool) -> None:
    """Write the settings, with `make_folders` the folders too, and say what comes next.

    For us alone where a secret stands in them, if only the stand-in's. Raises `ConfigError`.
    """
    where = settings
    try:
        files.write_new(settings, settings_text(answers).encode(), private=answers.sandbox is not None)
        say(f"{shown(str(settings))}: written")
        for name in FOLDERS if make_folders else ():
            where = absolute(answers.folders[name], settings)
            files.make_shared_folder(where.parent)
            make = files.make_folder if name == "state" else files.make_shared_folder
            make(where)
    except OSError as error:
        why = "is there by now" if isinstance(error, FileExistsError) else f"cannot be made: {error.strerror}"
        raise ConfigError(f"{shown(str(where))} {why}") from None
    say("\nnext:")
    for line in _next(answers, settings):
        say(f"  {line}")


def _next(answers: Answers, settings: Path) -> Iterator[str]:
    if missing := _missing(answers, settings):
        yield shlex.join(["mkdir", "-p", *(str(absolute(path, settings)) for path in missing)])
    if answers.sandbox is not None:
        yield f"{command_line('sandbox', '--port', str(answers.sandbox))}   # in another terminal"
    elif answers.secret_file is None and os.name == "nt":
        yield f'$env:{SECRET_VARIABLE} = "..."   # in PowerShell: the client secret'
    elif answers.secret_file is None:
        yield f"read -rs {SECRET_VARIABLE} && export {SECRET_VARIABLE}   # type or paste the client secret"
    elif not absolute(answers.secret_file, settings).exists():
        file = shlex.quote(str(absolute(answers.secret_file, settings)))
        yield f"(umask 077 && cat > {file})   # paste the client secret, Enter, Ctrl-D"
    named = ("-c", os.path.abspath(settings))  # noqa: PTH100 - resolve() would follow links
    yield command_line("check", *named)
    yield command_line("run", *named)
