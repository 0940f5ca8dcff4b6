"""Running the application: start in stages, drain, hand over, stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, NoReturn

import structlog

from pln_ivr import __version__
from pln_ivr.app import App
from pln_ivr.ari import Client, connect
from pln_ivr.ari.client import Timing
from pln_ivr.calls.announcing import keep_fallback_told
from pln_ivr.config import Settings
from pln_ivr.console.routes import Api
from pln_ivr.console.server import serve
from pln_ivr.journal import JournalWriter, Limits, open_journal
from pln_ivr.journal.tokens import Tokens
from pln_ivr.metrics import Metrics
from pln_ivr.recordings.library import Library
from pln_ivr.recordings.workers import open_workers
from pln_ivr.resources import of_this_process
from pln_ivr.rules import archive_of, menu_of, require_prompts
from pln_ivr.supervision import api_of

log = structlog.get_logger("pln_ivr.service")

FILING_SECONDS = 15.0
"""How long stopping may wait for the last recordings to be filed."""

STORE_SECONDS = 5.0
"""How long a run that leaves its calls may take to store the journal."""


class Orders:
    """What the program can be told from outside, by signals or over the console."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        """Drain, then stop."""
        self.hurry = asyncio.Event()
        """Stop without waiting for calls any longer."""
        self.leave = asyncio.Event()
        """Leave every call as it is to the next run, and stop."""

    def terminate(self) -> None:
        """SIGTERM: drain; once more: hurry."""
        (self.hurry if self.stop.is_set() else self.stop).set()


async def run(settings: Settings) -> None:
    """Serve until told to stop (see Orders), or until another run takes over.

    Raises ConfigError and JournalError at the start.
    """
    orders, metrics = Orders(), Metrics()
    async with AsyncExitStack() as stack:
        limits = Limits(
            bound=settings.journal.buffer_rows,
            flush_seconds=settings.journal.flush_seconds,
            spool=settings.journal.spool,
            spool_bytes=settings.journal.spool_mb * 2**20,
        )
        journal = await stack.enter_async_context(
            open_journal(
                settings.journal.url, log=structlog.get_logger("pln_ivr.journal"), limits=limits
            )
        )
        ari = await stack.enter_async_context(_connect(settings, metrics))
        workers = await stack.enter_async_context(
            open_workers(archive_of(settings.recordings), settings.recordings.workers)
        )
        app = App(settings, ari, journal, metrics, workers)
        app.own_resources = of_this_process(settings.recordings.folder)
        app.staff.load()
        require_prompts(
            menu_of(settings.menu), settings.prompts.folder, bool(settings.outbound.gateway)
        )
        await app.staff.restore()
        await app.bulletin.look()
        tokens = stack.enter_context(Tokens(settings.journal.url))
        library = Library.of(archive_of(settings.recordings))
        console = settings.console
        api = api_of(app, settings, metrics, tokens, library)
        port = await stack.enter_async_context(
            serve(
                console.bind,
                console.port,
                metrics.render,
                app.checks,
                {"drain": orders.stop.set, "leave": orders.leave.set},
                settings.ari.password.get_secret_value(),
                api,
            )
        )
        _handle_signals(app, orders)
        log.info(
            "started",
            version=__version__,
            node=settings.node.name,
            capacity=app.seats.budget,
            agents=len(app.staff.roster),
            console=f"{console.bind}:{port}",
        )
        await serve_until_stopped(app, ari, journal, metrics, api, orders)
    log.info("stopped")


def _connect(settings: Settings, metrics: Metrics) -> AbstractAsyncContextManager[Client]:
    ari = settings.ari
    return connect(
        ari.url,
        user=ari.user,
        password=ari.password.get_secret_value(),
        app=ari.app,
        meter=metrics,
        timing=Timing(ari.request_seconds, ari.watchdog_seconds, ari.reconnect_max_seconds),
        connections=ari.connections,
    )


def _handle_signals(app: App, orders: Orders) -> None:
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()

    def hang_up() -> None:
        task = loop.create_task(app.staff.reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGTERM, orders.terminate)
    loop.add_signal_handler(signal.SIGINT, orders.terminate)
    loop.add_signal_handler(signal.SIGHUP, hang_up)


async def serve_until_stopped(
    app: App, ari: Client, journal: JournalWriter, metrics: Metrics, api: Api, orders: Orders
) -> None:
    """Everything runs; then drain; then calls, recordings, ARI and the rest end, in this order.

    A part that ends by a bug ends the program: half a service must not look healthy.
    """
    async with asyncio.TaskGroup() as services:
        rest = [
            services.create_task(metrics.watch_loop(), name="lag"),
            services.create_task(app.disk.watch(), name="disk"),
            services.create_task(app.recorder.run(), name="recorder"),
            services.create_task(app.nightly.run(), name="nightly"),
            services.create_task(app.desk.run(), name="desk"),
            services.create_task(app.phone_watch.run(), name="phones"),
            services.create_task(app.reception.run(), name="reception"),
            services.create_task(app.guests.run(), name="guests"),
            services.create_task(app.floor.run(), name="floor"),
            services.create_task(app.upkeep.run(), name="upkeep"),
            services.create_task(app.bulletin.watch(), name="bulletin"),
            services.create_task(app.reports.run(), name="reports"),
            services.create_task(app.sender.run(), name="sender"),
            services.create_task(app.callbacks.run(), name="callbacks"),
            services.create_task(app.calling_back.run(), name="calling back"),
            services.create_task(app.bills.run(), name="bills"),
            services.create_task(keep_fallback_told(app.bulletin, ari), name="fallback"),
            services.create_task(app.feed.watch(api.floor.queues), name="feed"),
        ]
        connection = services.create_task(ari.run(app), name="ari")
        await _first(orders.stop.wait(), ari.replaced.wait(), orders.leave.wait())
        if orders.stop.is_set():
            await _drain(app, ari, orders)
        if ari.replaced.is_set() or orders.leave.is_set():
            _leave_calls(app, journal)
        await app.reception.end_calls()
        if not await app.recorder.drained(FILING_SECONDS):
            log.warning("recordings_left_in_spool", effect="filed at the next start")
        for task in (connection, *rest):
            task.cancel()


async def _drain(app: App, ari: Client, orders: Orders) -> None:
    """Admit nobody any more; return when the calls have ended, the deadline or an order comes."""
    log.info("draining", calls=app.reception.calls, deadline_seconds=app.drain_seconds)
    await app.begin_draining()
    await _first(
        app.reception.drain(app.drain_seconds),
        orders.hurry.wait(),
        ari.replaced.wait(),
        orders.leave.wait(),
    )
    if app.reception.calls and not (ari.replaced.is_set() or orders.leave.is_set()):
        log.warning("calls_cut_off", calls=app.reception.calls)


def _leave_calls(app: App, journal: JournalWriter) -> NoReturn:
    """End here and now, with every call left as it is: the next run adopts them.

    Blocks the event loop on purpose, so that nothing more is decided while the journal is
    being stored. What a crash leaves behind is what adoption is made for.
    """
    log.info("leaving_calls", calls=app.reception.calls, to="the run that takes over")
    if not journal.store_now(STORE_SECONDS):
        log.error("journal_not_stored", effect="the next run stores what is spooled")
    sys.stdout.flush()
    os._exit(0)


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when the first is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
