"""Guests: second people at a conversation.

A supervisor listens (hears both, is heard by nobody), whispers (is heard by the agent
alone), barges (is heard by both) or takes over. An agent who is consulted talks with the
agent while the caller hears music. A guest has a task of their own, which ends with the
guest's leg or with the conversation; who takes over leaves the task and is the next
partner.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

import structlog
import uuid_utils

from pln_ivr.ari import Channel, Client
from pln_ivr.background import Background
from pln_ivr.calls.conversation import Conversation
from pln_ivr.calls.partner import Partner, Partners
from pln_ivr.errors import AriError, OrderRefused, RefusalKind
from pln_ivr.journal.records import SupervisionRow
from pln_ivr.outcomes import Supervision, TalkEnd
from pln_ivr.queues.agents import Agents
from pln_ivr.queues.offer import Offer

log = structlog.get_logger("pln_ivr.guests")

JOIN_SECONDS = 3.0
"""How long a leg may take to enter a bridge."""

WATCH, ASIDE, SNOOP = "watch-", "aside-", "snoop-"
"""Begin the ids of a supervisor's bridge, of a caller's who hears music during a
consultation, and of the channel that spies; an offer's id follows."""

CONSULT = "consult"
"""A consultation, beside the modes of supervision."""

HOLD_MUSIC = "hold"
"""The class of music that a caller hears who is put aside: it begins with words."""


class Teller(Protocol):
    """Hears what supervisors do."""

    def supervision(self, row: SupervisionRow) -> None:
        """A supervisor's part has begun, or ended."""


@dataclass(eq=False)
class Guest:
    """One guest at one conversation."""

    talk: Conversation
    partner: Partner
    stack: AsyncExitStack
    mode: str
    ordered_by: str
    flag_id: str | None = None
    row: SupervisionRow | None = None
    snoop: Channel | None = None
    """What a supervisor hears through who is not in the conversation's own bridge."""

    @property
    def extension(self) -> str:
        """Whose phone it is."""
        return self.partner.offer.agent

    @property
    def leg(self) -> Channel:
        """The guest's channel."""
        return self.partner.leg


class Guests:
    """All guests of this node. Its owner runs `run` as a task."""

    def __init__(
        self,
        ari: Client,
        partners: Partners,
        agents: Agents,
        node: str,
        teller: Teller,
        on_helped: Callable[[str], None],
    ) -> None:
        """`on_helped` hears of a white flag whose supervisor is on the line now."""
        self._ari = ari
        self._partners = partners
        self._agents = agents
        self._node = node
        self._teller = teller
        self._on_helped = on_helped
        self._guests: dict[str, Guest] = {}
        self._background = Background()

    async def run(self) -> None:
        """Own the guests' tasks until cancelled."""
        await self._background.run()

    def consulted(self, talk: Conversation) -> Guest:
        """Whom this conversation's agent consults. Raises OrderRefused."""
        for guest in self._guests.values():
            if guest.talk is talk and guest.mode == CONSULT:
                return guest
        raise OrderRefused(RefusalKind.CONFLICT, f"agent {talk.agent} consults nobody")

    # -- supervisors -----------------------------------------------------------------------

    async def supervise(
        self,
        talk: Conversation,
        extension: str,
        mode: Supervision,
        ordered_by: str,
        flag_id: str | None = None,
    ) -> None:
        """Ring the supervisor and put them into the conversation; one who is in it already
        changes the mode. Returns when that has been done. Raises OrderRefused, AriError."""
        guest = self._guests.get(extension)
        if guest is None:
            agent = self._agents.get(extension)
            if agent is None or not agent.reachable:
                text = f"the phone of {extension} cannot be reached"
                raise OrderRefused(RefusalKind.CONFLICT, text)
            if agent.occupied:
                raise OrderRefused(RefusalKind.CONFLICT, f"{extension} is in a call")
            offer = Offer.new(talk.call.id, talk.partner.offer.queue, extension)
            guest = await self._invite(talk, offer, mode, ordered_by, counts=False)
            guest.flag_id = flag_id
        elif guest.talk is not talk:
            raise OrderRefused(RefusalKind.CONFLICT, f"{extension} is in another conversation")
        await self._enter(guest, mode)

    def end_supervision(self, extension: str) -> None:
        """Send a guest away. Raises OrderRefused."""
        guest = self._guests.get(extension)
        if guest is None or not self._background.running:
            raise OrderRefused(RefusalKind.NOT_FOUND, f"{extension} is in no conversation")
        self._background.start(self._hang_up(guest.leg))

    async def _enter(self, guest: Guest, mode: Supervision) -> None:
        """Hear and be heard as the mode says."""
        self._tell_end(guest)
        if guest.snoop:
            await self._hang_up(guest.snoop)
            guest.snoop = None
        if mode in (Supervision.LISTEN, Supervision.WHISPER):
            await self._spy(guest, mode)
        else:
            await self._move(guest.leg, guest.talk.bridge)
        guest.mode = mode
        guest.talk.guests[guest.extension] = mode
        guest.row = SupervisionRow(
            supervision_id=str(uuid_utils.uuid7()),
            sequence=1,
            node=self._node,
            call_id=guest.talk.call.id,
            offer_id=guest.talk.partner.offer.id,
            supervisor=guest.extension,
            ordered_by=guest.ordered_by,
            mode=mode,
            started_at=datetime.now(UTC),
            flag_id=guest.flag_id,
        )
        self._teller.supervision(guest.row)
        if guest.flag_id and mode is not Supervision.LISTEN:
            self._on_helped(guest.flag_id)
        if mode is Supervision.TAKE_OVER:
            self._hand_over(guest, TalkEnd.TAKEN_OVER)

    async def _spy(self, guest: Guest, mode: Supervision) -> None:
        """A channel that hears the agent's leg, in one bridge with the supervisor's."""
        offer = guest.partner.offer
        bridge = WATCH + offer.id
        snoop = guest.snoop = self._ari.channel(f"{SNOOP}{uuid_utils.uuid7()}")
        guest.stack.callback(snoop.close)
        await self._ari.create_bridge(bridge, "mixing")
        guest.stack.push_async_callback(self._destroy, bridge)
        whisper = "out" if mode is Supervision.WHISPER else "none"
        await self._ari.snoop(guest.talk.partner.leg.id, snoop.id, spy="both", whisper=whisper)
        guest.stack.push_async_callback(self._hang_up, snoop)
        await snoop.until(lambda: snoop.in_app, JOIN_SECONDS, "a channel that listens")
        await self._move(snoop, bridge)
        await self._move(guest.leg, bridge)

    # -- consultations ---------------------------------------------------------------------

    async def consult(self, talk: Conversation, offer: Offer) -> None:
        """Let the agent talk with the agent of this offer while the caller hears music.

        Returns when they talk. Raises OrderRefused, AriError; then the caller is back.
        """
        guest = await self._invite(talk, offer, CONSULT, talk.agent, counts=True)
        guest.partner.talk_end = TalkEnd.CONSULTED
        self._partners.begin_talking(guest.partner)
        await self._put_aside(guest)
        await self._move(guest.leg, talk.bridge)

    async def complete(self, talk: Conversation) -> None:
        """Leave the caller with whom the agent consults. Raises OrderRefused, AriError."""
        guest = self.consulted(talk)
        await self._bring_back(talk)
        self._hand_over(guest, TalkEnd.TRANSFERRED)

    async def cancel(self, talk: Conversation) -> None:
        """The agent goes back to the caller alone. Raises OrderRefused, AriError."""
        guest = self.consulted(talk)
        await self._bring_back(talk)
        await self._hang_up(guest.leg)

    async def _put_aside(self, guest: Guest) -> None:
        """Music for the caller, in a bridge of their own, until they are brought back."""
        talk, bridge = guest.talk, ASIDE + guest.partner.offer.id
        await self._ari.create_bridge(bridge, "holding")
        guest.stack.push_async_callback(self._destroy, bridge)
        guest.stack.push_async_callback(self._bring_back_if_there, talk)
        talk.aside = True
        await self._move(talk.caller, bridge)
        await self._ari.start_music(bridge, HOLD_MUSIC)

    async def _bring_back(self, talk: Conversation) -> None:
        if talk.aside:
            await self._move(talk.caller, talk.bridge)
            talk.aside = False

    async def _bring_back_if_there(self, talk: Conversation) -> None:
        """However a consultation ends: who is still there hears the other again."""
        if not talk.caller.gone:
            try:
                await self._bring_back(talk)
            except AriError as error:
                log.warning("caller_left_aside", call_id=talk.call.id, error=str(error))

    # -- both ------------------------------------------------------------------------------

    async def _invite(
        self, talk: Conversation, offer: Offer, mode: str, ordered_by: str, counts: bool
    ) -> Guest:
        """Ring the guest's phone; their task goes on from there. Raises OrderRefused."""
        if not self._background.running:
            raise OrderRefused(RefusalKind.CONFLICT, "this node is being stopped")
        there: asyncio.Future[Guest] = asyncio.get_running_loop().create_future()
        task = self._background.start(
            self._attend(talk, offer, mode, ordered_by, counts, there), name=f"guest {offer.id}"
        )
        try:
            return await asyncio.shield(there)
        except asyncio.CancelledError:
            task.cancel()
            raise

    async def _attend(
        self,
        talk: Conversation,
        offer: Offer,
        mode: str,
        ordered_by: str,
        counts: bool,
        there: asyncio.Future[Guest],
    ) -> None:
        """One guest's visit: ring, be there until the leg or the conversation ends."""
        structlog.contextvars.bind_contextvars(call_id=talk.call.id)
        try:
            async with AsyncExitStack() as stack:
                partner = await stack.enter_async_context(
                    self._partners.bind(talk.call, talk.caller, offer, counts=counts)
                )
                await stack.enter_async_context(self._busy(partner, counts))
                ringing = self._partners.ring(partner, talk.caller, talk.call.caller, False)
                if not await ringing:
                    text = f"{offer.agent} does not answer: {partner.result}"
                    raise OrderRefused(RefusalKind.CONFLICT, text)
                guest = Guest(talk, partner, stack, mode, ordered_by)
                self._guests[offer.agent] = guest
                talk.guests[offer.agent] = mode
                stack.callback(self._left, guest)
                there.set_result(guest)
                await self._stay(guest)
        except (OrderRefused, AriError) as error:
            if there.done():
                log.warning("guest_left", guest=offer.agent, error=str(error))
            else:
                there.set_exception(error)

    @asynccontextmanager
    async def _busy(self, partner: Partner, counts: bool) -> AsyncIterator[None]:
        """A supervisor's phone is busy with this; a consulted agent's is by the offer."""
        extension, channel = partner.offer.agent, partner.leg.id
        if not counts:
            self._agents.occupy(extension, channel)
        try:
            yield
        finally:
            self._agents.vacate(extension, channel)

    async def _stay(self, guest: Guest) -> None:
        over = asyncio.ensure_future(guest.talk.until_over())
        gone = asyncio.ensure_future(guest.leg.until_gone())
        try:
            await asyncio.wait({over, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            gone.cancel()

    def _hand_over(self, guest: Guest, how: TalkEnd) -> None:
        """The guest is the next partner: what ends with the guest's leg goes with them."""
        self._left(guest)
        stack = guest.stack.pop_all()
        try:
            guest.talk.hand_over(guest.partner, stack, how)
        except OrderRefused:
            guest.stack.push_async_exit(stack)
            raise

    def _left(self, guest: Guest) -> None:
        """Idempotent: who has taken over is no guest any more."""
        if self._guests.get(guest.extension) is guest:
            del self._guests[guest.extension]
            guest.talk.guests.pop(guest.extension, None)
            self._tell_end(guest)

    def _tell_end(self, guest: Guest) -> None:
        if guest.row is not None:
            row, guest.row = guest.row, None
            self._teller.supervision(replace(row, sequence=2, ended_at=datetime.now(UTC)))

    async def _move(self, channel: Channel, bridge: str) -> None:
        await self._ari.add_to_bridge(bridge, [channel.id], absorb_keys=True)
        await channel.until_in_bridge(bridge, JOIN_SECONDS)

    async def _hang_up(self, channel: Channel) -> None:
        if not channel.gone:
            with suppress(AriError):
                await self._ari.hang_up(channel.id)

    async def _destroy(self, bridge: str) -> None:
        with suppress(AriError):
            await self._ari.destroy_bridge(bridge)
