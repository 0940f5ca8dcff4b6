"""A conversation: the caller and one agent in one bridge, until somebody leaves it for good.

Others may be at it meanwhile (see `guests`). What ends the agent's part is awaited in one
place: the agent hangs up, the caller is transferred, or a guest takes over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from pln_ivr.ari import Channel, Client
from pln_ivr.ari.channel import Hangup
from pln_ivr.calls.call import Call
from pln_ivr.calls.keypad import Keyed, Keypad
from pln_ivr.calls.partner import Partner
from pln_ivr.errors import AriError, Gone, OrderRefused, RefusalKind
from pln_ivr.outcomes import TalkEnd
from pln_ivr.queues.conduct import Conduct
from pln_ivr.queues.desk import Desk
from pln_ivr.queues.lines import Line

log = structlog.get_logger("pln_ivr.conversation")

SILENCE_MS, THRESHOLD = 1000, 384
"""Of the detection of speech: the best of those that `tests/bench/talking` tries. The silence
is conduct's second, so that who counts as speaking has spoken within it."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """The caller goes on to a line, or in it to one agent only."""

    line: Line
    only: str | None = None


@dataclass(frozen=True, slots=True)
class HandOver:
    """The caller goes on with a guest, whose leg and its end are in `stack`."""

    partner: Partner
    stack: AsyncExitStack
    how: TalkEnd


class Conversations:
    """Those that are going on, by agent and by call."""

    def __init__(self) -> None:
        self._by_agent: dict[str, Conversation] = {}

    def __iter__(self) -> Iterator[Conversation]:
        return iter(tuple(self._by_agent.values()))

    def add(self, conversation: Conversation) -> None:
        """It begins."""
        self._by_agent[conversation.agent] = conversation

    def discard(self, conversation: Conversation) -> None:
        """It is over. Idempotent."""
        if self._by_agent.get(conversation.agent) is conversation:
            del self._by_agent[conversation.agent]

    def of_agent(self, extension: str) -> Conversation:
        """The conversation that this agent is in. Raises OrderRefused."""
        found = self._by_agent.get(extension)
        if found is None:
            raise OrderRefused(RefusalKind.CONFLICT, f"agent {extension} is in no conversation")
        return found

    def of_call(self, call_id: str) -> Conversation:
        """The conversation of this call. Raises OrderRefused."""
        found = next((talk for talk in self if talk.call.id == call_id), None)
        if found is None:
            raise OrderRefused(RefusalKind.NOT_FOUND, "no conversation of this call is going on")
        return found


@dataclass(frozen=True, slots=True)
class Means:
    """What conversations share."""

    ari: Client
    desk: Desk
    conduct: Conduct
    talks: Conversations
    keypad_codes: Callable[[Keyed, str], None]
    """Told what an agent keyed, and the agent's extension."""
    on_over: Callable[[Conversation], None]
    """Told when an agent's part is over."""


@dataclass(eq=False)
class Conversation:
    """One agent's part. Make it when the two can hear each other, and `run` it once."""

    means: Means
    call: Call
    caller: Channel
    bridge: str
    partner: Partner
    guests: dict[str, str] = field(default_factory=dict)
    """Who else is at it, and in which mode, by extension."""
    aside: bool = False
    """The caller hears music elsewhere while the agent consults somebody."""
    flag_id: str | None = None
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _next: asyncio.Future[Transfer | HandOver] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def agent(self) -> str:
        """The agent's extension."""
        return self.partner.offer.agent

    @property
    def over(self) -> bool:
        """Whether the agent's part is over, or about to be."""
        return self._next.done() or self.partner.leg.gone

    async def run(self) -> Hangup | Transfer | HandOver:
        """Until the agent's part is over: how their leg ended, or what comes next. Safe to
        cancel, which is what the caller's hang-up does."""
        self.means.talks.add(self)
        handed = False
        try:
            async with asyncio.TaskGroup() as tasks:
                helpers = [
                    tasks.create_task(self._tie()),
                    tasks.create_task(self._watch_hold()),
                    tasks.create_task(self._watch_keys()),
                    tasks.create_task(self.partner.pauses.keep()),
                ]
                gone = tasks.create_task(self.partner.leg.until_gone())
                waits: set[asyncio.Future[Any]] = {gone, self._next}
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for task in (*helpers, gone):
                    task.cancel()
            if self._next.done():
                await self._untie()
                handed = True
                return self._next.result()
            return self.partner.leg.hangup or Hangup(by_far_end=True)
        finally:
            self.means.talks.discard(self)
            self.partner.offer.held_seconds = round(self.partner.leg.party.held_seconds, 2)
            self.partner.pauses.over()
            self._over.set()
            self.means.on_over(self)
            if self._next.done() and not handed:
                heir = self._next.result()
                if isinstance(heir, HandOver):  # the caller went in that moment
                    await heir.stack.aclose()

    async def until_over(self) -> None:
        """Return when the agent's part is over."""
        await self._over.wait()

    # -- what ends the agent's part ------------------------------------------------------

    def transfer(self, line: Line, only: str | None) -> None:
        """Send the caller on. Raises OrderRefused if the conversation is over."""
        self._end(Transfer(line, only))

    def hand_over(self, partner: Partner, stack: AsyncExitStack, how: TalkEnd) -> None:
        """Let a guest who is in the bridge go on with the caller. Raises OrderRefused."""
        self._end(HandOver(partner, stack, how))

    def _end(self, what: Transfer | HandOver) -> None:
        if self.over or self.caller.gone:
            raise OrderRefused(RefusalKind.CONFLICT, "the conversation is over")
        self._next.set_result(what)

    def review_end(self) -> None:
        """Look at how the agent ended it: see `conduct`. After `partner.talk_end` is known."""
        if self.partner.talk_end is TalkEnd.AGENT_HUNG_UP:
            at, spoke = datetime.now(UTC), self.caller.party.spoke_before()
            self.means.conduct.agent_hung_up(self.partner.offer, spoke, at)

    # -- meanwhile -----------------------------------------------------------------------

    async def _tie(self) -> None:
        """Each leg's end shall end the other without us; and speech shall be heard."""
        ari, caller, leg = self.means.ari, self.caller, self.partner.leg
        caller.party.silence_seconds = SILENCE_MS / 1000
        try:
            await ari.tie(caller.id, leg.id)
            await ari.tie(leg.id, caller.id)
            await ari.detect_talking(caller.id, SILENCE_MS, THRESHOLD)
        except AriError as error:  # of the end, if it is that, we learn elsewhere
            log.info("talkers_not_tied", error=str(error))

    async def _untie(self) -> None:
        """The agent's end is not to be the caller's."""
        for channel in (self.partner.leg, self.caller):
            try:
                await self.means.ari.untie(channel.id)
            except AriError as error:
                log.info("talkers_not_untied", error=str(error))

    async def _watch_hold(self) -> None:
        """The customer hears music by Asterisk's own doing; here it is only noted."""
        on = True
        try:
            while True:
                await self.partner.leg.until_hold(on)
                self.means.desk.hold(self.partner.offer, on)
                on = not on
        except Gone:
            return

    async def _watch_keys(self) -> None:
        keypad = Keypad()
        try:
            while True:
                keyed = keypad.press(await self.partner.leg.next_key(), _now())
                if keyed:
                    self.means.keypad_codes(keyed, self.agent)
        except Gone:
            return


def _now() -> float:
    return asyncio.get_running_loop().time()
