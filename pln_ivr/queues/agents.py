"""The agents and what each is doing: plain state, no I/O.

What an agent wants (ready, paused, logged out) and what keeps an agent busy (an offer, a
conversation, its wrap-up) are held apart, so that neither can overwrite the other and an
agent is never stuck: when the work is over, what is left is the wish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pln_ivr.queues.choice import Claim
from pln_ivr.queues.roster import Role, Roster, RosterEntry


class Wish(StrEnum):
    """What an agent wants when there is no work at hand."""

    LOGGED_OUT = "logged_out"
    READY = "ready"
    PAUSED = "paused"


class AgentState(StrEnum):
    """What an agent is doing."""

    LOGGED_OUT = "logged_out"
    READY = "ready"
    OFFERED = "offered"
    TALKING = "talking"
    ON_HOLD = "on_hold"  # talking, and the customer hears music
    WRAP_UP = "wrap_up"
    PAUSED = "paused"


@dataclass(slots=True)
class Agent:
    """One agent. Times are of the desk's clock, in seconds."""

    extension: str
    name: str
    skills: Mapping[str, int]
    role: Role = Role.AGENT
    on_roster: bool = True
    wish: Wish = Wish.LOGGED_OUT
    pause: str = ""
    """Why paused, in a word of the config."""
    offer_id: str | None = None
    talking: bool = False
    on_hold: bool = False
    reachable: bool = False
    elsewhere: set[str] = field(default_factory=set)
    """Other channels of the phone: Asterisk's fallback queue, supervision."""
    wrap_up_until: float | None = None
    misses: int = 0
    """Third rings missed one after the other."""
    idle_since: float = 0.0
    not_before: float = field(default=0.0)
    """No offer before this time: the phone could not be reached or was busy just now."""
    since: float = 0.0
    """When the present state began."""
    told: AgentState = AgentState.LOGGED_OUT
    """The state that was told last."""

    @property
    def state(self) -> AgentState:
        """The one word for all of it."""
        if self.talking or self.elsewhere:
            return AgentState.ON_HOLD if self.on_hold else AgentState.TALKING
        if self.offer_id:
            return AgentState.OFFERED
        if not self.on_roster:
            return AgentState.LOGGED_OUT
        if self.wish is Wish.READY and self.wrap_up_until is not None:
            return AgentState.WRAP_UP
        return AgentState(self.wish.value)

    @property
    def works(self) -> bool:
        """Takes calls now or when the present work is over."""
        return self.on_roster and self.wish is Wish.READY

    @property
    def occupied(self) -> bool:
        """The phone rings for us, talks, or is busy with something else."""
        return bool(self.offer_id or self.elsewhere)

    @property
    def works_by_name(self) -> bool:
        """Takes calls that ask for this agent: a supervisor need not be ready for all."""
        return self.works or (self.on_roster and self.role is Role.SUPERVISOR)

    def accepts(self, claim: Claim, now: float) -> bool:
        """May be bound to a call now."""
        if self.occupied or not self.reachable or self.not_before > now:
            return False
        match claim:
            case Claim.LINE:
                return self.state is AgentState.READY
            case Claim.NAMED:
                wraps_up = self.wrap_up_until is not None
                supervisor = self.on_roster and self.role is Role.SUPERVISOR
                return self.state is AgentState.READY or (supervisor and not wraps_up)
            case Claim.OWN:
                return self.on_roster


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
            self._apply_one(entry)
        for agent in list(self._agents.values()):
            if agent.extension not in roster:
                agent.on_roster = False
                self._look_at(agent, "off_roster")
                self._drop_if_done(agent)

    def _apply_one(self, entry: RosterEntry) -> None:
        agent = self._agents.get(entry.extension)
        if agent is None:
            agent = Agent(entry.extension, entry.name, entry.skills, entry.role)
            agent.since = self._clock()
            self._agents[entry.extension] = agent
        else:
            agent.name, agent.skills, agent.role = entry.name, entry.skills, entry.role
            agent.on_roster = True
            self._look_at(agent, "on_roster")

    # -- wishes ------------------------------------------------------------------------

    def wish(self, extension: str, wish: Wish, reason: str, pause: str = "") -> bool:
        """What the agent wants from now on; work at hand goes on. False: no such agent.

        `reason` is how it came to be wished, for the journal; `pause` why, if paused.
        """
        agent = self._agents.get(extension)
        if agent is None or not agent.on_roster:
            return False
        pause = pause if wish is Wish.PAUSED else ""
        if (wish, pause) != (agent.wish, agent.pause):
            agent.wish, agent.pause = wish, pause
            agent.idle_since, agent.not_before, agent.misses = self._clock(), 0.0, 0
            self._changed(agent, reason)
        return True

    def set_reachable(self, extension: str, reachable: bool) -> None:
        """The phone can be rung, or not. Not a change of what the agent does."""
        agent = self._agents.get(extension)
        if agent:
            agent.reachable = reachable

    # -- work --------------------------------------------------------------------------

    def reserve(self, extension: str, offer_id: str, claim: Claim = Claim.LINE) -> bool:
        """Bind an agent to an offer; False if that cannot be (any more)."""
        agent = self._agents.get(extension)
        if agent is None or not agent.accepts(claim, self._clock()):
            return False
        agent.offer_id = offer_id
        self._changed(agent, "offer")
        return True

    def adopt(self, extension: str, offer_id: str) -> None:
        """Bind an agent to a conversation that an earlier run of the program began."""
        agent = self._agents.get(extension)
        if agent is not None and agent.offer_id is None:
            agent.offer_id, agent.talking, agent.wrap_up_until = offer_id, True, None
            self._changed(agent, "adopted")

    def occupy(self, extension: str, channel_id: str) -> None:
        """The phone has a channel that is no offer of ours: no offer until `vacate`."""
        agent = self._agents.get(extension)
        if agent is not None:
            agent.elsewhere.add(channel_id)
            self._look_at(agent, "phone_busy")

    def vacate(self, extension: str, channel_id: str) -> None:
        """That channel has ended. Idempotent."""
        agent = self._agents.get(extension)
        if agent is not None and channel_id in agent.elsewhere:
            agent.elsewhere.discard(channel_id)
            agent.idle_since = self._clock()
            self._look_at(agent, "phone_free")
            self._drop_if_done(agent)

    def begin_talking(self, extension: str, offer_id: str) -> None:
        """The offer became a conversation."""
        agent = self._agents.get(extension)
        if agent is not None and agent.offer_id == offer_id and not agent.talking:
            agent.talking, agent.misses = True, 0
            self._changed(agent, "answered")

    def hold(self, extension: str, offer_id: str, on_hold: bool) -> None:
        """The customer hears music, or the agent again."""
        agent = self._agents.get(extension)
        if agent and agent.offer_id == offer_id and agent.on_hold != on_hold:
            agent.on_hold = on_hold
            self._changed(agent, "hold" if on_hold else "unhold")

    def release(
        self, extension: str, offer_id: str, reason: str, pause: float = 0.0, wrap_up: float = 0.0
    ) -> None:
        """The offer, and any conversation from it, is over. Idempotent by offer id.

        `pause` seconds pass before the next offer, `wrap_up` seconds belong to the agent.
        Whoever was just offered a call is now the one who has been idle for the shortest time.
        """
        agent = self._agents.get(extension)
        if agent is None or agent.offer_id != offer_id:
            return
        now = self._clock()
        agent.offer_id, agent.talking, agent.on_hold = None, False, False
        agent.idle_since, agent.not_before = now, now + pause
        agent.wrap_up_until = now + wrap_up if wrap_up else None
        self._changed(agent, reason)
        self._drop_if_done(agent)

    def end_wrap_up(self, extension: str, reason: str) -> bool:
        """The agent is through with the last call; False if there was nothing to wrap up."""
        agent = self._agents.get(extension)
        if agent is None or agent.wrap_up_until is None:
            return False
        agent.wrap_up_until, agent.idle_since = None, self._clock()
        self._changed(agent, reason)
        self._drop_if_done(agent)
        return True

    def expire(self) -> list[str]:
        """End every wrap-up whose time is over; whose they were."""
        now = self._clock()
        over = [
            agent.extension
            for agent in self._agents.values()
            if agent.wrap_up_until is not None and agent.wrap_up_until <= now
        ]
        for extension in over:
            self.end_wrap_up(extension, "wrapped_up")
        return over

    def missed(self, extension: str, most: int) -> bool:
        """One more third ring missed; after `most` in a row (0: never) the agent is paused.
        True if that has happened now."""
        agent = self._agents.get(extension)
        if agent is None:
            return False
        agent.misses += 1
        if not most or agent.misses < most or agent.wish is not Wish.READY:
            return False
        return self.wish(extension, Wish.PAUSED, MISSED, MISSED)

    def _look_at(self, agent: Agent, reason: str) -> None:
        """Something happened that need not be another state."""
        if agent.state is not agent.told:
            self._changed(agent, reason)

    def _changed(self, agent: Agent, reason: str) -> None:
        if agent.state is not agent.told:
            agent.since, agent.told = self._clock(), agent.state
        self._on_change(agent, reason)

    def _drop_if_done(self, agent: Agent) -> None:
        busy = agent.occupied or agent.wrap_up_until is not None
        if not agent.on_roster and not busy:
            del self._agents[agent.extension]


MISSED = "missed"
"""The pause of an agent whose phone rang in vain too often: a word beside those of the config."""
