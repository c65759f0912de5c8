"""The addresses of the status page and what each answers. It changes nothing."""

from __future__ import annotations

import json
import re
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
from watcher.web.access import asked_of
from watcher.web.acts import PATHS, Acts
from watcher.web.feed import Feed
from watcher.web.file_routes import About, Download, file_routes
from watcher.web.health import Verdict
from watcher.web.outcomes import SHOWS
from watcher.web.reader import Slow

_SCRIPTS = ("page.js", "basics.js", "needs.js", "waiting.js", "outcomes.js", "plots.js", "file.js", "acts.js")
_TIME = r"(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)?"  # as the journal has it, or none
_FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    **{f"/{name}": (name, "text/javascript; charset=utf-8") for name in _SCRIPTS},
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which outcomes are wanted."""

    show: str
    text: str  # in the name or the push token
    before: int | None  # older than this row
    between: tuple[str, str] | None  # ended from a time on and before another; UTC, ISO 8601


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the answers come from."""

    feed: Feed
    history: Callable[[], Awaitable[dict[str, Any]]]
    outcomes: Callable[[Wanted], Awaitable[dict[str, Any]]]
    file: About
    download: Download
    metrics: Callable[[], bytes]
    health: Callable[[], Verdict]
    acts: Acts


def build(sources: Sources) -> Starlette:
    """Return the application, without the guard that stands in front of it."""

    async def now(_request: Request) -> Response:
        return Response(await sources.feed.now(), media_type="application/json")

    async def history(_request: Request) -> Response:
        return JSONResponse(await sources.history())

    async def outcomes(request: Request) -> Response:
        wanted = _wanted(request)
        if wanted is None:
            return PlainTextResponse(
                "show is all, failed or delivered; before is a number; since and until are times\n", 400
            )
        found = await sources.outcomes(wanted)
        # ASCII: a server's words may hold what is no UTF-8.
        return Response(json.dumps(found), media_type="application/json")

    async def report(request: Request) -> Response:
        return _report(await sources.download("report", "token", request.path_params["push_token"]))

    async def report_beside(request: Request) -> Response:
        return _report(await sources.download("report", "failed", request.query_params.get("name", "")))

    async def events(_request: Request) -> Response:
        if sources.feed.full:
            return PlainTextResponse("too many pages are open; this one asks now and then\n", 503)
        return StreamingResponse(sources.feed.events(), media_type="text/event-stream")

    return Starlette(
        routes=[
            *(Route(path, _file(*what)) for path, what in _FILES.items()),
            Route("/api/now", now),
            Route("/api/history", history),
            Route("/api/outcomes", outcomes),
            Route("/api/report/{push_token}", report),
            Route("/api/failed", report_beside),
            *file_routes(sources.file, sources.download),
            Route("/api/events", events),
            *(Route(path, _act(sources.acts), methods=["POST"]) for path in PATHS.values()),
            *_for_programs(sources),
        ],
        exception_handlers={Slow: _slow, Outside: _outside, ConfigError: _outside},
    )


def _act(acts: Acts) -> Callable[[Request], Awaitable[Response]]:
    async def act(request: Request) -> Response:
        status, words = await acts.do(asked_of(request))
        # What was refused before its body was read leaves that on the wire.
        headers = {} if status in (200, 409) else {"connection": "close"}
        return JSONResponse({"words": words}, status, headers)

    return act


def _for_programs(sources: Sources) -> list[Route]:
    async def told(_request: Request) -> Response:
        return Response(sources.metrics(), headers={"content-type": metrics.CONTENT_TYPE})

    async def health(_request: Request) -> Response:
        verdict = sources.health()
        body = {"status": "ok" if verdict.healthy else "unhealthy"} | asdict(verdict)
        return JSONResponse(body, 200 if verdict.healthy else 503)

    return [Route("/metrics", told), Route("/health", health)]


def _file(name: str, content_type: str) -> Callable[[Request], Awaitable[Response]]:
    content = files("watcher.web").joinpath(name).read_bytes()

    async def serve(_request: Request) -> Response:
        return Response(content, headers={"content-type": content_type})

    return serve


def _wanted(request: Request) -> Wanted | None:
    """Return which outcomes are wanted; None: there is no such question."""
    query = request.query_params
    show, before = query.get("show", "all"), query.get("before", "")
    if show not in SHOWS or not re.fullmatch(r"[0-9]{0,18}", before, re.ASCII):
        return None
    since, until = query.get("since", ""), query.get("until", "")
    if not all(re.fullmatch(_TIME, text, re.ASCII) for text in (since, until)) or bool(since) != bool(until):
        return None
    between = (since, until) if since else None
    return Wanted(show, query.get("text", ""), int(before) if before else None, between)


def _report(found: tuple[str, str] | None) -> Response:
    if found is None:
        return PlainTextResponse("there is no report of this file any more\n", 404)
    return PlainTextResponse(found[1].encode("utf-8", "backslashreplace"))


async def _slow(_request: Request, _fault: Exception) -> Response:
    return _trouble("the disk does not answer")


async def _outside(_request: Request, fault: Exception) -> Response:
    return _trouble(str(fault))


def _trouble(words: str) -> Response:
    return Response(json.dumps({"trouble": words}), 503, media_type="application/json")
