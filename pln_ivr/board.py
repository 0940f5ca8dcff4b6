"""The board: the living parts as the supervisor's API shows them, and its way to the floor.

It meets the protocols of `console.views`; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pln_ivr.calls import floor
from pln_ivr.calls.conversation import Conversation, Conversations
from pln_ivr.calls.flags import Flags
from pln_ivr.config.queues import Queues
from pln_ivr.console.views import (
    AgentView,
    ConversationView,
    FlagView,
    QueueView,
    WaitingView,
)
from pln_ivr.errors import OrderRefused, RefusalKind
from pln_ivr.journal.records import masked
from pln_ivr.outcomes import Supervision
from pln_ivr.queues.agents import Agent, Agents, AgentState
from pln_ivr.queues.desk import Desk, Place
from pln_ivr.queues.service import ServiceLevels


@dataclass(frozen=True, slots=True)
class Board:
    """See console.views.Floor."""

    floor: floor.Floor
    roster: Agents
    desk: Desk
    talks: Conversations
    raised: Flags
    settings: Queues
    levels: ServiceLevels
    caller_of: Callable[[str], str]
    """The number of a call's caller."""
    clock: Callable[[], float]
    """The desk's, in seconds."""

    # -- what there is to see --------------------------------------------------------------

    def agents(self) -> list[AgentView]:
        """See console.views.Floor."""
        busy = {talk.agent: talk.call.id for talk in self.talks}
        return [self._agent(agent, busy) for agent in self.roster if agent.on_roster]

    def queues(self) -> list[QueueView]:
        """See console.views.Floor."""
        places = self.desk.places()
        return [self._queue(name, places) for name in self.desk.lines]

    def waiting(self) -> list[WaitingView]:
        """See console.views.Floor."""
        return [
            WaitingView(
                call_id=place.call_id,
                queue=place.line.name,
                position=standing.position,
                joined_at=place.joined,
                priority=place.line.priority,
                caller=masked(self.caller_of(place.call_id)),
                expected_wait_seconds=standing.expected,
                called_back=place.virtual,
            )
            for place, standing in self.desk.standings()
        ]

    def conversations(self) -> list[ConversationView]:
        """See console.views.Floor."""
        return [_conversation(talk) for talk in self.talks]

    def flags(self) -> list[FlagView]:
        """See console.views.Floor."""
        return [FlagView.of(row) for row in self.raised]

    def _agent(self, agent: Agent, busy: dict[str, str]) -> AgentView:
        age = timedelta(seconds=self.clock() - agent.since)
        return AgentView(
            extension=agent.extension,
            name=agent.name,
            role=agent.role,
            state=agent.state,
            pause=agent.pause,
            skills=dict(agent.skills),
            reachable=agent.reachable,
            since=datetime.now(UTC) - age,
            call_id=busy.get(agent.extension),
            misses=agent.misses,
        )

    def _queue(self, name: str, places: list[Place]) -> QueueView:
        line, settings = self.desk.lines[name], self.settings.names[name]
        every = [place for place in places if place.line.name == name]
        here = [place for place in every if not place.virtual]
        able = self.desk.able(line)
        joined = min((place.joined for place in here), default=datetime.now(UTC))
        return QueueView(
            name=name,
            waiting=len(here),
            longest_wait_seconds=max(0.0, (datetime.now(UTC) - joined).total_seconds()),
            agents_ready=sum(agent.state is AgentState.READY and agent.reachable for agent in able),
            agents_working=sum(agent.works and agent.reachable for agent in able),
            service_level=self.levels.level(name),
            service_target=settings.service_share,
            service_seconds=settings.service_seconds,
            expected_wait_seconds=self.desk.expected_wait(line, len(every) + 1),
        )

    # -- what can be ordered ---------------------------------------------------------------

    async def set_wish(self, extension: str, wish: str, pause: str, by: str) -> None:
        """See console.views.Floor."""
        await self.floor.set_wish(extension, wish, pause, by)

    async def wrap_up(self, extension: str, disposition: str | None, by: str) -> None:
        """See console.views.Floor."""
        await self.floor.wrap_up(extension, disposition, by)

    async def call_out(self, extension: str) -> str:
        """See console.views.Floor."""
        return await self.floor.call_out(extension)

    async def hold(self, extension: str, on: bool) -> None:
        """See console.views.Floor."""
        await self.floor.hold(extension, on)

    async def pause_recording(self, extension: str, on: bool, by: str) -> None:
        """See console.views.Floor."""
        await self.floor.pause_recording(extension, on, by)

    async def transfer(self, extension: str, target_kind: str, target: str, attended: bool) -> None:
        """See console.views.Floor."""
        if (target_kind == "queue") != (target in self.desk.lines):
            raise OrderRefused(RefusalKind.NOT_FOUND, f"there is no {target_kind} {target}")
        await self.floor.transfer(extension, target, attended)

    async def complete_transfer(self, extension: str) -> None:
        """See console.views.Floor."""
        await self.floor.complete_transfer(extension)

    async def cancel_transfer(self, extension: str) -> None:
        """See console.views.Floor."""
        await self.floor.cancel_transfer(extension)

    async def raise_flag(self, extension: str) -> str:
        """See console.views.Floor."""
        return await self.floor.raise_flag(extension)

    async def lower_flag(self, extension: str) -> None:
        """See console.views.Floor."""
        await self.floor.lower_flag(extension)

    async def take_flag(self, flag_id: str, supervisor: str, ordered_by: str) -> None:
        """See console.views.Floor."""
        await self.floor.take_flag(flag_id, supervisor, ordered_by)

    async def supervise(
        self, call_id: str, supervisor: str, mode: Supervision, ordered_by: str
    ) -> None:
        """See console.views.Floor."""
        await self.floor.supervise(call_id, supervisor, mode, ordered_by)

    async def end_supervision(self, supervisor: str, ordered_by: str) -> None:
        """See console.views.Floor."""
        del ordered_by
        await self.floor.end_supervision(supervisor)


def _conversation(talk: Conversation) -> ConversationView:
    offer = talk.partner.offer
    return ConversationView(
        call_id=talk.call.id,
        offer_id=offer.id,
        queue=offer.queue,
        agent=talk.agent,
        since=offer.talking_at or offer.offered_at,
        on_hold=talk.aside or talk.partner.leg.party.on_hold,
        recording_paused=talk.partner.pauses.paused,
        flag_id=talk.flag_id,
        supervisors=[
            (extension, Supervision(mode))
            for extension, mode in talk.guests.items()
            if mode in list(Supervision)
        ],
    )
