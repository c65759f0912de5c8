"""The addresses of one file: what is known of it, and its report and receipt to be kept."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

KINDS = ("token", "failed", "waiting")  # how a file is named: by push token, or by the name that is shown
About = Callable[[str, str], Awaitable[dict[str, Any] | None]]  # kind, key
Download = Callable[[str, str, str], Awaitable[tuple[str, str] | None]]  # what, kind, key: name, text


def file_routes(about: About, download: Download) -> list[Route]:
    """Return the routes below `/api/file`."""

    async def file(request: Request) -> Response:
        asked = _asked(request)
        found = await about(*asked) if asked else None
        if found is None:
            return PlainTextResponse("nothing is known of this file any more\n", 404)
        # ASCII: a server's words may hold what is no UTF-8.
        return Response(json.dumps(found), media_type="application/json")

    def kept(what: str) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            asked = _asked(request)
            found = await download(what, *asked) if asked else None
            if found is None:
                return PlainTextResponse(f"there is no {what} of this file any more\n", 404)
            name, text = found
            return PlainTextResponse(
                text.encode("utf-8", "backslashreplace"), headers={"content-disposition": disposition(name)}
            )

        return serve

    return [
        Route("/api/file", file),
        Route("/api/file/report", kept("report")),
        Route("/api/file/receipt", kept("receipt")),
    ]


def disposition(name: str) -> str:
    """Return the header (RFC 6266) that has a browser save an answer under a name, whatever is in it."""
    # What a path, a header or Windows takes for more than a letter is left out; so is a point at the front.
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name).lstrip(".") or "file.txt"
    return f"attachment; filename=\"{plain[-150:]}\"; filename*=UTF-8''{_quoted(name)}"


def _quoted(name: str) -> str:
    safe = re.sub(r'[\x00-\x1f\x7f/\\\\:*?"<>|\ud800-\udfff]', "_", name).lstrip(".") or "file.txt"
    return quote(safe[-150:], safe="")


def _asked(request: Request) -> tuple[str, str] | None:
    """Return how the file is named, and its name; None: not by exactly one way."""
    given = [(kind, request.query_params[kind]) for kind in KINDS if request.query_params.get(kind)]
    return given[0] if len(given) == 1 else None
