"""Checks across the keys that name folders and files: each folder is another one, and none of our own files
lies where files are taken from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from watcher.core.route import compiled_glob
from watcher.settings.settings import Config, Folders
from watcher.settings.strict_yaml import Location
from watcher.settings.wrong import asked


def folder_problems(config: Config, path: Path, secret_file: object) -> list[tuple[Location, str]]:
    """Return what is wrong with the places in `config`, which was read from the file `path`.

    `secret_file`: `wfm.client_secret_file` as it is written there: in `config` is what the file holds.
    """
    drop = asked(lambda: config.folders.drop)
    if drop is None:
        return [*_same(config.folders)]
    secret = None
    if isinstance(secret_file, str):
        secret = Path(os.path.abspath(path.parent / secret_file))  # noqa: PTH100 - as below
    return [*_same(config.folders), *_settings_in_drop(drop, path), *_ours_in_drop(config, drop, secret)]


def _same(folders: Folders) -> Iterator[tuple[Location, str]]:
    seen: dict[Path, str] = {}
    for key in ("drop", "done", "failed", "state", "work_folder"):
        path = asked(partial(getattr, folders, key))
        if path is None:
            continue
        if path in seen:
            words = f"is the same folder as folders.{seen[path]}; each needs its own"
            yield ("folders", key.removesuffix("_folder")), words
        seen[path] = key


def _settings_in_drop(drop: Path, path: Path) -> Iterator[tuple[Location, str]]:
    """Whoever else's files lie beside the settings, these would be the first that is moved to failed."""
    # Of the drop folder nothing is asked: on a share that hangs, that would hang as well.
    here = os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links
    beside = {os.path.dirname(here), os.path.realpath(os.path.dirname(here))}  # noqa: PTH120
    beside.add(os.path.dirname(os.path.realpath(here)))  # noqa: PTH120
    if os.path.normcase(drop) in map(os.path.normcase, beside):
        words = (
            "holds the settings file itself, which would be taken for a dropped one; choose another folder"
        )
        yield ("folders", "drop"), words


def _ours_in_drop(config: Config, drop: Path, secret: Path | None) -> Iterator[tuple[Location, str]]:
    ignored = asked(lambda: [compiled_glob(glob) for glob in config.settle.ignore])
    for at, get in _files(config, secret):
        path = asked(get)
        if path is None or path.parent != drop or ignored is None:
            continue
        if not any(glob.fullmatch(path.name) for glob in ignored):
            yield at, "lies in the drop folder, and would be taken for a dropped file; choose another folder"


def _files(config: Config, secret: Path | None) -> Iterator[tuple[Location, Callable[[], Path | None]]]:
    yield ("wfm", "client_secret_file"), lambda: secret
    yield ("wfm", "ca_file"), lambda: config.wfm.ca_file
    yield ("wfm", "client_cert"), lambda: config.wfm.client_cert
    yield ("wfm", "client_key"), lambda: config.wfm.client_key
    yield ("log", "file"), lambda: config.log.file
    for index, route in enumerate(asked(lambda: config.routes) or ()):
        yield ("routes", index, "schema"), partial(getattr, route, "schema_file")
