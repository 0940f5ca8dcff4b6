"""Adoption: taking over what an earlier run of this program, or Asterisk itself, has begun.

At each connection, before anybody is admitted. The journal is the memory, Asterisk is the
truth: conversations go on, waiting callers keep their place and their music, what rang is
settled, whoever Asterisk serves counts as a seat, and what belongs to nobody is removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from pln_ivr.ari import Client
from pln_ivr.ari.events import ChannelInfo
from pln_ivr.calls.call import OUT, Call
from pln_ivr.calls.house import Talk
from pln_ivr.calls.journey import TALK
from pln_ivr.calls.prompts import Prompts
from pln_ivr.calls.reception import Reception
from pln_ivr.calls.sight import Sight
from pln_ivr.errors import AriError, JournalError
from pln_ivr.journal import CallRow, JournalReader, OfferRow, RecordingPauseRow
from pln_ivr.outcomes import Stage
from pln_ivr.queues.desk import Desk
from pln_ivr.queues.offer import Offer
from pln_ivr.queues.phones import PjsipPhones
from pln_ivr.queues.ringing import LEG
from pln_ivr.recordings.names import name_of, recording_name

log = structlog.get_logger("pln_ivr.adoption")

CATCH_UP_SECONDS = 5.0
"""How far behind the events may be before a look at Asterisk's lists is given up."""

HANDOVER_SECONDS = 0.5
"""How long a run that is being replaced may take to store its last rows."""


GREETED = (Stage.ADMISSION, Stage.NOTICE, Stage.STATEMENT, Stage.RELEASE, Stage.MENU)
"""Stages in which a prompt of the earlier run may still be playing."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the journal remembers of calls and offers that had not ended."""

    calls: dict[str, CallRow]
    """By the caller leg's id; those of the channels asked for, ended or not."""
    offers: dict[str, OfferRow]
    """By offer id."""
    pauses: list[RecordingPauseRow] = field(default_factory=list)
    """Of these offers' recordings."""

    def pauses_of(self, offer_id: str) -> list[RecordingPauseRow]:
        """The pauses of this offer's recording."""
        return [row for row in self.pauses if row.offer_id == offer_id]

    def partner(self, legs: list[str]) -> str | None:
        """Which of these legs is the agent's: the one of whom the journal knows that they talk."""
        talking = (
            leg
            for leg in legs
            if (row := self.offers.get(leg.removeprefix(LEG))) and row.talking_at
        )
        return next(talking, legs[0] if legs else None)

    @classmethod
    def read(cls, url: str, node: str, channel_ids: list[str]) -> Memory:
        """Blocking. Raises JournalError."""
        with JournalReader(url) as reader:
            offers = {row.offer_id: row for row in reader.open_offers(node)}
            return cls(
                reader.calls_of_channels(channel_ids),
                offers,
                reader.recording_pauses_of(list(offers)),
            )


class Adoption:
    """Compares Asterisk with the journal and with what this run already has."""

    def __init__(
        self,
        ari: Client,
        reception: Reception,
        desk: Desk,
        prompts: Prompts,
        remember: Callable[[list[str]], Memory],
        on_phone_busy: Callable[[str, str], None],
        announces: Callable[[], bool],
    ) -> None:
        """`remember` reads the journal, blocking; `on_phone_busy` is told of an agent's
        extension and of a channel of the phone that is not ours; `announces` tells whether
        callers who wait may be hearing a statement."""
        self._announces = announces
        self._ari = ari
        self._reception = reception
        self._desk = desk
        self._prompts = prompts
        self._remember = remember
        self._on_phone_busy = on_phone_busy
        self._first = True

    async def look(self) -> Sight:
        """What Asterisk has now; every event of how it came to that has been read. Raises
        AriError."""
        channels = await self._ari.list_channels()
        bridges = await self._ari.list_bridges()
        await self._ari.catch_up(CATCH_UP_SECONDS)
        return Sight.of(self._ari.app, channels, bridges)

    async def adopt(self) -> None:
        """Make what is there ours. Raises AriError. Safe to cancel and to repeat."""
        sight = await self.look()
        strangers = self._strangers(sight)
        if self._first and strangers:
            await asyncio.sleep(HANDOVER_SECONDS)
        memory = await self._memory([*strangers, *sight.outside])
        talking = [await self._adopt_one(sight, memory, caller) for caller in strangers.values()]
        for channel in sight.outside.values():
            row = memory.calls.get(channel.id)
            open_row = row if row and row.outcome is None else None
            who = self._reception.identity.incarnation
            call = Call.adopted(open_row, who) if open_row else None
            self._reception.watch_outside(channel, call)
        for channel_id, extension in sight.elsewhere.items():
            self._on_phone_busy(extension, channel_id)
        await self._clear(sight, {leg for leg in talking if leg})
        if self._first:
            self._settle_offers(memory, {leg for leg in talking if leg})
        self._first = False
        await self._look_again()

    async def _memory(self, channel_ids: list[str]) -> Memory:
        try:
            return await asyncio.to_thread(self._remember, channel_ids)
        except JournalError as error:  # callers must not wait for a database
            log.error("adoption_without_journal", error=str(error))
            return Memory({}, {})

    def _strangers(self, sight: Sight) -> dict[str, ChannelInfo]:
        return {
            channel_id: channel
            for channel_id, channel in sight.callers.items()
            if not self._ari.follows(channel_id)
        }

    async def _adopt_one(self, sight: Sight, memory: Memory, channel: ChannelInfo) -> str | None:
        """Adopt one caller; returns the agent leg's id if they are talking."""
        row, leg = memory.calls.get(channel.id), memory.partner(sight.partners(channel.id))
        if row is not None and row.outcome is not None:
            log.warning("leftover_channel", call_id=row.call_id)
            await self._ari.hang_up(channel.id, row.cause or 16)
            return None
        told_something = row is not None and row.queue is None and leg is None
        if channel.id.startswith(OUT) and (told_something or not channel.answered):
            log.warning("dialling_given_up", channel=channel.id)
            await self._ari.hang_up(channel.id)
            return None  # Asterisk's list closes the row
        if row is None and leg is None:
            self._reception.missed(channel)
            return None
        who = self._reception.identity
        call = (
            Call.adopted(row, who.incarnation)
            if row
            else Call.found(channel, who.node, who.incarnation)
        )
        bridge = sight.bridge_of.get(channel.id)
        if leg:
            if row is None and bridge:
                call.id = bridge.removeprefix(TALK)
            talk = self._talk(call, sight.legs[leg], memory)
            self._ari.channel(leg).find(sight.legs[leg], bridge)
            self._reception.adopt(call, channel, bridge, talk)
            return leg
        if sight.in_talk(channel.id):  # the agent hung up while nobody looked
            call.stage = Stage.TALKING
            await self._ari.destroy_bridge(sight.bridge_of[channel.id])
            self._reception.adopt_ended(call, channel, bridge)
            return None
        if call.stage in (Stage.RINGING, Stage.DIALLING) and channel.id.startswith(OUT):
            call.stage = Stage.NOTICE  # picked up while nobody looked
        if row is not None and (call.stage in GREETED or self._announces()):
            await self._prompts.hush(self._ari.channel(channel.id), row.incarnation)
        self._reception.adopt(call, channel, bridge)
        return None

    def _talk(self, call: Call, leg: ChannelInfo, memory: Memory) -> Talk:
        offer_id = leg.id.removeprefix(LEG)
        row = memory.offers.get(offer_id)
        offer = Offer.of(row) if row else None
        if offer is None:
            agent = PjsipPhones.extension_of_channel(leg.name) or ""
            began = call.offered_at or call.started_at
            offer = Offer(offer_id, call.id, call.queue or "", agent, began)
        name = recording_name(call.id, offer.id, offer.offered_at)
        recorded = name_of(call.recording) if call.recording else name
        return Talk(offer, recorded, memory.pauses_of(offer.id))

    async def _clear(self, sight: Sight, talking: set[str]) -> None:
        """End legs, short codes and bridges of an earlier run that nobody needs."""
        for channel_id in (*sight.legs, *sight.codes):
            if channel_id not in talking and not self._ari.follows(channel_id):
                log.warning("leftover_channel", channel=channel_id)
                await self._ari.hang_up(channel_id)
        for bridge, members in sight.talks.items():
            if not any(map(self._ari.follows, members)) and not self._reception.has(
                bridge.removeprefix(TALK)
            ):
                await self._ari.destroy_bridge(bridge)
        for bridge, members in sight.side_rooms.items():
            if not any(map(self._ari.follows, members)):
                await self._ari.destroy_bridge(bridge)

    def _settle_offers(self, memory: Memory, talking: set[str]) -> None:
        for row in memory.offers.values():
            if LEG + row.offer_id not in talking:
                self._desk.lost(Offer.of(row))

    async def _look_again(self) -> None:
        """What ended while it was being adopted told nobody: Asterisk's list does."""
        channels = [self._ari.channel(channel_id) for channel_id in self._ari.followed()]
        known = [channel for channel in channels if channel.state]  # who comes later is not listed
        alive = {channel.id for channel in await self._ari.list_channels()}
        await self._ari.catch_up(CATCH_UP_SECONDS)
        for channel in known:
            if channel.id not in alive and not channel.gone:
                channel.lose(pbx_restarted=False)


async def close_fallback(ari: Client) -> None:
    """Have those who wait in Asterisk's own queue come to us: its members rest. Raises AriError."""
    await ari.set_global("FALLBACK_OPEN", "0")
    await _pause_members(ari, "1")


async def open_fallback(ari: Client) -> None:
    """Have Asterisk's own queue serve whom we send there. Raises AriError."""
    await ari.set_global("FALLBACK_OPEN", "1")
    await _pause_members(ari, "0")


async def _pause_members(ari: Client, paused: str) -> None:
    members = await ari.get_global("FALLBACK_MEMBERS")
    for member in filter(None, members.split(",")):
        try:
            await ari.set_global(f"QUEUE_MEMBER(fallback,paused,{member})", paused)
        except AriError as error:  # it may have left the queue in this moment
            log.warning("fallback_member_not_set", error=str(error))
