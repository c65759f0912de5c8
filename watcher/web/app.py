"""The addresses of the status page and what each answers. It changes nothing."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from watcher.core.errors import ConfigError, Outside
from watcher.web import metrics
from watcher.web.feed import Feed
from watcher.web.health import Verdict
from watcher.web.reader import Slow

_FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    **{f"/{name}": (name, "text/javascript; charset=utf-8") for name in ("page.js", "plots.js", "basics.js")},
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the answers come from."""

    feed: Feed
    history: Callable[[], Awaitable[dict[str, Any]]]
    report: Callable[[str], Awaitable[str | None]]  # by push token; None: there is none
    metrics: Callable[[], bytes]
    health: Callable[[], Verdict]


def build(sources: Sources) -> Starlette:
    """Return the application, without the guard that stands in front of it."""

    async def now(_request: Request) -> Response:
        return Response(await sources.feed.now(), media_type="application/json")

    async def history(_request: Request) -> Response:
        return JSONResponse(await sources.history())

    async def report(request: Request) -> Response:
        text = await sources.report(request.path_params["push_token"])
        if text is None:
            return PlainTextResponse("there is no report of this file any more\n", 404)
        return PlainTextResponse(text.encode("utf-8", "backslashreplace"))

    async def events(_request: Request) -> Response:
        if sources.feed.full:
            return PlainTextResponse("too many pages are open; this one asks now and then\n", 503)
        return StreamingResponse(sources.feed.events(), media_type="text/event-stream")

    async def told(_request: Request) -> Response:
        return Response(sources.metrics(), headers={"content-type": metrics.CONTENT_TYPE})

    async def health(_request: Request) -> Response:
        verdict = sources.health()
        body = {"status": "ok" if verdict.healthy else "unhealthy"} | asdict(verdict)
        return JSONResponse(body, 200 if verdict.healthy else 503)

    return Starlette(
        routes=[
            *(Route(path, _file(*what)) for path, what in _FILES.items()),
            Route("/api/now", now),
            Route("/api/history", history),
            Route("/api/report/{push_token}", report),
            Route("/api/events", events),
            Route("/metrics", told),
            Route("/health", health),
        ],
        exception_handlers={Slow: _slow, Outside: _outside, ConfigError: _outside},
    )


def _file(name: str, content_type: str) -> Callable[[Request], Awaitable[Response]]:
    content = files("watcher.web").joinpath(name).read_bytes()

    async def serve(_request: Request) -> Response:
        return Response(content, headers={"content-type": content_type})

    return serve


async def _slow(_request: Request, _fault: Exception) -> Response:
    return _trouble("the disk does not answer")


async def _outside(_request: Request, fault: Exception) -> Response:
    return _trouble(str(fault))


def _trouble(words: str) -> Response:
    return Response(json.dumps({"trouble": words}), 503, media_type="application/json")
