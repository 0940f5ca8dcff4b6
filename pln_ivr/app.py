"""The composition root: builds the parts, starts them in stages, drains and stops them.

Nothing else sees all settings, and nothing is built anywhere else.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import structlog
import uuid_utils

from pln_ivr import __version__
from pln_ivr.ari import Client, connect
from pln_ivr.ari.client import Timing
from pln_ivr.ari.events import EndpointInfo, StasisStart
from pln_ivr.calls.admission import Seats
from pln_ivr.calls.call import Call
from pln_ivr.calls.codes import AgentCodes
from pln_ivr.calls.journey import House, Rules
from pln_ivr.calls.leftovers import clear_leftovers
from pln_ivr.calls.prompts import Prompts
from pln_ivr.calls.reception import Reception
from pln_ivr.calls.room import WaitingRoom
from pln_ivr.config import Settings
from pln_ivr.console.server import serve
from pln_ivr.errors import AriError, AriUnavailable, ConfigError
from pln_ivr.journal import AgentStateRow, JournalReader, JournalWriter, Limits, open_journal
from pln_ivr.metrics import Metrics
from pln_ivr.queues.agents import Agent, Agents, AgentState
from pln_ivr.queues.desk import Desk, LocalReservations, Offer, Pauses
from pln_ivr.queues.phones import PjsipPhones
from pln_ivr.queues.ringing import RingTimes
from pln_ivr.queues.roster import Roster, load_roster
from pln_ivr.recordings.recorder import Recorder

log = structlog.get_logger("pln_ivr.app")

FILING_SECONDS = 15.0
"""How long stopping may wait for the last recordings to be filed."""


class App:
    """One running node. Made by `run`."""

    def __init__(self, settings: Settings, ari: Client, journal: JournalWriter, metrics: Metrics):
        self._settings = settings
        self._ari = ari
        self._journal = journal
        self._metrics = metrics
        loop = asyncio.get_running_loop()
        self.drain_seconds = settings.drain.deadline_seconds
        self.roster: Roster = {}
        self.seats = Seats(settings.admission.capacity)
        self.agents = Agents(loop.time, self._agent_changed)
        self.recorder = Recorder(settings.recordings.spool, settings.recordings.folder)
        self.phones = PjsipPhones(
            ari, settings.agents.codec, settings.agents.qualify_seconds, self._reachable
        )
        self.desk = Desk(
            self.agents,
            LocalReservations(self.agents),
            settings.node.name,
            journal.write,
            self._offer_ended,
            Pauses(unreachable=settings.agents.unreachable_pause_seconds),
            loop.time,
        )
        prompts = Prompts(
            ari, settings.prompts.folder, settings.prompts.margin_seconds, metrics.prompt_failed
        )
        music = {name: queue.music for name, queue in settings.queues.names.items()}
        self.room = WaitingRoom(ari, prompts, music)
        self.reception = Reception(
            House(
                ari=ari,
                prompts=prompts,
                room=self.room,
                desk=self.desk,
                phones=self.phones,
                recorder=self.recorder,
                tell=lambda call: journal.write(call.row()),
            ),
            Rules(
                queue=settings.queues.entry,
                ring=RingTimes(
                    settings.agents.dial_deadline_seconds, settings.agents.ring_deadline_seconds
                ),
                confirm_seconds=settings.recordings.confirm_seconds,
                when_unconfirmed=settings.recordings.when_unconfirmed,
            ),
            self.seats,
            AgentCodes(ari, prompts, self.agents),
            settings.admission.reject_cause,
            settings.node.name,
            str(uuid_utils.uuid7()),
            self._call_ended,
        )
        self._show()

    # -- what Asterisk tells (ari.client.Handler) --------------------------------------

    async def connected(self) -> None:
        """After each connection: make Asterisk what this program expects it to be."""
        await self._ari.set_global("CAPACITY", str(self.seats.budget))
        await self.phones.push(self.roster)
        await self.room.prepare()
        await clear_leftovers(self._ari)
        self.desk.change()

    def started(self, event: StasisStart) -> None:
        """A channel has come."""
        self.reception.started(event)

    def endpoint_changed(self, endpoint: EndpointInfo) -> None:
        """A phone came or went."""
        self.phones.endpoint_changed(endpoint)

    # -- what the parts tell ------------------------------------------------------------

    def _reachable(self, extension: str, reachable: bool) -> None:
        self.agents.set_reachable(extension, reachable)
        self.desk.change()

    def _agent_changed(self, agent: Agent, reason: str) -> None:
        self._journal.write(
            AgentStateRow(
                change_id=str(uuid_utils.uuid7()),
                sequence=1,
                node=self._settings.node.name,
                agent=agent.extension,
                state=agent.state,
                reason=reason,
                changed_at=datetime.now(UTC),
            )
        )
        self.desk.change()

    def _offer_ended(self, offer: Offer, seconds: float) -> None:
        if offer.result:
            self._metrics.offer_ended(offer.result, seconds)

    def _call_ended(self, call: Call) -> None:
        if call.outcome is None or call.ended_at is None:
            return
        waited = talked = None
        if call.queued_at:
            waited = ((call.talking_at or call.ended_at) - call.queued_at).total_seconds()
        if call.talking_at:
            talked = (call.ended_at - call.talking_at).total_seconds()
        self._metrics.call_ended(call.outcome, waited, talked)

    # -- the roster -----------------------------------------------------------------------

    def load_roster(self) -> None:
        """Read the roster. Raises RosterError, and then the old one goes on."""
        roster = load_roster(self._settings.agents.roster, self._settings.queues.names.keys())
        self.agents.apply(roster)
        self.roster = roster

    async def reload(self) -> None:
        """SIGHUP: a new roster, without touching calls in progress. Never raises."""
        try:
            self.load_roster()
        except ConfigError as error:
            log.error("roster_refused", error=str(error), effect="the old roster stays")
            return
        log.info("roster_loaded", agents=len(self.roster))
        try:
            await self.phones.push(self.roster)
        except AriError as error:
            log.warning("roster_not_pushed", error=str(error), cure="pushed when reconnected")

    async def restore_agents(self) -> None:
        """Agents who were ready before a restart are ready again: nobody dials a code twice."""
        for row in await asyncio.to_thread(self._last_states):
            if row.state != AgentState.AWAY:
                self.agents.wish(row.agent, True, "restart")

    def _last_states(self) -> list[AgentStateRow]:
        with JournalReader(self._settings.journal.url) as reader:
            return reader.agent_states()

    # -- figures ----------------------------------------------------------------------------

    def checks(self) -> Mapping[str, bool]:
        """What /readyz reports."""
        return {
            "asterisk": self._ari.ready,
            "journal": not self._journal.failing,
            "admitting": not self.reception.draining,
        }

    def _show(self) -> None:
        metrics, recorder = self._metrics, self.recorder
        metrics.gauge("pln_ivr_seats_in_use", "Seats taken", lambda: self.seats.in_use)
        metrics.gauge("pln_ivr_seats_capacity", "Seats there are", lambda: self.seats.budget)
        metrics.gauge("pln_ivr_ari_ready", "1 if connected", lambda: float(self._ari.ready))
        metrics.gauge(
            "pln_ivr_ari_reconnections", "Connections lost", lambda: self._ari.reconnections
        )
        metrics.gauge("pln_ivr_journal_backlog", "Rows to store", lambda: self._journal.backlog)
        metrics.gauge(
            "pln_ivr_journal_overflowed", "Rows only in the log", lambda: self._journal.overflowed
        )
        metrics.gauge(
            "pln_ivr_recordings_unconfirmed",
            "Conversations whose recording was not confirmed",
            lambda: recorder.unconfirmed,
        )
        metrics.gauge(
            "pln_ivr_recordings_unfiled", "Recordings left in the spool", lambda: recorder.unfiled
        )
        metrics.gauge(
            "pln_ivr_recordings_short",
            "Recordings shorter than their conversation",
            lambda: recorder.short,
        )
        metrics.groups(
            "pln_ivr_waiting_calls", "Calls in each line", "queue", self._waiting_by_queue
        )
        metrics.groups("pln_ivr_agents", "Agents by state", "state", self._agents_by_state)

    def _waiting_by_queue(self) -> Mapping[str, float]:
        waiting = self.desk.waiting()
        return {name: waiting.get(name, 0) for name in self._settings.queues.names}

    def _agents_by_state(self) -> Mapping[str, float]:
        counts = Counter(agent.state for agent in self.agents)
        unreachable = sum(
            agent.state is AgentState.READY and not agent.reachable for agent in self.agents
        )
        return {state: counts[state] for state in AgentState} | {"ready_unreachable": unreachable}


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second signal stops at once.

    Raises ConfigError and JournalError at the start; AriUnavailable if another process
    takes over the application's name.
    """
    stop, hurry = asyncio.Event(), asyncio.Event()
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        limits = Limits(
            bound=settings.journal.buffer_rows, flush_seconds=settings.journal.flush_seconds
        )
        journal = await stack.enter_async_context(
            open_journal(
                settings.journal.url, log=structlog.get_logger("pln_ivr.journal"), limits=limits
            )
        )
        ari = await stack.enter_async_context(_connect(settings, metrics))
        app = App(settings, ari, journal, metrics)
        app.load_roster()
        await app.restore_agents()
        console = settings.console
        port = await stack.enter_async_context(
            serve(console.bind, console.port, metrics.render, app.checks)
        )
        _handle_signals(app, stop, hurry)
        log.info(
            "started",
            version=__version__,
            node=settings.node.name,
            capacity=app.seats.budget,
            agents=len(app.roster),
            console=f"{console.bind}:{port}",
        )
        await serve_until_stopped(app, ari, metrics, stop, hurry)
    log.info("stopped")
    if ari.replaced.is_set():
        raise AriUnavailable(
            f"ari.app: another process took over the name {settings.ari.app!r} at this Asterisk"
        )


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


def _handle_signals(app: App, stop: asyncio.Event, hurry: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def terminate() -> None:
        (hurry if stop.is_set() else stop).set()

    reloads: set[asyncio.Task[None]] = set()

    def hang_up() -> None:
        task = loop.create_task(app.reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGTERM, terminate)
    loop.add_signal_handler(signal.SIGINT, terminate)
    loop.add_signal_handler(signal.SIGHUP, hang_up)


async def serve_until_stopped(
    app: App, ari: Client, metrics: Metrics, stop: asyncio.Event, hurry: asyncio.Event
) -> None:
    """Everything runs; then drain; then calls, recordings, ARI and the rest end, in this order.

    A part that ends by a bug ends the program: half a service must not look healthy.
    """
    async with asyncio.TaskGroup() as services:
        rest = [
            services.create_task(metrics.watch_loop(), name="lag"),
            services.create_task(app.recorder.run(), name="recorder"),
            services.create_task(app.desk.run(), name="desk"),
            services.create_task(app.reception.run(), name="reception"),
        ]
        connection = services.create_task(ari.run(app), name="ari")
        await _first(stop.wait(), ari.replaced.wait())
        seconds = app.drain_seconds
        log.info("draining", calls=app.reception.calls, deadline_seconds=seconds)
        await _first(app.reception.drain(seconds), hurry.wait())
        if app.reception.calls:
            log.warning("calls_cut_off", calls=app.reception.calls)
        await app.reception.end_calls()
        if not await app.recorder.drained(FILING_SECONDS):
            log.warning("recordings_left_in_spool", effect="filed at the next start")
        for task in (connection, *rest):
            task.cancel()


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when the first is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
