"""The journey: one coroutine that takes a call through its stages.

notice → statement → (release, or) menu → waiting → ringing an agent → talking. It reads like the
caller's visit. If the caller hangs up, whatever is being awaited is cancelled there and
then, and Gone is raised; reception ends the call in its one place.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime

import structlog

from pln_ivr.ari import Channel, Hangup
from pln_ivr.calls.call import Call
from pln_ivr.calls.conversation import Conversation, HandOver, Transfer
from pln_ivr.calls.dialogues.phone_number import national
from pln_ivr.calls.house import Approach, Errand, House, Rules, Start, Talk
from pln_ivr.calls.outbound.callout import why_gone
from pln_ivr.calls.outbound.reaching import notify, reach
from pln_ivr.calls.partner import Partner, ends_of
from pln_ivr.calls.room import Comfort
from pln_ivr.errors import AriError, AriRefused, AriTimeout, Gone
from pln_ivr.outcomes import Direction, OfferResult, Outcome, Reason, Result, Stage, TalkEnd
from pln_ivr.queues.desk import Place
from pln_ivr.queues.lines import Line
from pln_ivr.queues.offer import Offer

log = structlog.get_logger("pln_ivr.journey")

TALK = "talk-"
"""Begins the id of every conversation's bridge; the call's id follows."""

BRIDGE = "mixing,dtmf_events"
"""The kind of it: see Operations.create_bridge."""

JOIN_SECONDS = 3.0
"""How long two legs may take to enter their bridge."""

CALLED_BACK = Outcome(Result.RELEASED, Reason.CALLBACK)
"""How a visit ends in which a callback was noted."""

REPORTED = Outcome(Result.RELEASED, Reason.REPORTED)
"""How a visit ends in which an outage was reported, and no agent asked for."""

PASSING = (Stage.ADMISSION, Stage.NOTICE, Stage.STATEMENT, Stage.RELEASE)
"""The stages in which it is open whether the caller may stay."""

ONLY_SECONDS = 20.0
"""How long a caller who was sent to one agent waits for that one; then anybody will do."""


class Journey:
    """One call's way through the house. `visit` is run once."""

    def __init__(self, house: House, rules: Rules, call: Call, caller: Channel) -> None:
        self._house = house
        self._rules = rules
        self._call = call
        self._caller = caller
        caller.language = call.language
        self._ended: Outcome | None = None

    async def visit(self, start: Start | None = None) -> Outcome:
        """From the stage where the call stands, usually admission, to the conversation's end.

        `start` is the conversation that an adopted call is in, or what an outbound call begins
        with. Returns the outcome if our side ended it. Raises Gone if the caller did, and
        AriError if Asterisk failed us. Safe to cancel: the agent leg and the offer end with it.
        """
        try:
            async with self._caller.present():
                if isinstance(start, Talk):
                    return await self._talk_on(start)
                if isinstance(start, Errand):
                    return await self._call_out(start)
                if isinstance(start, Approach):
                    return await start.meet(self._call, self._caller) or await self._find_agent()
                return await self._receive() or await self._find_agent()
        except Gone:
            if self._ended:  # the caller followed while we cleared up after the agent's hang-up
                return self._ended
            if self._call.callback:  # noted, whether or not the caller heard all of our thanks
                return CALLED_BACK
            if self._call.reported and self._call.stage in (Stage.MENU, Stage.RELEASE):
                return REPORTED  # who has reported is told to hang up
            if self._call.stage is Stage.DIALLING:
                return Outcome(Result.UNREACHED, await why_gone(self._caller))
            raise

    async def _receive(self) -> Outcome | None:
        """What comes before the line; the outcome if the visit is over with it."""
        if self._passes:
            self._house.releasing.staying.begin(self._caller.id)
        if self._call.stage in (Stage.ADMISSION, Stage.NOTICE):
            await self._greet()
        if self._call.stage in (Stage.NOTICE, Stage.STATEMENT):
            await self._state()
        released = await self._stay_or_release() if self._passes else None
        if released is None and self._call.stage in (Stage.NOTICE, Stage.STATEMENT, Stage.MENU):
            return await self._choose()
        return released

    @property
    def _passes(self) -> bool:
        """Whether it is open still if the caller may stay; whom we called does."""
        return self._call.stage in PASSING and self._call.direction is Direction.INBOUND

    # -- notice --------------------------------------------------------------------------

    async def _greet(self) -> None:
        """Answer and play the notice."""
        await self._house.prompts.see_through(self._caller, self._answer_and_notify)

    async def _answer_and_notify(self) -> None:
        await self._answer()
        self._enter(Stage.NOTICE)
        if await self._house.prompts.play(self._caller, "notice"):
            self._call.notice_heard_at = datetime.now(UTC)
            self._call.notice_version = self._house.prompts.version("notice")

    async def _answer(self) -> None:
        seconds = self._house.room.greeting_seconds()
        if self._call.answered_at is None:
            await _both(
                self._house.ari.lease(self._caller.id, seconds),
                self._house.ari.answer(self._caller.id),
            )
            self._call.answered_at = datetime.now(UTC)
        else:
            await self._house.ari.lease(self._caller.id, seconds)

    # -- statement -----------------------------------------------------------------------

    async def _state(self) -> None:
        """Have the caller hear what is live; nothing of it if nothing is."""
        news = self._house.announcing.news(self._call, self._caller)
        if not news.pending:
            return
        self._enter(Stage.STATEMENT)
        await self._house.prompts.see_through(self._caller, news.tell)

    # -- stay, or be released --------------------------------------------------------------

    async def _stay_or_release(self) -> Outcome | None:
        """None if the caller may stay; who may not yet hears what can be had without. Who comes
        to stay from there has asked for an agent, and is past the menu."""
        call, releasing = self._call, self._house.releasing
        if call.stage is not Stage.RELEASE and releasing.staying.take(self._caller.id):
            return None
        self._enter(Stage.RELEASE)
        return await releasing.lead(call, self._caller, self._rules.queue(call.dialled))

    # -- menu ----------------------------------------------------------------------------

    async def _choose(self) -> Outcome | None:
        """Have a caller who has no line yet choose one in the menu; the outcome if that was all
        they wanted."""
        call, menu = self._call, self._house.menu
        if menu is None or call.queue or not self._rules.may_choose(call.dialled):
            return None
        call.menu_at = call.menu_at or datetime.now(UTC)
        self._enter(Stage.MENU)
        left = await menu.lead(call, self._caller)
        if call.callback:
            return CALLED_BACK
        if left.queue is None:
            return REPORTED if call.reported else Outcome(Result.RELEASED, Reason.INFORMED)
        call.queue = left.queue or None
        return None

    # -- waiting -------------------------------------------------------------------------

    async def _find_agent(self, goal: Transfer | None = None) -> Outcome:
        """Wait where `goal` says or in the call's line, in those that it overflows to or is
        transferred to."""
        call, lines = self._call, self._house.desk.lines
        if goal is None:
            goal = Transfer(lines.get(call.queue or "") or lines[self._rules.queue(call.dialled)])
        self._take_place(goal.line)
        while True:
            ended = await self._wait_in(goal)
            if isinstance(ended, Outcome):
                return ended
            if isinstance(ended, Transfer):
                goal = ended
            elif goal.only:  # not there: anybody of the line is better than nobody
                goal = Transfer(goal.line)
            elif goal.line.overflow:
                log.info("overflow", queue=goal.line.name, to=goal.line.overflow, reason=ended)
                goal = Transfer(lines[goal.line.overflow])
            else:
                return await self._release(ended)

    def _take_place(self, line: Line) -> None:
        """Join the line; who was cut off a moment ago, or is to be called back, has the old
        place. A customer whom we called has one already."""
        call, now = self._call, datetime.now(UTC)
        if call.queued_at is None and call.place_at is None:
            call.queued_at, call.first_queue = now, line.name
            place = self._house.returning.place(call.caller, line.name, now)
            call.place_at = place or self._called_back_at(line)
        call.place_at = call.place_at or call.queued_at

    def _called_back_at(self, line: Line) -> datetime | None:
        """The place in this line of a caller who waits for us to call."""
        row = self._house.callback_store.of_caller(national(self._call.caller) or "", line.name)
        return row.place_at if row else None

    async def _wait_in(self, goal: Transfer) -> Outcome | Transfer | Reason:
        """How it ended, where to go on, or the reason why this line cannot serve the caller."""
        house, call, line = self._house, self._call, goal.line
        call.queue = line.name
        if house.desk.is_full(line) and not goal.only:
            return Reason.QUEUE_FULL
        self._enter(Stage.WAITING)
        seconds = ONLY_SECONDS if goal.only else line.longest_wait_seconds
        deadline = asyncio.get_running_loop().time() + seconds if seconds else None
        joined = call.place_at or datetime.now(UTC)
        async with (
            house.desk.join(call.id, line, joined, goal.only) as place,
            house.room.comfort(
                self._caller,
                line,
                lambda: house.desk.standing(call.id),
                house.announcing.news(call, self._caller),
                house.callbacks,
            ) as comfort,
        ):
            while True:
                offer = await self._next_offer(place, deadline, comfort)
                if offer is None and comfort.wished:
                    if await self._call_back(line, comfort):
                        return CALLED_BACK
                    continue
                if offer is None:
                    return Reason.WAITED_TOO_LONG
                ended = await self._take(offer, comfort)
                if ended:
                    return ended
                if goal.only:
                    return Reason.WAITED_TOO_LONG
                self._enter(Stage.WAITING)

    async def _next_offer(
        self, place: Place, deadline: float | None, comfort: Comfort
    ) -> Offer | None:
        """None at the deadline, and when the caller would rather be called back."""
        try:
            async with asyncio.timeout_at(deadline) as limit:
                comfort.when_wished(lambda: _expire(limit))
                return await self._house.desk.next_offer(place)
        except TimeoutError:
            return self._house.desk.offered(place)
        finally:
            comfort.when_wished(None)

    async def _call_back(self, line: Line, comfort: Comfort) -> bool:
        """Whether the caller, who keyed so, is called back; else they wait on."""
        await comfort.stop()
        callbacks = self._house.callbacks
        if callbacks and await callbacks.offer(self._call, self._caller, line.name):
            return True
        comfort.start()
        return False

    async def _release(self, reason: Reason) -> Outcome:
        """Nobody can serve this caller: say so and let go."""
        await self._house.prompts.play(self._caller, "all-busy")
        return Outcome(Result.RELEASED, reason)

    # -- ringing and talking ---------------------------------------------------------------

    async def _take(self, offer: Offer, comfort: Comfort) -> Outcome | Transfer | None:
        """Ring the agent and talk; None if it came to nothing and the caller waits on."""
        call, partners = self._call, self._house.partners
        call.agent, call.offered_at = offer.agent, offer.offered_at
        self._enter(Stage.RINGING)
        async with AsyncExitStack() as exits:
            async with partners.bind(call, self._caller, offer) as partner:
                if not await partners.ring(partner, self._caller, call.caller):
                    return None
                bridge = await exits.enter_async_context(self._bridge())
                if not await self._join(partner.leg, bridge, comfort):
                    partner.result = OfferResult.FAILED
                    return None
                partners.begin_talking(partner)
                ended = await self._talk(partner, bridge, exits)
            return await self._talk_with_heirs(ended, bridge, exits)

    async def _talk_on(self, talk: Talk) -> Outcome:
        """The conversation that an earlier run of the program began, and what follows it."""
        call, offer, partners = self._call, talk.offer, self._house.partners
        offer.talking_at = offer.talking_at or call.talking_at or datetime.now(UTC)
        self._house.desk.adopt(offer)
        async with AsyncExitStack() as exits:
            bridge = await exits.enter_async_context(self._bridge(there=True))
            async with partners.bind(
                call, self._caller, offer, talk.recording, pauses=talk.pauses
            ) as partner:
                partners.begin_talking(partner)
                ended = await self._talk(partner, bridge, exits)
            left = await self._talk_with_heirs(ended, bridge, exits)
        return left if isinstance(left, Outcome) else await self._find_agent(left)

    async def _call_out(self, errand: Errand) -> Outcome:
        """Ring the agent, then the customer, who hears the notice before they talk."""
        call, house, offer = self._call, self._house, errand.offer
        call.agent, call.offered_at = offer.agent, offer.offered_at
        self._enter(Stage.RINGING)
        async with AsyncExitStack() as exits:
            async with house.partners.bind(call, self._caller, offer) as partner:
                if not await house.partners.ring(partner, None, call.caller, waited_for=False):
                    return Outcome(Result.UNREACHED, Reason.AGENT_GONE)
                partner.result = OfferResult.NOT_REACHED
                try:
                    async with partner.leg.present():
                        failed = await reach(
                            house, call, self._caller, partner.leg, errand.hindered
                        )
                        if failed:
                            return failed
                        for words in errand.greeting:
                            await house.prompts.play(self._caller, words)
                        await notify(house, call, self._caller)
                        bridge = await exits.enter_async_context(self._bridge())
                        await self._put_together(partner.leg, bridge)
                except Gone:
                    if self._caller.gone:
                        raise
                    return Outcome(Result.UNREACHED, Reason.AGENT_GONE)
                house.partners.begin_talking(partner)
                ended = await self._talk(partner, bridge, exits)
            left = await self._talk_with_heirs(ended, bridge, exits)
        return left if isinstance(left, Outcome) else await self._find_agent(left)

    async def _talk_with_heirs(
        self, ended: Outcome | Transfer | HandOver, bridge: str, exits: AsyncExitStack
    ) -> Outcome | Transfer:
        """Go on with whoever took over from the one before."""
        while isinstance(ended, HandOver):
            stack, partner = ended.stack, ended.partner
            self._house.partners.take_over(partner)
            try:
                ended = await self._talk(partner, bridge, exits)
            finally:
                await stack.aclose()
        return ended

    async def _talk(
        self, partner: Partner, bridge: str, exits: AsyncExitStack
    ) -> Outcome | Transfer | HandOver:
        """One agent's part. What a heir needs to be cleared up goes to `exits` at once."""
        call = self._call
        call.agent, call.recording = partner.offer.agent, partner.offer.recording
        call.talking_at = call.talking_at or datetime.now(UTC)
        self._enter(Stage.TALKING)
        talk = Conversation(self._house.means, call, self._caller, bridge, partner)
        ended = await talk.run()
        if isinstance(ended, Hangup):
            self._ended, partner.talk_end = ends_of(ended)
            talk.review_end()
            return self._ended
        if isinstance(ended, HandOver):
            exits.push_async_exit(ended.stack)
            partner.talk_end = ended.how
        else:
            partner.talk_end = TalkEnd.TRANSFERRED
        return ended

    @asynccontextmanager
    async def _bridge(self, there: bool = False) -> AsyncIterator[str]:
        """The conversation's bridge for the body's duration; its channels outlive it."""
        bridge = TALK + self._call.id
        try:
            if not there:
                await self._house.ari.create_bridge(bridge, BRIDGE)
            yield bridge
        finally:
            with suppress(AriError):  # if Asterisk is away, reconnecting finds the bridge
                await self._house.ari.destroy_bridge(bridge)

    async def _join(self, leg: Channel, bridge: str, comfort: Comfort) -> bool:
        """Put caller and agent together; false if that failed and the caller waits on."""
        await comfort.stop()
        try:
            await self._house.room.lease(self._caller, 0)  # a conversation outlives this program
            await self._put_together(leg, bridge)
        except (Gone, AriRefused, AriTimeout) as error:
            if self._caller.gone:
                raise
            log.warning("agent_not_connected", error=str(error))
            comfort.start()
            return False
        return True

    async def _put_together(self, leg: Channel, bridge: str) -> None:
        members = [self._caller.id, leg.id]
        try:
            await self._house.ari.add_to_bridge(bridge, members, absorb_keys=True)
        except Gone:
            if self._caller.gone or leg.gone:
                raise
            # The one of the conversation before, of the same name, was still being taken down.
            await self._house.ari.create_bridge(bridge, BRIDGE)
            await self._house.ari.add_to_bridge(bridge, members, absorb_keys=True)
        for channel in (self._caller, leg):
            await channel.until_in_bridge(bridge, JOIN_SECONDS)

    def _enter(self, stage: Stage) -> None:
        self._call.stage = stage
        self._house.tell(self._call)


def _expire(limit: asyncio.Timeout) -> None:
    if not limit.expired():
        limit.reschedule(0.0)


async def _both(first: Awaitable[None], second: Awaitable[None]) -> None:
    """Two requests on their way at once; the first error is raised when both are done."""
    for error in await asyncio.gather(first, second, return_exceptions=True):
        if error:
            raise error
