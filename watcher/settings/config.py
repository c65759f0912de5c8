"""Reads the settings: YAML to models, every problem reported at once, with its line and its remedy.

It checks what can be known from the text alone; `watcher check` tests folders and servers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from watcher.core.errors import ConfigError
from watcher.core.names import shown
from watcher.settings.cautions import warnings
from watcher.settings.secrets import withhold
from watcher.settings.settings import Config
from watcher.settings.strict_yaml import Document, parse
from watcher.settings.validation import validated


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
    return config, warnings(config, document, path)


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
    config, problems = validated(document, path, environ if file else None)
    if config is None or problems:
        told = sorted(problems)
        raise ConfigError([f"{name}:{line}: {f'{key}: ' if key else ''}{words}" for line, key, words in told])
    return config, document
