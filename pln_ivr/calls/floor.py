"""The floor: what agents and supervisors can order, whoever brings the order.

The HTTP API and the keys of the phones end here. Every order either is carried out or
raises OrderRefused with a line that says why; AriError if Asterisk failed us.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from pln_ivr.ari import Client
from pln_ivr.background import Background
from pln_ivr.calls.call import Call, Identity
from pln_ivr.calls.codes import Words
from pln_ivr.calls.conversation import Conversation, Conversations
from pln_ivr.calls.flags import Flags
from pln_ivr.calls.guests import HOLD_MUSIC, Guests
from pln_ivr.calls.keypad import Key, Keyed
from pln_ivr.errors import AriError, OrderRefused, RefusalKind
from pln_ivr.outcomes import OfferResult, Supervision
from pln_ivr.queues.agents import Agent, Agents, Wish
from pln_ivr.queues.choice import Claim
from pln_ivr.queues.desk import Desk
from pln_ivr.queues.offer import Offer
from pln_ivr.queues.roster import Role

log = structlog.get_logger("pln_ivr.floor")


@dataclass(frozen=True, slots=True)
class Keys:
    """What the phones' digits mean: the words of the config, and queues by digit."""

    words: Words
    queues: Mapping[str, str]


class Floor:
    """Agents, their conversations, and those who help. Its owner runs `run` as a task."""

    def __init__(
        self,
        ari: Client,
        identity: Identity,
        agents: Agents,
        desk: Desk,
        talks: Conversations,
        guests: Guests,
        flags: Flags,
        keys: Keys,
        ring_supervisors: bool,
        place_call: Callable[[Call, Offer], None] | None,
    ) -> None:
        """`ring_supervisors`: a white flag rings the supervisors' phones, one after the other.
        `place_call` has an agent call a customer and raises OrderRefused; None: nobody can."""
        self._ari = ari
        self._identity = identity
        self._agents = agents
        self._desk = desk
        self._talks = talks
        self._guests = guests
        self._flags = flags
        self._keys = keys
        self._ring_supervisors = ring_supervisors
        self._place_call = place_call
        self._customers: dict[str, Call] = {}
        """Whom each agent talked with last."""
        self._background = Background()

    async def run(self) -> None:
        """Own what goes on in the background until cancelled."""
        await self._background.run()

    # -- an agent's state ------------------------------------------------------------------

    async def set_wish(self, extension: str, wish: str, pause: str, by: str) -> None:
        """Ready, paused for a reason, or logged out. `by` says in the journal who ordered it."""
        self._agent(extension)
        if wish not in list(Wish):
            raise OrderRefused(RefusalKind.INVALID, f"wish must be one of: {', '.join(Wish)}")
        reasons = self._keys.words.pauses.values()
        if wish == Wish.PAUSED and pause and pause not in reasons:
            raise OrderRefused(RefusalKind.INVALID, f"pause must be one of: {', '.join(reasons)}")
        self._agents.wish(extension, Wish(wish), by, pause)
        if wish == Wish.READY:
            self._desk.end_wrap_up(extension, None, by)

    async def wrap_up(self, extension: str, disposition: str | None, by: str) -> None:
        """The agent is through with the last conversation, and says what it came to."""
        self._agent(extension)
        known = self._keys.words.dispositions.values()
        if disposition is not None and disposition not in known:
            text = f"disposition must be one of: {', '.join(known)}"
            raise OrderRefused(RefusalKind.INVALID, text)
        if not self._desk.end_wrap_up(extension, disposition, by):
            text = f"agent {extension} has no conversation to wrap up"
            raise OrderRefused(RefusalKind.CONFLICT, text)

    async def call_out(self, extension: str) -> str:
        """Ring the agent, then the customer with whom they talked last; the new call's id."""
        agent, earlier = self._agent(extension), self._customers.get(extension)
        if self._place_call is None:
            text = "outbound.gateway is not set: no customer can be called"
            raise OrderRefused(RefusalKind.CONFLICT, text)
        if earlier is None or not earlier.caller:
            text = f"agent {extension} has talked with nobody whose number is known"
            raise OrderRefused(RefusalKind.CONFLICT, text)
        call = Call.to_customer(earlier, self._identity.node, self._identity.incarnation)
        line = self._desk.lines.get(earlier.queue or "", next(iter(self._desk.lines.values())))
        offer = await self._desk.engage(call.id, line, extension, Claim.OWN)
        if offer is None:
            raise OrderRefused(RefusalKind.CONFLICT, f"{extension} is {agent.state}")
        try:
            self._place_call(call, offer)
        except OrderRefused:
            self._desk.settle(offer, OfferResult.NOT_REACHED)
            raise
        return call.id

    # -- a conversation --------------------------------------------------------------------

    async def hold(self, extension: str, on: bool) -> None:
        """The customer hears music, or the agent again, as by the phone's own key."""
        talk = self._talks.of_agent(extension)
        if talk.aside:
            raise OrderRefused(RefusalKind.CONFLICT, "the caller hears music while you consult")
        if on:
            await self._ari.start_channel_music(talk.caller.id, HOLD_MUSIC)
        else:
            await self._ari.stop_channel_music(talk.caller.id)
        self._desk.hold(talk.partner.offer, on)

    async def pause_recording(self, extension: str, on: bool, by: str) -> None:
        """Keep what is said now out of the recording, or let it go on."""
        pauses = self._talks.of_agent(extension).partner.pauses
        await (pauses.begin(by) if on else pauses.end(by))

    async def transfer(self, extension: str, target: str, attended: bool) -> None:
        """Send the caller on to a queue (its name) or to one agent (their extension); if
        `attended`, to talk with that agent first while the caller hears music."""
        talk = self._talks.of_agent(extension)
        if target in self._desk.lines:
            if attended:
                raise OrderRefused(RefusalKind.INVALID, "a queue cannot be consulted")
            talk.transfer(self._desk.lines[target], None)
            return
        agent = self._agent(target)
        line = self._desk.lines[talk.partner.offer.queue]
        if target == extension:
            raise OrderRefused(RefusalKind.INVALID, "that is your own extension")
        if not attended:
            if not agent.works_by_name or not agent.reachable:
                raise OrderRefused(RefusalKind.CONFLICT, f"{target} is {agent.state}")
            talk.transfer(line, target)
            return
        if talk.aside:
            raise OrderRefused(RefusalKind.CONFLICT, "you consult somebody already")
        offer = await self._desk.engage(talk.call.id, line, target, Claim.NAMED)
        if offer is None:
            raise OrderRefused(RefusalKind.CONFLICT, f"{target} is {agent.state}")
        await self._guests.consult(talk, offer)

    async def complete_transfer(self, extension: str) -> None:
        """Leave the caller with the agent whom one consults."""
        await self._guests.complete(self._talks.of_agent(extension))

    async def cancel_transfer(self, extension: str) -> None:
        """Go back to the caller."""
        await self._guests.cancel(self._talks.of_agent(extension))

    # -- help ------------------------------------------------------------------------------

    async def raise_flag(self, extension: str) -> str:
        """The agent needs help; returns the flag's id."""
        talk = self._talks.of_agent(extension)
        row = self._flags.raise_for(talk)
        if self._ring_supervisors and self._background.running:
            self._background.start(self._find_help(row.flag_id))
        return row.flag_id

    async def lower_flag(self, extension: str) -> None:
        """The agent needs no help any more."""
        self._flags.lower(self._talks.of_agent(extension))

    async def take_flag(self, flag_id: str, supervisor: str, ordered_by: str) -> None:
        """Come to help: the supervisor's phone rings, and then the agent hears them."""
        self._supervisor(supervisor)
        talk = self._flags.take(flag_id, supervisor)
        try:
            await self._guests.supervise(talk, supervisor, Supervision.WHISPER, ordered_by, flag_id)
        except (OrderRefused, AriError):
            self._flags.give_back(flag_id)
            raise

    async def supervise(
        self, call_id: str, supervisor: str, mode: Supervision, ordered_by: str
    ) -> None:
        """Listen to a conversation, whisper to its agent, barge in, or take it over."""
        self._supervisor(supervisor)
        talk = self._talks.of_call(call_id)
        await self._guests.supervise(talk, supervisor, mode, ordered_by)

    async def end_supervision(self, supervisor: str) -> None:
        """Leave the conversation that one is at."""
        self._guests.end_supervision(supervisor)

    async def _find_help(self, flag_id: str) -> None:
        """Ring one free supervisor after the other until somebody comes."""
        for supervisor in [agent for agent in self._agents if agent.role is Role.SUPERVISOR]:
            if supervisor.occupied or not supervisor.reachable:
                continue
            try:
                await self.take_flag(flag_id, supervisor.extension, "white flag")
            except OrderRefused as refused:
                if refused.kind is RefusalKind.NOT_FOUND:
                    return  # lowered meanwhile
            except AriError as error:
                log.warning("supervisor_not_rung", error=str(error))
            else:
                return

    # -- keys ------------------------------------------------------------------------------

    def keyed(self, keyed: Keyed, extension: str) -> None:
        """An agent keyed a code while talking. What is refused is in the log only."""
        if self._background.running:
            self._background.start(self._carry_out(keyed, extension))

    async def _carry_out(self, keyed: Keyed, extension: str) -> None:
        target = self._keys.queues.get(keyed.number, keyed.number)
        try:
            match keyed.key:
                case Key.FLAG:
                    talk = self._talks.of_agent(extension)
                    if talk.flag_id:
                        await self.lower_flag(extension)
                    else:
                        await self.raise_flag(extension)
                case Key.TRANSFER | Key.CONSULT:
                    await self.transfer(extension, target, keyed.key is Key.CONSULT)
                case Key.COMPLETE:
                    await self.complete_transfer(extension)
                case Key.CANCEL:
                    await self.cancel_transfer(extension)
                case Key.PAUSE:
                    await self._talks.of_agent(extension).partner.pauses.toggle(extension)
        except (OrderRefused, AriError) as error:
            log.info("key_refused", agent=extension, key=keyed.key, error=str(error))

    def over(self, talk: Conversation) -> None:
        """A conversation is over: so is its call for help."""
        self._customers[talk.agent] = talk.call
        self._flags.lower(talk)

    # ----------------------------------------------------------------------------------------

    def _agent(self, extension: str) -> Agent:
        agent = self._agents.get(extension)
        if agent is None or not agent.on_roster:
            raise OrderRefused(RefusalKind.NOT_FOUND, f"there is no agent {extension}")
        return agent

    def _supervisor(self, extension: str) -> Agent:
        agent = self._agent(extension)
        if agent.role is not Role.SUPERVISOR:
            raise OrderRefused(RefusalKind.INVALID, f"{extension} is no supervisor")
        return agent
