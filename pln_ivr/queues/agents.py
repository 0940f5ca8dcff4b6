"""The agents and what each is doing: plain state, no I/O.

What an agent wants (ready or away) and what keeps an agent busy (an offer, then a
conversation) are held apart, so that neither can overwrite the other and an agent is
never stuck: when the offer or the conversation is over, what is left is the wish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from pln_ivr.queues.roster import Roster


class AgentState(StrEnum):
    """What an agent is doing."""

    AWAY = "away"
    READY = "ready"
    OFFERED = "offered"
    TALKING = "talking"


@dataclass(slots=True)
class Agent:
    """One agent. Times are of the desk's clock, in seconds."""

    extension: str
    name: str
    queues: frozenset[str]
    on_roster: bool = True
    wants_calls: bool = False
    offer_id: str | None = None
    talking: bool = False
    reachable: bool = False
    elsewhere: set[str] = field(default_factory=set)
    """Channels of the phone that are not this program's: Asterisk's fallback queue has it."""
    idle_since: float = 0.0
    not_before: float = field(default=0.0)
    """No offer before this time: the phone could not be reached or was busy just now."""

    @property
    def state(self) -> AgentState:
        """The one word for all of it."""
        if self.talking or self.elsewhere:
            return AgentState.TALKING
        if self.offer_id:
            return AgentState.OFFERED
        return AgentState.READY if self.wants_calls and self.on_roster else AgentState.AWAY

    def free(self, now: float) -> bool:
        """May be offered a call now."""
        return self.state is AgentState.READY and self.reachable and self.not_before <= now


class Agents:
    """All agents by extension. `on_change` hears of every change of an agent's state."""

    def __init__(self, clock: Callable[[], float], on_change: Callable[[Agent, str], None]) -> None:
        self._clock = clock
        self._on_change = on_change
        self._agents: dict[str, Agent] = {}

    def __iter__(self) -> Iterator[Agent]:
        return iter(self._agents.values())

    def get(self, extension: str) -> Agent | None:
        """The agent at this extension, if the roster has or had one."""
        return self._agents.get(extension)

    def apply(self, roster: Roster) -> None:
        """Take over a new roster. Who is in an offer or a conversation stays in it."""
        for entry in roster.values():
            agent = self._agents.get(entry.extension)
            if agent is None:
                self._agents[entry.extension] = Agent(entry.extension, entry.name, entry.queues)
            else:
                agent.name, agent.queues, agent.on_roster = entry.name, entry.queues, True
        for agent in list(self._agents.values()):
            if agent.extension not in roster:
                agent.on_roster = False
                self._drop_if_done(agent)

    def wish(self, extension: str, wants_calls: bool, reason: str) -> bool:
        """The agent goes ready or away; a conversation under way goes on. False: no such agent."""
        agent = self._agents.get(extension)
        if agent is None or not agent.on_roster:
            return False
        if wants_calls != agent.wants_calls:
            agent.wants_calls = wants_calls
            agent.idle_since, agent.not_before = self._clock(), 0.0
            self._on_change(agent, reason)
        return True

    def set_reachable(self, extension: str, reachable: bool) -> None:
        """The phone can be rung, or not. Not a change of what the agent does."""
        agent = self._agents.get(extension)
        if agent:
            agent.reachable = reachable

    def reserve(self, extension: str, offer_id: str) -> bool:
        """Bind a free agent to an offer; False if the agent is not free (any more)."""
        agent = self._agents.get(extension)
        if agent is None or not agent.free(self._clock()):
            return False
        agent.offer_id = offer_id
        self._on_change(agent, "offer")
        return True

    def adopt(self, extension: str, offer_id: str) -> None:
        """Bind an agent to a conversation that an earlier run of the program began."""
        agent = self._agents.get(extension)
        if agent is not None and agent.offer_id is None:
            agent.offer_id, agent.talking = offer_id, True
            self._on_change(agent, "adopted")

    def occupy(self, extension: str, channel_id: str) -> None:
        """The phone has a channel that is not ours: no offer until `vacate`."""
        agent = self._agents.get(extension)
        if agent is not None:
            agent.elsewhere.add(channel_id)

    def vacate(self, extension: str, channel_id: str) -> None:
        """That channel has ended. Idempotent."""
        agent = self._agents.get(extension)
        if agent is not None and channel_id in agent.elsewhere:
            agent.elsewhere.discard(channel_id)
            agent.idle_since = self._clock()
            self._drop_if_done(agent)

    def begin_talking(self, extension: str, offer_id: str) -> None:
        """The offer became a conversation."""
        agent = self._agents[extension]
        if agent.offer_id == offer_id:
            agent.talking = True
            self._on_change(agent, "answered")

    def release(self, extension: str, offer_id: str, reason: str, pause: float = 0.0) -> None:
        """The offer, and any conversation from it, is over. Idempotent by offer id.

        `pause` seconds pass before the next offer. Whoever was just offered a call is now
        the one who has been idle for the shortest time.
        """
        agent = self._agents.get(extension)
        if agent is None or agent.offer_id != offer_id:
            return
        now = self._clock()
        agent.offer_id, agent.talking = None, False
        agent.idle_since, agent.not_before = now, now + pause
        self._on_change(agent, reason)
        self._drop_if_done(agent)

    def _drop_if_done(self, agent: Agent) -> None:
        if not agent.on_roster and agent.offer_id is None and not agent.elsewhere:
            del self._agents[agent.extension]
