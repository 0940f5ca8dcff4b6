"""Our own HTTP server: what Prometheus, Docker and the person on call ask and order."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from pln_ivr.console.api import build
from pln_ivr.console.routes import Api
from pln_ivr.errors import ConfigError

SHUTDOWN_SECONDS = 1.0


@asynccontextmanager
async def serve(
    bind: str,
    port: int,
    render_metrics: Callable[[], bytes],
    checks: Callable[[], Mapping[str, bool]],
    orders: Mapping[str, Callable[[], None]],
    token: str,
    api: Api | None = None,
) -> AsyncIterator[int]:
    """Serve /metrics, /healthz, /readyz and /orders/NAME for the body's duration; yields the port.

    /healthz answers 200 as long as the event loop turns. /readyz answers 200 if every one
    of `checks` holds, else 503, with each check by name. POST /orders/NAME carries out one
    of `orders` for whoever shows `token` (Authorization: Bearer), and for nobody if it is
    empty. With `api`, the supervisor's API is below /api. A run that takes over from another
    one shares its port. Raises ConfigError if the address is taken by another program or not
    this machine's.
    """

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(
            body=render_metrics(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def readyz(_request: web.Request) -> web.Response:
        state = dict(checks())
        return web.json_response(state, status=200 if all(state.values()) else 503)

    async def order(request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token or not hmac.compare_digest(
            shown.encode(errors="surrogateescape"), token.encode()
        ):
            raise web.HTTPUnauthorized(text="the token is that of ari.password\n")
        carry_out = orders.get(request.match_info["name"])
        if carry_out is None:
            raise web.HTTPNotFound(text=f"known orders: {', '.join(orders)}\n")
        carry_out()
        return web.json_response({"ok": True}, status=202)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_post("/orders/{name}", order)
    if api is not None:
        app.add_subapp("/api", build(api))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, bind, port, reuse_port=True)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(
                f"console.bind, console.port: cannot listen on {bind}:{port}: {error.strerror}"
            ) from None
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
