"""What is sound in the settings, but not as it should be: said at the start and by `watcher check`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from watcher.content.json_schema import unchecked_formats
from watcher.core.names import shown
from watcher.disk.ours import user_name
from watcher.settings.settings import Config
from watcher.settings.strict_yaml import Document


def warnings(config: Config, document: Document, path: Path) -> list[str]:
    """Return what is sound, but not as it should be, as sentences; `document`: what `config` was read from,
    in the file `path`."""
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
    return found + _plain_http(config)


def _closing(path: Path, state: Path) -> str:
    """Return the command after which the service alone can read a file: its user is whose the state folder
    is."""
    try:
        owner = state.stat().st_uid
        chown = f"chown {user_name(owner)} {shown(str(path))} && " if owner != path.stat().st_uid else ""
    except OSError:
        chown = ""
    return f"{chown}chmod 600 {shown(str(path))}"


def _plain_http(config: Config) -> list[str]:
    """One warning, whichever and however many of the URLs it is about."""
    urls = {"wfm.api_url": config.wfm.api, "wfm.token_url": config.wfm.token}
    plain = {
        key: url for key, url in urls.items() if url.lower().startswith("http://") and not is_loopback(url)
    }
    if not plain:
        return []
    keys, verb = " and ".join(plain), "are" if len(plain) > 1 else "is"
    words = f"{' and '.join(plain.values())} {verb} not encrypted"
    return [f"{keys}: {words}: the token and the data can be read on the way"]


def is_loopback(url: str) -> bool:
    """Say whether a URL's host is this machine itself."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # a tenant in it that no host has
        return False
    return bool(re.fullmatch(r"localhost|127(\.\d+){3}|::1", host))
