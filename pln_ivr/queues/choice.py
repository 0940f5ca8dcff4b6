"""Who gets which call: one pure function over immutable snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call in a line, as the choice sees it. `joined` is UTC, the same on every node."""

    call_id: str
    queue: str
    joined: datetime
    node: str
    skills: frozenset[str]
    """What the agent must be able to do."""
    priority: int = 0
    avoid: frozenset[str] = frozenset()
    """Agents who just missed this call."""
    only: str | None = None
    """The one agent whom the call is for: it was transferred to them."""


@dataclass(frozen=True, slots=True)
class FreeAgent:
    """An agent who may be offered a call, as the choice sees it. `idle_since` in seconds."""

    extension: str
    skills: Mapping[str, int]
    """Level by skill; a higher one is better."""
    idle_since: float
    only_named: bool = False
    """Gets no call but one that asks for this agent by name."""


class Claim(Enum):
    """Why an agent is to be bound to a call."""

    LINE = auto()  # whoever is free
    NAMED = auto()  # the call asks for this one
    OWN = auto()  # the agent does


@dataclass(frozen=True, slots=True)
class Match:
    """This call for this agent: a proposal, until it is reserved."""

    call: Waiting
    agent: FreeAgent
    claim: Claim = Claim.LINE


def rank(call: Waiting, now: datetime, ageing: float) -> tuple[int, datetime, str]:
    """What the line is ordered by, lowest first: priority, then arrival.

    Every `ageing` seconds of waiting count as one priority more, so that nobody starves
    behind a line that is always served first; 0 switches it off.
    """
    waited = (now - call.joined).total_seconds()
    aged = int(waited // ageing) if ageing and waited > 0 else 0
    return -(call.priority + aged), call.joined, call.call_id


def level(agent: FreeAgent, skills: frozenset[str]) -> int:
    """How good an agent is at a call: the lowest level among the skills that it needs; 0 for
    one who lacks a skill."""
    return min((agent.skills.get(skill, 0) for skill in skills), default=1)


def choose(
    line: Iterable[Waiting], free: Iterable[FreeAgent], now: datetime, ageing: float = 0.0
) -> list[Match]:
    """The matches to be made now.

    Calls in the order of `rank`; for each the free agent who can do it best, among equals
    the one who has been idle longest. No agent twice, no call twice, never an agent whom
    the call is to avoid.
    """
    agents = {agent.extension: agent for agent in free}
    ranked: dict[frozenset[str], list[FreeAgent]] = {}
    matches: list[Match] = []
    for call in sorted(line, key=lambda call: rank(call, now, ageing)):
        if not agents:
            break
        claim = Claim.LINE
        if call.only is not None:
            claim = Claim.NAMED
            agent = agents.get(call.only) if call.only not in call.avoid else None
        else:
            if call.skills not in ranked:
                ranked[call.skills] = _best_first(agents.values(), call.skills)
            agent = _first(ranked[call.skills], agents, call.avoid)
        if agent is not None:
            matches.append(Match(call, agent, claim))
            del agents[agent.extension]
    return matches


def _first(
    able: list[FreeAgent], free: Mapping[str, FreeAgent], avoid: frozenset[str]
) -> FreeAgent | None:
    """The best who is still free; those in front who are not are dropped from `able`."""
    while able and able[0].extension not in free:
        able.pop(0)
    fit = (one for one in able if one.extension in free and one.extension not in avoid)
    return next(fit, None)


def _best_first(agents: Iterable[FreeAgent], skills: frozenset[str]) -> list[FreeAgent]:
    able = [(level(agent, skills), agent) for agent in agents if not agent.only_named]
    able.sort(key=lambda pair: (-pair[0], pair[1].idle_since, pair[1].extension))
    return [agent for at, agent in able if at > 0]
