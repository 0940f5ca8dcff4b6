"""The journey: one coroutine that takes a call through its stages.

notice → waiting → ringing an agent → talking. It reads like the caller's visit. If the
caller hangs up, whatever is being awaited is cancelled there and then, and Gone is
raised; reception ends the call in its one place.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import structlog

from pln_ivr.ari import Channel, Client
from pln_ivr.calls.call import Call
from pln_ivr.calls.prompts import Prompts
from pln_ivr.calls.room import Comfort, WaitingRoom
from pln_ivr.errors import AriError, AriRefused, AriTimeout, AriUnavailable, Gone
from pln_ivr.outcomes import OfferResult, Outcome, Reason, Result, Stage
from pln_ivr.queues.desk import Desk, Offer
from pln_ivr.queues.phones import Phones
from pln_ivr.queues.ringing import Ring, RingTimes, agent_leg, ring
from pln_ivr.recordings.files import Filed
from pln_ivr.recordings.recorder import Recorder, recording_name, recording_uri

log = structlog.get_logger("pln_ivr.journey")

TALK = "talk-"
"""Begins the id of every conversation's bridge; the call's id follows."""

JOIN_SECONDS = 3.0
"""How long two legs may take to enter their bridge."""

RETRY_SECONDS = 0.5
"""Until another attempt to greet a caller whom Asterisk could not be asked to answer."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that a journey needs."""

    queue: str
    ring: RingTimes
    confirm_seconds: float
    when_unconfirmed: Literal["bridge", "wait"]


@dataclass(frozen=True, slots=True)
class House:
    """The parts that journeys share."""

    ari: Client
    prompts: Prompts
    room: WaitingRoom
    desk: Desk
    phones: Phones
    recorder: Recorder
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

        `talk` is the conversation that an adopted call is in. Returns the outcome if the
        agent's side ended it. Raises Gone if the caller did, and AriError if Asterisk failed
        us. Safe to cancel: the agent leg and the offer end with it.
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

    async def _find_agent(self) -> Outcome:
        house, call = self._house, self._call
        call.queue = call.queue or self._rules.queue
        call.queued_at = call.queued_at or datetime.now(UTC)
        self._enter(Stage.WAITING)
        async with (
            house.desk.join(call.id, call.queue, call.queued_at) as place,
            house.room.comfort(self._caller, call.queue) as comfort,
        ):
            while True:
                offer = await house.desk.next_offer(place)
                outcome = await self._take(offer, comfort)
                if outcome:
                    return outcome
                self._enter(Stage.WAITING)

    async def _take(self, offer: Offer, comfort: Comfort) -> Outcome | None:
        """Ring the agent and talk; None if it came to nothing and the caller waits on."""
        call = self._call
        call.agent, call.offered_at = offer.agent, offer.offered_at
        self._enter(Stage.RINGING)
        name = self._house.recorder.begin(recording_name(call.id, offer.id, offer.offered_at))
        result = OfferResult.CALLER_GONE
        talked = False
        try:
            async with agent_leg(self._house.ari, offer) as leg:
                rung = await ring(
                    self._house.ari,
                    self._house.phones,
                    offer,
                    leg,
                    Ring(self._caller, call.caller, name),
                    self._rules.ring,
                )
                if rung is not OfferResult.ANSWERED:
                    result = rung
                    return None
                if not await self._recording_runs(name):
                    result = OfferResult.FAILED
                    return None
                async with self._bridge() as bridge:
                    if not await self._join(leg, bridge, comfort):
                        result = OfferResult.FAILED
                        return None
                    talked, result = True, rung
                    self._house.desk.begin_talking(offer)
                    return await self._talk(leg, name)
        except BaseException:  # a shutdown and a bug are not the caller's doing either
            if not self._caller.gone and not talked:
                result = OfferResult.FAILED
            raise
        finally:
            self._house.desk.settle(offer, result)
            if talked:
                self._file(name)
            else:
                self._house.recorder.discard(name)

    async def _talk_on(self, talk: Talk) -> Outcome:
        """The conversation that an earlier run of the program began."""
        call, offer = self._call, talk.offer
        self._house.desk.adopt(offer)
        self._house.recorder.resume(talk.recording)
        try:
            async with agent_leg(self._house.ari, offer) as leg, self._bridge(there=True):
                call.agent = offer.agent
                return await self._talk(leg, talk.recording)
        finally:
            self._house.desk.settle(offer, OfferResult.ANSWERED)
            self._file(talk.recording)

    def _file(self, recording: str) -> None:
        if not recording:
            return
        began = self._call.talking_at
        seconds = (datetime.now(UTC) - began).total_seconds() if began else 0.0
        self._house.recorder.finish(recording, seconds, self._filed)

    async def _recording_runs(self, name: str) -> bool:
        """Whether the two may talk: the recording runs, or the policy is to talk all the same."""
        if await self._house.recorder.confirm(name, self._rules.confirm_seconds):
            return True
        log.error("recording_unconfirmed", policy=self._rules.when_unconfirmed)
        return self._rules.when_unconfirmed == "bridge"

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

    async def _talk(self, leg: Channel, recording: str) -> Outcome:
        self._call.talking_at = self._call.talking_at or datetime.now(UTC)
        self._call.recording = recording_uri(recording) if recording else None
        self._enter(Stage.TALKING)
        try:
            tie, caller = self._house.ari.tie, self._caller
            await _both(tie(caller.id, leg.id), tie(leg.id, caller.id))
        except AriError as error:  # of the end, if it is that, we learn below
            log.info("talkers_not_tied", error=str(error))
        hangup = await leg.until_gone()
        if hangup.lost:
            self._ended = Outcome(Result.FAILED, Reason.PBX)
        elif hangup.unseen:
            self._ended = Outcome(Result.ANSWERED, Reason.UNSEEN)
        elif hangup.media_lost:
            self._ended = Outcome(Result.ANSWERED, Reason.MEDIA_LOST)
        else:
            self._ended = Outcome(Result.ANSWERED, Reason.AGENT_HUNG_UP)
        return self._ended

    def _filed(self, filed: Filed) -> None:
        self._call.recording_seconds = filed.seconds
        self._house.tell(self._call)

    def _enter(self, stage: Stage) -> None:
        self._call.stage = stage
        self._house.tell(self._call)


async def _both(first: Awaitable[None], second: Awaitable[None]) -> None:
    """Two requests on their way at once; the first error is raised when both are done."""
    for error in await asyncio.gather(first, second, return_exceptions=True):
        if error:
            raise error
