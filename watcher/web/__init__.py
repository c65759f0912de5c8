"""The status page, `/metrics` and `/health`: only reads, in a thread of its own, if asked for."""

from __future__ import annotations

import sys
from importlib.util import find_spec

PACKAGES = ("starlette", "uvicorn", "prometheus_client")  # of the extra `web`


def missing(asked_by: str = "status", *, way_out: str = ", or remove `status`") -> str | None:
    """Return the problem and its remedy where the packages of the extra `web` are not all installed.

    `asked_by`: what needs them; `way_out`: how to do without.
    """
    absent = [package for package in PACKAGES if find_spec(package) is None]
    if not absent:
        return None
    return (
        f"{asked_by}: the status page needs packages that are not installed ({', '.join(absent)}); run"
        f" {sys.executable} -m pip install '.[web]' in watcher's folder{way_out}"
    )
