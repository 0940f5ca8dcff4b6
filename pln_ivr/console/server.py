"""Our own HTTP server: what Prometheus, Docker and the person on call ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from pln_ivr.errors import ConfigError

SHUTDOWN_SECONDS = 1.0


@asynccontextmanager
async def serve(
    bind: str,
    port: int,
    render_metrics: Callable[[], bytes],
    checks: Callable[[], Mapping[str, bool]],
) -> AsyncIterator[int]:
    """Serve /metrics, /healthz and /readyz for the body's duration; yields the port.

    /healthz answers 200 as long as the event loop turns. /readyz answers 200 if every one
    of `checks` holds, else 503, with each check by name. Raises ConfigError if the
    address is taken or not this machine's.
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

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, bind, port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(
                f"console.bind, console.port: cannot listen on {bind}:{port}: {error.strerror}"
            ) from None
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
