"""Where the secrets of the settings come from, and how to do without those that are not needed.

`watcher status` and others send nothing, and are run by people whose shell has no secret: what the service
gets from its environment, or from a file that it alone may read, does not keep them from their work.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from watcher.core.names import shown
from watcher.settings.setting_types import home_problem, kinds
from watcher.settings.settings import Config
from watcher.settings.strict_yaml import Document, Location


def withhold(document: Document) -> None:
    """Forget what is not there of secrets: a variable that is not set, or empty, is no problem in them.

    The text stays as it is written, but for a proxy's, which would have to be a URL: there is none then.
    """
    # Whoever asks the journal needs the way to it.
    secret = secret_keys() - {("journal",)}
    unset = [at for at in document.unset if tuple(part for part in at if isinstance(part, str)) in secret]
    document.problems = [problem for problem in document.problems if problem[0] not in unset]
    if ("wfm", "proxy") in unset and isinstance(document.data, dict) and "wfm" in document.data:
        document.data["wfm"] = {**document.data["wfm"], "proxy": None}
    for _, before in document.displaced:
        withhold(before)


def secret_keys() -> frozenset[tuple[str, ...]]:
    """Return the keys of everything that is secret, by its type; without the numbers of items."""
    return frozenset(_secret_keys(Config, ()))


def _secret_keys(model: type[BaseModel], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        at = (*above, field.alias or name)
        for kind in kinds(field.annotation):
            if issubclass(kind, SecretStr):
                yield at
            elif issubclass(kind, BaseModel):
                yield from _secret_keys(kind, at)


def secret_problem(data: Mapping[str, Any]) -> tuple[Location, str] | None:
    """Say what is wrong where the secret stands in both places, or in none."""
    wfm = data.get("wfm")
    if isinstance(wfm, dict) and (wfm.get("client_secret") is None) == (
        wfm.get("client_secret_file") is None
    ):
        return ("wfm", "client_secret"), "give either client_secret or client_secret_file"
    return None


def read_secret(data: dict[str, Any], base: Path, environ: Mapping[str, str]) -> list[tuple[Location, str]]:
    """Put what is in `client_secret_file` where `client_secret` would be; returns what is wrong with it."""
    wfm = data.get("wfm")
    if not isinstance(wfm, dict) or not isinstance(wfm.get("client_secret_file"), str):
        return []
    at: Location = ("wfm", "client_secret_file")
    if not wfm["client_secret_file"].strip():
        return [(at, "is empty; write the path of the file that holds the client secret")]
    if words := home_problem(wfm["client_secret_file"]):
        return [(at, words)]
    # systemd's LoadCredential= puts secrets into this folder.
    folders = [Path(environ["CREDENTIALS_DIRECTORY"])] if environ.get("CREDENTIALS_DIRECTORY") else []
    # ... under the file's name alone: the path is that of the original, which the service cannot read.
    named = Path(wfm["client_secret_file"])
    candidates = [*(folder / named.name for folder in folders), base / named]
    found = next((candidate for candidate in candidates if candidate.is_file()), candidates[-1])
    try:
        secret = _decoded(found.read_bytes())
    except OSError as error:
        why = f"cannot be read: {error.strerror}; check the path and its permissions"
        return [(at, f"{shown(str(found))} {why}")]
    except UnicodeDecodeError:
        return [(at, f"{shown(str(found))} cannot be read: no text in UTF-8; save it as UTF-8")]
    if problem := _problem(secret):
        return [(at, f"{shown(str(found))} {problem}")]
    if wfm.get("client_secret") is None:
        data["wfm"] = {**wfm, "client_secret": secret, "client_secret_file": None}
    return []


def _decoded(data: bytes) -> str:
    """Return the text of a secret's file without the ends of lines behind it. Raises UnicodeDecodeError.

    PowerShell 5 writes UTF-16 by `>` and Out-File, and Notepad a byte order mark, without being asked.
    """
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    return data.decode(encoding).rstrip("\r\n")


def _problem(secret: str) -> str | None:
    """Say what is wrong with what stands in a secret's file, without a word of it."""
    if not secret.strip():
        return "is empty; put the client secret into it"
    if "\n" in secret or "\r" in secret:
        return "holds several lines; put the client secret alone into it"
    if "\0" in secret:
        return "is UTF-16 without a byte order mark, or no text; save it as UTF-8"
    if secret != secret.strip():  # cmd.exe: `echo secret > FILE` writes the blank before the arrow, too
        return "begins or ends with a blank, which is no part of a secret; take it out"
    return None
