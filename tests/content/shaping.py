"""Routes that shape files, made from settings as people write them; and what becomes of a file by one."""

from __future__ import annotations

import io
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.settings.test_route_settings import ENVIRON, TEXT
from watcher.content.content import Content
from watcher.content.inspect import prepare
from watcher.core.errors import Unfit
from watcher.core.model import Route
from watcher.settings.config import load
from watcher.settings.presets import build_routes

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def route(text: str) -> Route:
    """The route with these lines in its settings, indented as they like."""
    lines = text.strip("\n").splitlines()
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(TEXT + "".join(f"    {line[indent:]}\n" for line in lines), encoding="utf-8")
        path.chmod(0o600)
        return build_routes(load(path, ENVIRON)[0])[0]


def content(data: bytes | str, by: Route, **options: Any) -> Content:
    """What is made of a file."""
    raw = data if isinstance(data, bytes) else data.encode()
    return prepare(io.BytesIO(raw), "a.csv", by, scratch=io.BytesIO, now=NOW, **options)


def sent(data: bytes | str, by: Route) -> str:
    """All that goes out of a file."""
    found = content(data, by)
    found.file.seek(found.opening.start)
    return found.file.read().decode()


def refusal(data: bytes | str, by: Route) -> Unfit:
    """Why nothing goes out of it."""
    with pytest.raises(Unfit) as caught:
        content(data, by)
    return caught.value


def aside(found: Content) -> str:
    """The bad records that are set aside."""
    assert found.aside is not None
    found.aside.seek(0)
    return found.aside.read().decode()
