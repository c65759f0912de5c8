"""What every way to run the agent as a service asks of the settings: time to stop, packages, places."""

from __future__ import annotations

import math
from pathlib import Path

from watcher.core.conversation import MOST_PATIENCE
from watcher.settings.presets import build_routes
from watcher.settings.settings import Config
from watcher.wfm.bounds import seconds_for


def longest_stop_seconds(config: Config) -> int:
    """Return what the largest request may take to a server that answers at the last moment, and some more."""
    sizes = [config.upload.chunk_bytes, *(route.max_json for route in build_routes(config))]
    return math.ceil(seconds_for(max(sizes), config.wfm.timeout, MOST_PATIENCE)) + 30


def extras(config: Config) -> list[str]:
    """Return the extras of the package that these settings need, by name."""
    needed = {"notify": config.notify, "web": config.status}
    return [name for name, settings in needed.items() if settings is not None]


def source(config: Config) -> str:
    """Return what pip installs in the folder of the source: `.`, or with the extras, `.[notify,web]`."""
    return f".[{','.join(extras(config))}]" if extras(config) else "."


def writable_folders(config: Config) -> list[Path]:
    """Return the folders that the agent writes to, the state folder too."""
    folders = config.folders
    found = [folders.drop, folders.done, folders.failed, folders.state]
    found += [folders.work] if folders.work else []
    found += [config.log.file.parent] if config.log.file else []
    return list(dict.fromkeys(found))


def other_files(config: Config) -> list[Path]:
    """Return the files beside the settings and the secret that it reads: certificates and schemas."""
    wfm = config.wfm
    schemas = [route.schema_file for route in config.routes]
    return [path for path in (wfm.ca_file, wfm.client_cert, wfm.client_key, *schemas) if path is not None]
