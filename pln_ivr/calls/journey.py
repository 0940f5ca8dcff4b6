"""The journey: one coroutine that takes a call through its stages.

notice → waiting → ringing an agent → talking. It reads like the caller's visit. If the
caller hangs up, whatever is being awaited is cancelled there and then, and Gone is
raised; reception ends the call in its one place.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from pln_ivr.ari import Channel, Client
from pln_ivr.calls.call import Call
from pln_ivr.calls.partner import Partner, Partners
from pln_ivr.calls.prompts import Prompts
from pln_ivr.calls.room import Comfort, WaitingRoom
from pln_ivr.errors import AriError, AriRefused, AriTimeout, AriUnavailable, Gone
from pln_ivr.outcomes import OfferResult, Outcome, Reason, Result, Stage, TalkEnd
from pln_ivr.queues.conduct import Conduct
from pln_ivr.queues.desk import Desk, Place
from pln_ivr.queues.lines import Line, Returning
from pln_ivr.queues.offer import Offer
from pln_ivr.recordings.recorder import Recorder, recording_uri

log = structlog.get_logger("pln_ivr.journey")

TALK = "talk-"
"""Begins the id of every conversation's bridge; the call's id follows."""

JOIN_SECONDS = 3.0
"""How long two legs may take to enter their bridge."""

RETRY_SECONDS = 0.5
"""Until another attempt to greet a caller whom Asterisk could not be asked to answer."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Which line a call joins: by the number that was dialled, else `entry`."""

    entry: str
    dialled: Mapping[str, str]

    def queue(self, dialled: str) -> str:
        """The queue for a call to this number."""
        return self.dialled.get(dialled, self.entry)


@dataclass(frozen=True, slots=True)
class House:
    """The parts that journeys share."""

    ari: Client
    prompts: Prompts
    room: WaitingRoom
    desk: Desk
    partners: Partners
    recorder: Recorder
    returning: Returning
    conduct: Conduct
    tell: Callable[[Call], None]
    """Called when a call's story has grown: journal and metrics."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation that goes on from an earlier run of the program."""

    offer: Offer
    recording: str


class Journey:
    """One call's way through the house. `visit` is run once."""

    def __init__(self, house: House, rules: Rules, call: Call, caller: Channel) -> None:
        self._house = house
        self._rules = rules
        self._call = call
        self._caller = caller
        self._ended: Outcome | None = None

    async def visit(self, talk: Talk | None = None) -> Outcome:
        """From the stage where the call stands, usually admission, to the conversation's end.

        `talk` is the conversation that an adopted call is in. Returns the outcome if our
        side ended it. Raises Gone if the caller did, and AriError if Asterisk failed us. Safe
        to cancel: the agent leg and the offer end with it.
        """
        try:
            async with self._caller.present():
                if talk:
                    return await self._talk_on(talk)
                if self._call.stage in (Stage.ADMISSION, Stage.NOTICE):
                    await self._greet()
                return await self._find_agent()
        except Gone:
            if self._ended:  # the caller followed while we cleared up after the agent's hang-up
                return self._ended
            raise

    # -- notice --------------------------------------------------------------------------

    async def _greet(self) -> None:
        """Answer and play the notice; all over again if the connection was lost meanwhile.

        There is no deadline here: when the lease ends, the dialplan takes the caller.
        """
        while True:
            try:
                await self._answer()
                self._enter(Stage.NOTICE)
                if await self._house.prompts.play(self._caller, "notice"):
                    self._call.notice_heard_at = datetime.now(UTC)
                return
            except (AriUnavailable, AriTimeout) as error:
                log.warning("greeting_interrupted", error=str(error))
            await asyncio.sleep(RETRY_SECONDS)
            await self._house.ari.until_ready()

    async def _answer(self) -> None:
        seconds = self._house.room.greeting_seconds()
        if self._call.answered_at is None:
            await _both(
                self._house.ari.lease(self._caller.id, seconds),
                self._house.ari.answer(self._caller.id),
            )
            self._call.answered_at = datetime.now(UTC)
        else:
            await self._house.prompts.hush(self._caller)
            await self._house.ari.lease(self._caller.id, seconds)

    # -- waiting -------------------------------------------------------------------------

    async def _find_agent(self) -> Outcome:
        """Wait in the call's line, or in those that it overflows to."""
        call, lines = self._call, self._house.desk.lines
        line = lines.get(call.queue or "") or lines[self._rules.queue(call.dialled)]
        self._take_place(line)
        while True:
            ended = await self._wait_in(line)
            if isinstance(ended, Outcome):
                return ended
            if not line.overflow:
                return await self._release(ended)
            log.info("overflow", queue=line.name, to=line.overflow, reason=ended)
            line = lines[line.overflow]

    def _take_place(self, line: Line) -> None:
        """Join the line; who was cut off a moment ago has the old place."""
        call, now = self._call, datetime.now(UTC)
        if call.queued_at is None:
            call.queued_at = now
            call.place_at = self._house.returning.place(call.caller, line.name, now)
        call.place_at = call.place_at or call.queued_at

    async def _wait_in(self, line: Line) -> Outcome | Reason:
        """The outcome, or the reason why this line cannot serve the caller."""
        house, call = self._house, self._call
        call.queue = line.name
        if house.desk.is_full(line):
            return Reason.QUEUE_FULL
        self._enter(Stage.WAITING)
        deadline = None
        if line.longest_wait_seconds:
            deadline = asyncio.get_running_loop().time() + line.longest_wait_seconds
        async with (
            house.desk.join(call.id, line, call.place_at or datetime.now(UTC)) as place,
            house.room.comfort(self._caller, line, lambda: house.desk.standing(call.id)) as comfort,
        ):
            while True:
                offer = await self._next_offer(place, deadline)
                if offer is None:
                    return Reason.WAITED_TOO_LONG
                outcome = await self._take(offer, comfort)
                if outcome:
                    return outcome
                self._enter(Stage.WAITING)

    async def _next_offer(self, place: Place, deadline: float | None) -> Offer | None:
        try:
            async with asyncio.timeout_at(deadline):
                return await self._house.desk.next_offer(place)
        except TimeoutError:
            return None

    async def _release(self, reason: Reason) -> Outcome:
        """Nobody can serve this caller: say so and let go."""
        await self._house.prompts.play(self._caller, "all-busy")
        return Outcome(Result.RELEASED, reason)

    # -- ringing and talking ---------------------------------------------------------------

    async def _take(self, offer: Offer, comfort: Comfort) -> Outcome | None:
        """Ring the agent and talk; None if it came to nothing and the caller waits on."""
        call, partners = self._call, self._house.partners
        call.agent, call.offered_at = offer.agent, offer.offered_at
        self._enter(Stage.RINGING)
        async with partners.bind(call, self._caller, offer) as partner:
            if not await partners.ring(partner, self._caller, call.caller):
                return None
            async with self._bridge() as bridge:
                if not await self._join(partner.leg, bridge, comfort):
                    partner.result = OfferResult.FAILED
                    return None
                partners.begin_talking(partner)
                return await self._talk(partner)

    async def _talk_on(self, talk: Talk) -> Outcome:
        """The conversation that an earlier run of the program began."""
        call, offer, partners = self._call, talk.offer, self._house.partners
        offer.talking_at = offer.talking_at or call.talking_at or datetime.now(UTC)
        self._house.desk.adopt(offer)
        async with (
            partners.bind(call, self._caller, offer, talk.recording) as partner,
            self._bridge(there=True),
        ):
            call.agent = offer.agent
            return await self._talk(partner)

    @asynccontextmanager
    async def _bridge(self, there: bool = False) -> AsyncIterator[str]:
        """The conversation's bridge for the body's duration; its channels outlive it."""
        bridge = TALK + self._call.id
        try:
            if not there:
                await self._house.ari.create_bridge(bridge, "mixing")
            yield bridge
        finally:
            with suppress(AriError):  # if Asterisk is away, reconnecting finds the bridge
                await self._house.ari.destroy_bridge(bridge)

    async def _join(self, leg: Channel, bridge: str, comfort: Comfort) -> bool:
        """Put caller and agent together; false if that failed and the caller waits on."""
        await comfort.stop()
        try:
            await self._house.room.lease(self._caller, 0)  # a conversation outlives this program
            await self._house.ari.add_to_bridge(bridge, [self._caller.id, leg.id])
            for channel in (self._caller, leg):
                await channel.until_in_bridge(bridge, JOIN_SECONDS)
        except (Gone, AriRefused, AriTimeout) as error:
            if self._caller.gone:
                raise
            log.warning("agent_not_connected", error=str(error))
            comfort.start()
            return False
        return True

    async def _talk(self, partner: Partner) -> Outcome:
        call, leg, recording = self._call, partner.leg, partner.recording
        call.talking_at = call.talking_at or datetime.now(UTC)
        call.recording = recording_uri(recording) if recording else None
        self._enter(Stage.TALKING)
        try:
            tie, caller = self._house.ari.tie, self._caller
            await _both(tie(caller.id, leg.id), tie(leg.id, caller.id))
        except AriError as error:  # of the end, if it is that, we learn below
            log.info("talkers_not_tied", error=str(error))
        hangup = await leg.until_gone()
        if hangup.lost:
            self._ended = Outcome(Result.FAILED, Reason.PBX)
            partner.talk_end = TalkEnd.FAILED
        elif hangup.unseen:
            self._ended = Outcome(Result.ANSWERED, Reason.UNSEEN)
            partner.talk_end = TalkEnd.UNSEEN
        elif hangup.media_lost:
            self._ended = Outcome(Result.ANSWERED, Reason.MEDIA_LOST)
            partner.talk_end = TalkEnd.MEDIA_LOST
        else:
            self._ended = Outcome(Result.ANSWERED, Reason.AGENT_HUNG_UP)
            partner.talk_end = TalkEnd.AGENT_HUNG_UP
        return self._ended

    def _enter(self, stage: Stage) -> None:
        self._call.stage = stage
        self._house.tell(self._call)


async def _both(first: Awaitable[None], second: Awaitable[None]) -> None:
    """Two requests on their way at once; the first error is raised when both are done."""
    for error in await asyncio.gather(first, second, return_exceptions=True):
        if error:
            raise error
