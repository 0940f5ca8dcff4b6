"""The composition root: builds the parts and joins them.

Nothing else sees all settings, and nothing is built anywhere else. `service` runs it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog
import uuid_utils

from pln_ivr.ari import Client
from pln_ivr.ari.events import EndpointInfo, StasisStart
from pln_ivr.calls.admission import ArrivalLimit, Door, Seats, margin
from pln_ivr.calls.adoption import Adoption, Memory, close_fallback, open_fallback
from pln_ivr.calls.call import Call
from pln_ivr.calls.codes import AgentCodes
from pln_ivr.calls.completion import Completion, Sources
from pln_ivr.calls.journey import House, Rules
from pln_ivr.calls.prompts import Prompts
from pln_ivr.calls.reception import Identity, Reception, Refusal
from pln_ivr.calls.room import WaitingRoom
from pln_ivr.calls.upkeep import Repair, Upkeep
from pln_ivr.config import Settings
from pln_ivr.errors import AriError, ConfigError, JournalError
from pln_ivr.journal import AgentStateRow, CallRow, JournalReader, JournalWriter
from pln_ivr.metrics import Metrics
from pln_ivr.outcomes import Outcome
from pln_ivr.queues.agents import Agent, Agents, AgentState
from pln_ivr.queues.desk import Desk, LocalReservations, Offer, Pauses
from pln_ivr.queues.phones import PhoneWatch, PjsipPhones
from pln_ivr.queues.ringing import RingTimes
from pln_ivr.queues.roster import Roster, load_roster
from pln_ivr.recordings.files import Filed
from pln_ivr.recordings.recorder import Recorder, name_of, recording_uri
from pln_ivr.resources import DiskWatch, needs, of_asterisk, shortages, sqlite_folder

log = structlog.get_logger("pln_ivr.app")

DISK_LOOK_SECONDS = 5.0
RECOVERY_DAYS = timedelta(days=7)
"""How far back the call of a recording left in the spool is looked for."""


class App:
    """One running node."""

    def __init__(self, settings: Settings, ari: Client, journal: JournalWriter, metrics: Metrics):
        self._settings = settings
        self._ari = ari
        self._journal = journal
        self._metrics = metrics
        loop = asyncio.get_running_loop()
        self.drain_seconds = settings.drain.deadline_seconds
        self.roster: Roster = {}
        self.shortages: list[str] = []
        self.own_resources: dict[str, int] = {}
        """What this process and its disks have, as `resources.needs` names it."""
        incarnation = str(uuid_utils.uuid7())
        recordings = settings.recordings
        self.disk = DiskWatch(
            filter(
                None,
                (recordings.spool, recordings.folder, sqlite_folder(settings.journal.url)),
            ),
            settings.disk.low_mb,
            settings.disk.reserve_mb,
        )
        self.seats = Seats(settings.admission.capacity)
        self.agents = Agents(loop.time, self._agent_changed)
        self.recorder = Recorder(
            recordings.spool, recordings.folder, lambda: not self.disk.full, self._recovered
        )
        self.phones = PjsipPhones(
            ari, settings.agents.codec, settings.agents.qualify_seconds, self._reachable
        )
        self.phone_watch = PhoneWatch(ari, self.agents)
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
            ari,
            incarnation,
            settings.prompts.folder,
            settings.prompts.margin_seconds,
            metrics.prompt_failed,
        )
        music = {name: queue.music for name, queue in settings.queues.names.items()}
        self.room = WaitingRoom(ari, prompts, music)
        self.codes = AgentCodes(ari, prompts, self.agents)
        self.reception = self._build_reception(prompts, incarnation)
        self.adoption = Adoption(
            ari, self.reception, self.desk, prompts, self._remember, self.phone_watch.busy
        )
        self.completion = Completion(
            Sources(settings.fallback.calls, settings.journal.url, settings.node.name),
            journal,
            lambda channel_id: ari.follows(channel_id) or channel_id in self.seats.held(),
            self._call_completed,
        )
        self.upkeep = Upkeep(
            ari,
            self.seats,
            self.reception,
            self.adoption,
            self.completion,
            settings.admission.upkeep_seconds,
        )
        self._show()

    def _build_reception(self, prompts: Prompts, incarnation: str) -> Reception:
        settings, ari, journal = self._settings, self._ari, self._journal
        limit = ArrivalLimit(
            settings.admission.arrivals_per_second, asyncio.get_running_loop().time
        )
        return Reception(
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
            Door(self.seats, limit, self._refused_for_disk),
            self.codes,
            Refusal(settings.admission.reject_cause, settings.drain.new_calls),
            Identity(settings.node.name, incarnation),
            self._call_ended,
        )

    # -- what Asterisk tells (ari.client.Handler) --------------------------------------

    async def connected(self) -> None:
        """After each connection: count who is in the house, then let callers in."""
        await self._ari.set_global("CAPACITY", str(self.seats.budget))
        await self._ari.set_global("MARGIN", str(margin(self.seats.budget)))
        await self.room.prepare()
        await self.adoption.adopt()
        await self.codes.catch_up()
        self.reception.open()
        await self.phones.push(self.roster)
        if not self.reception.draining:
            await close_fallback(self._ari)
        await self._check_resources()
        self.desk.change()
        self.upkeep.soon()

    async def begin_draining(self) -> None:
        """Admit nobody any more. Never raises: without Asterisk nobody comes anyway."""
        self.reception.draining = True
        if self._settings.drain.new_calls == "fallback":
            try:
                await open_fallback(self._ari)
            except AriError as error:
                log.warning("fallback_not_opened", error=str(error))

    def disconnected(self) -> None:
        """Nobody can be counted until the next connection."""
        self.reception.close()

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
        if call.outcome and call.ended_at:
            self._count(call.outcome, call.queued_at, call.talking_at, call.ended_at)

    def _count(
        self,
        outcome: Outcome,
        queued_at: datetime | None,
        talking_at: datetime | None,
        ended_at: datetime,
    ) -> None:
        waited = ((talking_at or ended_at) - queued_at).total_seconds() if queued_at else None
        talked = (ended_at - talking_at).total_seconds() if talking_at else None
        self._metrics.call_ended(outcome, waited, talked)

    def _remember(self, channel_ids: list[str]) -> Memory:
        settings = self._settings
        return Memory.read(settings.journal.url, settings.node.name, channel_ids)

    async def _recovered(self, name: str, filed: Filed) -> None:
        """A recording of a conversation that this run did not see to its end."""
        uri = recording_uri(name)
        row = await asyncio.to_thread(self._row_of_recording, uri)
        if row is None:
            log.warning("recording_without_call", recording=uri)
        else:
            self._journal.write(
                replace(row, sequence=row.sequence + 1, recording_seconds=filed.seconds)
            )

    def _row_of_recording(self, uri: str) -> CallRow | None:
        try:
            with JournalReader(self._settings.journal.url) as reader:
                return reader.call_of_recording(uri, datetime.now(UTC) - RECOVERY_DAYS)
        except JournalError as error:
            log.warning("recording_not_indexed", recording=uri, error=str(error))
            return None

    def _call_completed(self, row: CallRow) -> None:
        if row.outcome and row.reason and row.ended_at:
            outcome = Outcome(row.outcome, row.reason)
            self._metrics.call_completed(outcome)
            if row.incarnation == self.reception.identity.incarnation:  # the journal's figure too
                self._count(outcome, row.queued_at, row.talking_at, row.ended_at)
            if row.recording:
                self.recorder.recover(name_of(row.recording))
            log.info(
                "call_completed",
                call_id=row.call_id,
                outcome=row.outcome,
                reason=row.reason,
                fallback=row.fallback,
            )

    # -- what there is enough of, or not --------------------------------------------------

    async def _check_resources(self) -> None:
        settings = self._settings
        there = await of_asterisk(self._ari.get_global) | self.own_resources
        needed = needs(self.seats.budget, len(self.roster), settings.ari.connections)
        self.shortages = shortages(needed, there)
        for line in self.shortages:
            log.warning("resource_short", what=line)

    def _refused_for_disk(self) -> bool:
        return self.disk.full and self._settings.admission.when_disk_full == "reject"

    async def watch_disk(self) -> None:
        """Measure the disks' free room until cancelled."""
        while True:
            line = await asyncio.to_thread(self.disk.check)
            if line:
                (log.error if self.disk.low else log.warning)("disk", state=line)
            await asyncio.sleep(DISK_LOOK_SECONDS)

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
            "disk": not self._refused_for_disk(),
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
        metrics.gauge(
            "pln_ivr_leases_expired",
            "Callers whom Asterisk took back because it did not hear from us",
            lambda: self.reception.leases_expired,
        )
        metrics.gauge("pln_ivr_disk_free_bytes", "Least room", lambda: self.disk.free_mb * 2**20)
        metrics.gauge("pln_ivr_disk_low", "1 below disk.low_mb", lambda: float(self.disk.low))
        metrics.gauge(
            "pln_ivr_resources_short",
            "Things of which there is less than a full house needs",
            lambda: len(self.shortages),
        )
        metrics.groups(
            "pln_ivr_repairs",
            "What upkeep found wrong and repaired",
            "what",
            lambda: {repair: float(self.upkeep.repairs[repair]) for repair in Repair},
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
