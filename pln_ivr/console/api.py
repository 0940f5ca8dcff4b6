"""The supervisor's API: the table of routes, and the application below /api that serves it.

Everything that can be said no to is said here, once: see `_refusal`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web
from msgspec import json

from pln_ivr.console.api_agents import AGENT_ROUTES
from pln_ivr.console.api_callbacks import CALLBACK_ROUTES
from pln_ivr.console.api_floor import FLOOR_ROUTES
from pln_ivr.console.api_incidents import INCIDENT_ROUTES
from pln_ivr.console.api_outages import OUTAGE_ROUTES
from pln_ivr.console.api_recordings import RECORDING_ROUTES
from pln_ivr.console.api_statements import STATEMENT_ROUTES
from pln_ivr.console.auth import FAILURE_SECONDS, Denial, Denied, Guard, May, Principal
from pln_ivr.console.events import Snapshot
from pln_ivr.console.feed import FeedFull
from pln_ivr.console.openapi import document
from pln_ivr.console.routes import Api, Asked, Nothing, Refused, Route, Unfit, Unreadable
from pln_ivr.errors import (
    AriError,
    Gone,
    JournalError,
    OrderRefused,
    RecordingError,
    RefusalKind,
)

log = structlog.get_logger("pln_ivr.api")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_AUTHORIZATION = "Authorization"
_JSON = "application/json"
_NOT_KEPT = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_DENIALS: dict[Denial, tuple[int, dict[str, str]]] = {
    Denial.MISSING: (401, {"WWW-Authenticate": 'Bearer realm="pln_ivr"'}),
    Denial.UNKNOWN: (401, {"WWW-Authenticate": 'Bearer realm="pln_ivr"'}),
    Denial.FORBIDDEN: (403, {}),
    Denial.LIMITED: (429, {"Retry-After": f"{FAILURE_SECONDS:.0f}"}),
}
_SOURCES = {JournalError: "the journal", AriError: "Asterisk", RecordingError: "the archive"}
_REFUSALS = {RefusalKind.NOT_FOUND: 404, RefusalKind.CONFLICT: 409, RefusalKind.INVALID: 422}


async def events(asked: Asked[Nothing]) -> web.StreamResponse:
    """What happens, live, as Server-Sent Events; the first is a snapshot.

    Raises FeedFull.
    """
    floor, shown = asked.api.floor, asked.request.headers[_AUTHORIZATION]

    def snapshot() -> Snapshot:
        return Snapshot(
            agents=floor.agents(),
            queues=floor.queues(),
            waiting=floor.waiting(),
            conversations=floor.conversations(),
            flags=floor.flags(),
        )

    async def still() -> bool:
        return await asked.guard.still(shown, asked.principal)

    return await asked.api.feed.serve(asked.request, snapshot, still)


async def openapi(asked: Asked[Nothing]) -> dict[str, Any]:
    """This document."""
    return document(ROUTES, asked.api.version)


ROUTES: tuple[Route[Any], ...] = (
    *AGENT_ROUTES,
    *CALLBACK_ROUTES,
    *FLOOR_ROUTES,
    *INCIDENT_ROUTES,
    *OUTAGE_ROUTES,
    *RECORDING_ROUTES,
    *STATEMENT_ROUTES,
    Route("GET", "/events", May.SUPERVISORS, Nothing, events, "", "text/event-stream"),
    Route("GET", "/openapi.json", May.ANYBODY, Nothing, openapi, {}),
)


def build(api: Api) -> web.Application:
    """The application to mount at /api. Its feeds end when it is shut down."""
    guard = Guard(api.find, api.on_denied)

    @web.middleware
    async def edge(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if request.match_info.http_exception:  # which paths there are is for who has a token
                await _who(guard, request)
            return await handler(request)
        except Exception as error:
            return _refusal(error, request)

    async def close_feed(_app: web.Application) -> None:
        api.feed.close()

    app = web.Application(middlewares=[edge])
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _handler(route, api, guard))
    app.on_shutdown.append(close_feed)
    return app


def _handler(route: Route[Any], api: Api, guard: Guard) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        principal = await _who(guard, request)
        path = dict(request.match_info)
        if not route.may.allows(principal, path.get("extension")):
            raise guard.denied(Denial.FORBIDDEN)
        asked = Asked(api, guard, principal, path, await route.read(request), request)
        answer = await route.do(asked)
        if route.orders:
            log.info("ordered", by=principal.name, order=f"{route.method} {route.path}", of=path)
        if isinstance(answer, web.StreamResponse):
            return answer
        return _answer(200, answer)

    return handle


async def _who(guard: Guard, request: web.Request) -> Principal:
    return await guard.who(request.headers.get(_AUTHORIZATION, ""), request.remote or "")


def _answer(
    status: int, answer: object, headers: dict[str, str] | None = None
) -> web.StreamResponse:
    return web.Response(
        body=json.encode(answer),
        status=status,
        content_type=_JSON,
        headers=_NOT_KEPT | (headers or {}),
    )


def _refusal(error: Exception, request: web.Request) -> web.StreamResponse:
    """What went wrong as an answer of HTTP. What is our fault is in the log alone."""
    text, field = str(error), None
    headers: dict[str, str] = {}
    match error:
        case Denied():
            status, headers = _DENIALS[error.denial]
        case Unreadable():
            status, field = 400, error.field
        case Unfit():
            status, field = 422, error.field
        case OrderRefused():
            status = _REFUSALS[error.kind]
        case FeedFull():
            status = 503
        case Gone():
            status, text = 409, "somebody hung up in that moment"
        case JournalError() | AriError() | RecordingError():
            log.warning("api_unavailable", path=_template(request), error=text)
            of = next(name for kind, name in _SOURCES.items() if isinstance(error, kind))
            status, text = 503, f"{of} did not answer as it should; try again"
        case web.HTTPException():
            status, text = error.status, error.reason
            headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        case _:
            log.exception("api_failed", path=_template(request))
            status, text = 500, "a fault of ours; the log has it"
    return _answer(status, Refused(text, field), headers)


def _template(request: web.Request) -> str:
    """The path without what stood in it."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else ""
