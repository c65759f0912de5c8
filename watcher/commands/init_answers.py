"""The answers of `watcher init`, checked as they are given; what is wrong is a ValueError with the remedy."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from watcher.core.names import shown
from watcher.settings.cautions import is_loopback
from watcher.settings.setting_types import header_text, home_problem, web_url

FOLDERS = ("drop", "done", "failed", "state")
# Where the vendor's page has the token endpoint, below the login server's address.
_TOKEN_PATH = "/auth/realms/{tenant}/protocol/openid-connect/token"


@dataclass(frozen=True, slots=True)
class Answers:
    """All that the settings are made of."""

    tenant: str
    api_url: str
    token_url: str
    client_id: str
    secret_file: str | None  # None: the secret is in an environment variable
    folders: Mapping[str, str]  # by FOLDERS, as they are to be written
    acd_type: str
    sandbox: int | None = None  # the port of the stand-in, whose settings they are


def tenant(text: str) -> str:
    """Return the tenant: it goes into a header and a URL."""
    try:
        return header_text(text.strip())
    except ValueError as error:
        raise ValueError(f"the tenant {error}") from None


def url(text: str, what: str) -> str:
    """Return a URL; `what`: it is the address of."""
    try:
        return web_url(text.strip())
    except ValueError as error:
        raise ValueError(f"{what} {error}") from None


def server(text: str) -> tuple[str, str]:
    """Return tenant and API address out of `acme https://acme.host`, or the latter alone.

    The vendor's page has the API at `http://<tenant>.<host>:<port>`.

    >>> server("https://acme.example.com")
    ('acme', 'https://acme.example.com')
    """
    named, _, address = text.strip().rpartition(" ")
    address = url(address, "the address of the API")
    if not named:
        host = urlsplit(address).hostname or ""
        if host.count(".") < 2 or host.replace(".", "").isdigit() or ":" in host or "{" in host:
            raise ValueError("the tenant is not seen in this address; put it before: acme " + address)
        named = host.partition(".")[0]
    return tenant(named), address


def usual_token_url(named: str, api_url: str) -> str:
    """Return where the vendor's page has the token endpoint of a tenant, "" where the API is elsewhere.

    >>> usual_token_url("acme", "https://acme.example.com")
    'https://sso.example.com/auth/realms/{tenant}/protocol/openid-connect/token'
    """
    api_url = api_url.replace("{tenant}", named)
    parts = urlsplit(api_url)
    if is_loopback(api_url):
        return f"{parts.scheme}://{parts.netloc}{_TOKEN_PATH}"
    if not parts.netloc.startswith(f"{named}."):
        return ""
    return f"{parts.scheme}://sso.{parts.netloc.removeprefix(f'{named}.')}{_TOKEN_PATH}"


def client_id(text: str) -> str:
    """Return the client's id."""
    return _plain(text, "the client's id")


def acd_type(text: str) -> str:
    """Return the ACD type."""
    return _plain(text, "--acd-type")


def _plain(text: str, what: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError(f"{what} must be a text of characters that can be printed")
    return text.strip()


def client(text: str, settings: Path) -> tuple[str, str | None]:
    """Return the client's id, and the file with its secret, out of `wfm-importer /etc/watcher/wfm-secret`."""
    named, _, file = text.strip().partition(" ")
    return client_id(named), secret_file(file.strip(), settings) if file.strip() else None


def secret_file(text: str, settings: Path) -> str:
    """Return the file with the secret. What may be the secret itself is refused, and not shown: it would land
    in the settings."""
    if not re.match(r"\.{0,2}/|[A-Za-z]:[/\\]|\\\\|~", text) and not absolute(text, settings).is_file():
        raise ValueError("the secret's file is not there; write its whole path, and never the secret itself")
    return path(text, "the secret's file")


def path(text: str, what: str) -> str:
    """Return a path as it is to be written; `what` it is."""
    if not text or not text.isprintable():
        raise ValueError(f"{what} must be a path of characters that can be printed")
    if words := home_problem(text):
        raise ValueError(f"{what} {shown(text)} {words}")
    return text


def folders(text: str, settings: Path) -> dict[str, str]:
    """Return the four folders, out of one that all are to be in, or of all four with commas between.

    `settings`: their file, to whose folder they are relative. None may be in another: what is in the drop
    folder is under other people's hands, and the settings are no file to be delivered.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 1:
        base = path(parts[0], "the folder")
        prefix = "." if base == "." else base.rstrip("/\\")
        parts = [f"{prefix}/{name}" for name in FOLDERS]
    if len(parts) != len(FOLDERS):
        raise ValueError(f"give one folder, or four with commas between: {', '.join(FOLDERS)}")
    found = {name: path(part, f"folders.{name}") for name, part in zip(FOLDERS, parts, strict=True)}
    whole = {name: absolute(part, settings) for name, part in found.items()}
    if whole["drop"] == absolute(".", settings):
        raise ValueError("folders.drop is the folder of the settings, which would be taken; name another")
    for name, folder in whole.items():
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"folders.{name} {shown(found[name])} is a file; name a folder")
        for other, outer in whole.items():
            if name != other and (folder == outer or outer in folder.parents):
                which = "the same as" if folder == outer else "inside"
                raise ValueError(f"folders.{name} is {which} folders.{other}; each needs a place of its own")
    return found


def absolute(text: str, settings: Path) -> Path:
    """Return the whole path of what stands in the settings."""
    base = Path(os.path.abspath(settings)).parent  # noqa: PTH100 - resolve() would follow links
    return Path(os.path.abspath(base / text))  # noqa: PTH100 - as above
