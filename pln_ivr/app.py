"""The composition root: builds the parts and joins them.

Nothing else sees all settings, and nothing is built anywhere else but what HTTP shows of the
parts (`supervision`). `service` runs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

import structlog
import uuid_utils

from pln_ivr.ari import Client
from pln_ivr.ari.events import EndpointInfo, StasisStart
from pln_ivr.bills.lookup import Bills
from pln_ivr.calls.admission import ArrivalLimit, Door, Seats, margin
from pln_ivr.calls.adoption import Adoption, Memory, close_fallback, open_fallback
from pln_ivr.calls.announcing import Announcing, tell_fallback
from pln_ivr.calls.call import Call, Identity
from pln_ivr.calls.codes import AgentCodes, Words
from pln_ivr.calls.completion import Completion, Sources
from pln_ivr.calls.conversation import Conversations, Means
from pln_ivr.calls.dialogues.asking import Asking
from pln_ivr.calls.flags import Flags
from pln_ivr.calls.floor import Floor, Keys
from pln_ivr.calls.guests import Guests
from pln_ivr.calls.house import Errand, House
from pln_ivr.calls.outbound.calling_back import CallingBack
from pln_ivr.calls.partner import Partners
from pln_ivr.calls.prompts import Prompts
from pln_ivr.calls.reception import Reception, Refusal
from pln_ivr.calls.recording_pauses import Pausing
from pln_ivr.calls.room import WaitingRoom
from pln_ivr.calls.staying import Staying
from pln_ivr.calls.upkeep import Upkeep
from pln_ivr.calls.whisper import whisper
from pln_ivr.config import Settings
from pln_ivr.console.events import LiveStatements
from pln_ivr.console.feed import Feed
from pln_ivr.dialogues import Dialogues, rules_of
from pln_ivr.dispatch.sender import Sender
from pln_ivr.errors import AriError
from pln_ivr.figures import show
from pln_ivr.journal import CallRow, JournalWriter
from pln_ivr.metrics import Metrics
from pln_ivr.outages.bulletin import Bulletin
from pln_ivr.outages.reports import Reports
from pln_ivr.queues.agents import Agent, Agents
from pln_ivr.queues.callback_store import CallbackStore
from pln_ivr.queues.conduct import Conduct
from pln_ivr.queues.desk import Desk
from pln_ivr.queues.lines import Returning
from pln_ivr.queues.offer import LocalReservations, Offer
from pln_ivr.queues.phones import PhoneWatch, PjsipPhones
from pln_ivr.queues.ringing import RingTimes
from pln_ivr.queues.service import ServiceLevels
from pln_ivr.recordings.index import Index
from pln_ivr.recordings.names import name_of
from pln_ivr.recordings.nightly import Nightly
from pln_ivr.recordings.recorder import Recorder
from pln_ivr.recordings.workers import Filer
from pln_ivr.resources import DiskWatch, needs, of_asterisk, shortages, sqlite_folder
from pln_ivr.rules import (
    callbacks_of,
    digits_of,
    habits_of,
    lines_of,
    nightly_of,
    receiver_of,
    reports_of,
    source_of,
    trunk_of,
)
from pln_ivr.staff import Staff
from pln_ivr.telling import Telling

log = structlog.get_logger("pln_ivr.app")


class App:
    """One running node."""

    def __init__(
        self,
        settings: Settings,
        ari: Client,
        journal: JournalWriter,
        metrics: Metrics,
        filer: Filer,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self.ari = ari
        self.journal = journal
        self.feed = Feed(metrics.feed_dropped)
        self.levels = ServiceLevels(
            {name: queue.service_seconds for name, queue in settings.queues.names.items()}
        )
        self.telling = Telling(settings.node.name, journal, metrics, self.levels, self.feed.tell)
        loop = asyncio.get_running_loop()
        self.drain_seconds = settings.drain.deadline_seconds
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
        index = Index(settings.journal.url, journal, settings.node.name)
        self.recorder = Recorder(recordings.spool, filer, index, lambda: not self.disk.full)
        self.nightly = Nightly(nightly_of(settings), journal.write)
        agents = settings.agents
        self.phones = PjsipPhones(
            ari, agents.codec, agents.qualify_seconds, self._reachable, agents.encryption != "none"
        )
        self.staff = Staff(
            agents.roster,
            settings.queues.skills,
            settings.journal.url,
            self.agents,
            self.phones.push,
        )
        self.phone_watch = PhoneWatch(ari, self.agents)
        self.desk = Desk(
            self.agents,
            LocalReservations(self.agents),
            lines_of(settings.queues),
            settings.node.name,
            self.telling.offer,
            self._offer_ended,
            habits_of(settings),
            loop.time,
        )
        self.bulletin = Bulletin(
            settings.journal.url,
            settings.prompts.folder,
            settings.outages.poll_seconds,
            lambda live: self.feed.publish("statements", LiveStatements.of(live)),
        )
        self.reports = Reports(
            settings.journal.url,
            settings.node.name,
            reports_of(settings),
        )
        self.callbacks = CallbackStore(settings.journal.url, settings.node.name)
        self.sender = Sender(
            settings.journal.url, receiver_of(settings.dispatch), metrics.dispatch_attempted
        )
        self.bills = Bills(source_of(settings.bill), metrics.bill_looked_up, loop.time)
        self.staying = Staying(
            self.seats, settings.release.share, lambda: bool(self.bulletin.live())
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
        words = Words(settings.agents.pauses, settings.agents.dispositions)
        self.conduct = Conduct(settings.node.name, self.telling.incident)
        self.talks = Conversations()
        self.flags = Flags(settings.node.name, self.telling)
        self.partners = self._build_partners(prompts)
        self.guests = Guests(
            ari, self.partners, self.agents, settings.node.name, self.telling, self.flags.helped
        )
        identity = Identity(settings.node.name, incarnation)
        self.floor = Floor(
            ari,
            identity,
            self.agents,
            self.desk,
            self.talks,
            self.guests,
            self.flags,
            Keys(words, digits_of(settings.queues)),
            settings.agents.flag_rings_supervisors,
            self._place_call if settings.outbound.gateway else None,
        )
        self.codes = AgentCodes(ari, prompts, self.agents, self.desk, words, self.floor.call_out)
        asking = Asking(ari, prompts)
        house = self._build_house(prompts, asking)
        self.reception = self._build_reception(house, identity)
        self.calling_back = CallingBack(
            self.callbacks,
            callbacks_of(settings),
            house,
            self.reception,
            asking,
            self.reports,
            settings.agents.wrap_up_seconds,
            settings.callbacks.restored_per_minute,
            metrics.callback_attempted,
        )
        self.adoption = Adoption(
            ari,
            self.reception,
            self.desk,
            prompts,
            self._remember,
            self.phone_watch.busy,
            lambda: bool(self.bulletin.live()),
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
        shares = {name: queue.service_share for name, queue in settings.queues.names.items()}
        show(self, metrics, shares, settings.agents.certificate)

    def _build_house(self, prompts: Prompts, asking: Asking) -> House:
        settings, ari = self._settings, self.ari
        dialogues = Dialogues(settings, asking, self._metrics)
        callbacks = dialogues.callbacks(self.callbacks)
        return House(
            ari=ari,
            prompts=prompts,
            room=self.room,
            desk=self.desk,
            partners=self.partners,
            recorder=self.recorder,
            announcing=Announcing(
                self.bulletin, ari, prompts, settings.node.name, self.telling.hearing
            ),
            menu=dialogues.menu(self.reports, self.bills, callbacks),
            releasing=dialogues.releasing(self.staying, self.reports, callbacks),
            callbacks=callbacks,
            callback_store=self.callbacks,
            returning=Returning(settings.queues.resume_seconds),
            means=Means(
                ari, self.desk, self.conduct, self.talks, self.floor.keyed, self.floor.over
            ),
            seats=self.seats,
            trunk=trunk_of(settings.outbound),
            tell=self.telling.call,
        )

    def _build_reception(self, house: House, identity: Identity) -> Reception:
        settings = self._settings
        limit = ArrivalLimit(
            settings.admission.arrivals_per_second, asyncio.get_running_loop().time
        )
        return Reception(
            house,
            rules_of(settings),
            Door(self.seats, limit, self._refused_for_disk),
            self.codes,
            Refusal(settings.admission.reject_cause, settings.drain.new_calls),
            identity,
            self._call_ended,
        )

    def _build_partners(self, prompts: Prompts) -> Partners:
        agents, recordings = self._settings.agents, self._settings.recordings
        return Partners(
            ari=self.ari,
            desk=self.desk,
            phones=self.phones,
            recorder=self.recorder,
            times=RingTimes(agents.dial_deadline_seconds, agents.ring_deadline_seconds),
            pausing=Pausing(
                self.ari,
                self._settings.node.name,
                recordings.pause_seconds,
                self.telling.recording_pause,
                partial(whisper, self.ari, prompts),
            ),
            confirm_seconds=recordings.confirm_seconds,
            talk_unrecorded=recordings.when_unconfirmed == "bridge",
            tell=self.telling.call,
        )

    # -- what Asterisk tells (ari.client.Handler) --------------------------------------

    async def connected(self) -> None:
        """After each connection: count who is in the house, then let callers in."""
        await self.ari.set_global("CAPACITY", str(self.seats.budget))
        await self.ari.set_global("MARGIN", str(margin(self.seats.budget)))
        await tell_fallback(self.bulletin, self.ari)
        await self.room.prepare()
        await self.adoption.adopt()
        await self.codes.catch_up()
        self.reception.open()
        await self.phones.push(self.staff.roster)
        if not self.reception.draining:
            await close_fallback(self.ari)
        await self._check_resources()
        self.desk.change()
        self.upkeep.soon()

    async def begin_draining(self) -> None:
        """Admit nobody any more. Never raises: without Asterisk nobody comes anyway."""
        self.reception.draining = True
        if self._settings.drain.new_calls == "fallback":
            try:
                await open_fallback(self.ari)
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

    def _place_call(self, call: Call, offer: Offer) -> None:
        self.reception.call_out(call, Errand(offer))

    # -- what the parts tell ------------------------------------------------------------

    def _reachable(self, extension: str, reachable: bool) -> None:
        self.agents.set_reachable(extension, reachable)
        self.desk.change()

    def _agent_changed(self, agent: Agent, reason: str) -> None:
        self.telling.agent_changed(agent, reason)
        self.desk.change()

    def _call_ended(self, call: Call) -> None:
        self.telling.call_ended(call)
        self.calling_back.call_ended(call)

    def _offer_ended(self, offer: Offer) -> None:
        self.telling.offer_ended(offer)
        self.conduct.offer_ended(offer)

    def _remember(self, channel_ids: list[str]) -> Memory:
        settings = self._settings
        return Memory.read(settings.journal.url, settings.node.name, channel_ids)

    def _call_completed(self, row: CallRow) -> None:
        own = row.incarnation == self.reception.identity.incarnation
        self.telling.call_completed(row, own)
        self.calling_back.call_completed(row)
        if row.recording:
            self.recorder.recover(name_of(row.recording))

    # -- what there is enough of, or not --------------------------------------------------

    async def _check_resources(self) -> None:
        settings = self._settings
        there = await of_asterisk(self.ari.get_global) | self.own_resources
        needed = needs(self.seats.budget, len(self.staff.roster), settings.ari.connections)
        self.shortages = shortages(needed, there)
        for line in self.shortages:
            log.warning("resource_short", what=line)

    def _refused_for_disk(self) -> bool:
        return self.disk.full and self._settings.admission.when_disk_full == "reject"

    # -- figures ----------------------------------------------------------------------------

    def checks(self) -> Mapping[str, bool]:
        """What /readyz reports."""
        return {
            "asterisk": self.ari.ready,
            "journal": not self.journal.failing,
            "disk": not self._refused_for_disk(),
            "admitting": not self.reception.draining,
        }
