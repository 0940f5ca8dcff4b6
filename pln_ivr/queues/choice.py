"""Who gets which call: one pure function over immutable snapshots."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call in a line, as the choice sees it. `joined` is UTC, the same on every node."""

    call_id: str
    queue: str
    joined: datetime
    node: str
    priority: int = 0
    avoid: frozenset[str] = frozenset()
    """Agents who just missed this call."""


@dataclass(frozen=True, slots=True)
class FreeAgent:
    """An agent who may be offered a call, as the choice sees it. `idle_since` in seconds."""

    extension: str
    queues: frozenset[str]
    idle_since: float


@dataclass(frozen=True, slots=True)
class Match:
    """This call for this agent: a proposal, until it is reserved."""

    call: Waiting
    agent: FreeAgent


def choose(line: Iterable[Waiting], free: Iterable[FreeAgent]) -> list[Match]:
    """The matches to be made now.

    Calls by highest priority, then longest waiting; for each the agent of its queue who
    has been idle longest. No agent twice, no call twice, never an agent whom the call is
    to avoid.
    """
    agents = sorted(free, key=lambda agent: (agent.idle_since, agent.extension))
    matches: list[Match] = []
    if not agents:
        return matches
    for call in sorted(line, key=lambda call: (-call.priority, call.joined, call.call_id)):
        for agent in agents:
            if call.queue in agent.queues and agent.extension not in call.avoid:
                matches.append(Match(call, agent))
                agents.remove(agent)
                break
        if not agents:
            break
    return matches
