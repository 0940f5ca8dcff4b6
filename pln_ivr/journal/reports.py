"""Figures from rows: how well the queues were served, and what each agent did. Pure.

Seconds are what the journal's times say; a clock that was set back counts as no time at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime

from pln_ivr.journal.records import CallRow, IncidentRow, OfferRow
from pln_ivr.journal.waits import Waits
from pln_ivr.outcomes import IncidentKind, OfferResult, Result, Review

Target = tuple[float, float]
"""A queue's service level: this share of its calls is to be answered within so many seconds."""

TOGETHER = "all"

NO_QUEUE = "-"
"""Calls that Asterisk's own queue served while the program was away are of no queue of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFigures:
    """One queue. `queued` is the sum of `answered`, `abandoned`, `released`, `failed`, `waiting`.

    What has no meaning is None: the level of a queue without a target or without calls, the
    wait of calls that are none. The waits are those of calls that do not wait any more.
    """

    queue: str
    queued: int
    answered: int  # an agent was there, also if our side broke the conversation off later
    abandoned: int
    released: int
    failed: int
    waiting: int
    within_target: int  # answered in time
    abandoned_within_target: int  # gave up before an answer was due: counts for nobody
    service_level: float | None
    service_share: float | None  # the level to reach
    average_wait_seconds: float | None
    longest_wait_seconds: float | None
    waits: Waits = field(default_factory=Waits, repr=False, compare=False)

    @property
    def median_wait_seconds(self) -> float | None:
        """Half of the calls waited no longer."""
        return self.waits.percentile(0.5)

    @property
    def wait_90_seconds(self) -> float | None:
        """Nine in ten waited no longer."""
        return self.waits.percentile(0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFigures:
    """One agent. `offered` is the sum of all from `answered` to `ringing`."""

    agent: str
    offered: int
    answered: int
    missed: int
    no_answer: int
    busy: int
    declined: int
    unreachable: int
    caller_gone: int
    not_reached: int
    failed: int
    ringing: int
    talk_seconds: float  # of conversations that are over; hold is a part of it
    held_seconds: float
    wrap_up_seconds: float
    incidents: Mapping[IncidentKind, int]  # every kind, whatever a review made of them
    upheld: int  # of these


def queue_figures(calls: Iterable[CallRow], targets: Mapping[str, Target]) -> list[QueueFigures]:
    """The figures of each queue that has a target or a call, by name."""
    tally = QueueTally(targets)
    for call in calls:
        if call.queued_at is not None:
            tally.add(
                call.queue,
                call.outcome,
                call.queued_at.timestamp(),
                _epoch(call.talking_at),
                _epoch(call.ended_at),
            )
    return tally.figures()


class QueueTally:
    """Adds up calls by their queues. Times are epoch seconds.

    The service level is the share of calls that were answered in time, among all that joined
    the line but those who gave up before that time was over.
    """

    def __init__(self, targets: Mapping[str, Target]) -> None:
        self._queues = {queue: _Queue(target) for queue, target in targets.items()}

    def add(
        self,
        queue: str | None,
        outcome: str | None,
        queued: float,
        talking: float | None,
        ended: float | None,
    ) -> None:
        """One call that joined a line."""
        tally = self._queues.get(queue or NO_QUEUE)
        if tally is None:
            tally = self._queues[queue or NO_QUEUE] = _Queue()
        tally.add(outcome, queued, talking, ended)

    def figures(self) -> list[QueueFigures]:
        """Of each queue that has a target or a call, by name."""
        return [tally.figures(queue) for queue, tally in sorted(self._queues.items())]


def agent_figures(
    offers: Iterable[OfferRow], incidents: Iterable[IncidentRow]
) -> list[AgentFigures]:
    """The figures of each agent who has an offer or an incident, by extension."""
    tally = AgentTally()
    for offer in offers:
        tally.add(
            offer.agent,
            offer.result,
            _epoch(offer.talking_at),
            _epoch(offer.talked_until),
            _epoch(offer.wrapped_up_at),
            offer.held_seconds,
        )
    return tally.figures(incidents)


class AgentTally:
    """Adds up offers by their agents. Times are epoch seconds."""

    def __init__(self) -> None:
        self._agents: dict[str, _Agent] = {}

    def add(
        self,
        agent: str,
        result: str | None,
        talking: float | None,
        talked_until: float | None,
        wrapped_up: float | None,
        held_seconds: float,
    ) -> None:
        """One offer, and the conversation that came of it."""
        tally = self._agents.get(agent)
        if tally is None:
            tally = self._agents[agent] = _Agent()
        tally.add(result, talking, talked_until, wrapped_up, held_seconds)

    def figures(self, incidents: Iterable[IncidentRow]) -> list[AgentFigures]:
        """Of each agent who has an offer or an incident, by extension."""
        for incident in incidents:
            tally = self._agents.setdefault(incident.agent, _Agent())
            tally.incidents[incident.kind] += 1
            tally.upheld += incident.review is Review.UPHELD
        return [tally.figures(agent) for agent, tally in sorted(self._agents.items())]


def queues_together(figures: Sequence[QueueFigures]) -> QueueFigures:
    """All queues as if they were one; the level to reach is each queue's own."""
    added: dict[str, int] = {name: sum(getattr(one, name) for one in figures) for name in _COUNTS}
    targeted = [one for one in figures if one.service_share is not None]
    counted = sum(one.queued - one.abandoned_within_target for one in targeted)
    waits = Waits()
    for one in figures:
        waits.add_all(one.waits)
    return QueueFigures(
        queue=TOGETHER,
        **added,
        service_level=added["within_target"] / counted if counted else None,
        service_share=None,
        average_wait_seconds=waits.average(),
        longest_wait_seconds=waits.longest(),
        waits=waits,
    )


def agents_together(figures: Sequence[AgentFigures]) -> AgentFigures:
    """All agents as if they were one."""
    names = [field.name for field in fields(AgentFigures) if field.name not in _NO_SUMS]
    return AgentFigures(
        agent=TOGETHER,
        incidents={kind: sum(one.incidents[kind] for one in figures) for kind in IncidentKind},
        **{name: sum(getattr(one, name) for one in figures) for name in names},
    )


_COUNTS = (
    "queued", "answered", "abandoned", "released", "failed", "waiting", "within_target",
    "abandoned_within_target",
)  # fmt: skip
_NO_SUMS = ("agent", "incidents")

_ENDS: Mapping[str | None, str] = {
    Result.ANSWERED: "answered",
    Result.ABANDONED: "abandoned",
    Result.RELEASED: "released",
    Result.REJECTED: "failed",  # cannot be, of a call that was in a line
    Result.UNREACHED: "failed",  # nor this
    Result.FAILED: "failed",
    None: "waiting",
}


@dataclass(slots=True)
class _Queue:
    """Adds up one queue's calls."""

    target: Target | None = None
    ends: Counter[str] = field(default_factory=Counter)
    within: int = 0
    abandoned_within: int = 0
    waits: Waits = field(default_factory=Waits)

    def add(
        self, outcome: str | None, queued: float, talking: float | None, ended: float | None
    ) -> None:
        end = "answered" if talking is not None else _ENDS[outcome]
        self.ends[end] += 1
        over = talking if talking is not None else ended
        if over is None:
            return
        wait = max(0.0, over - queued)
        self.waits.add(wait)
        if self.target and wait <= self.target[0]:
            self.within += end == "answered"
            self.abandoned_within += end == "abandoned"

    def figures(self, queue: str) -> QueueFigures:
        queued = self.ends.total()
        counted = queued - self.abandoned_within
        return QueueFigures(
            queue=queue,
            queued=queued,
            answered=self.ends["answered"],
            abandoned=self.ends["abandoned"],
            released=self.ends["released"],
            failed=self.ends["failed"],
            waiting=self.ends["waiting"],
            within_target=self.within,
            abandoned_within_target=self.abandoned_within,
            service_level=self.within / counted if self.target and counted else None,
            service_share=self.target[1] if self.target else None,
            average_wait_seconds=self.waits.average(),
            longest_wait_seconds=self.waits.longest(),
            waits=self.waits,
        )


@dataclass(slots=True)
class _Agent:
    """Adds up one agent's offers and incidents."""

    results: Counter[str | None] = field(default_factory=Counter)
    talk_seconds: float = 0.0
    held_seconds: float = 0.0
    wrap_up_seconds: float = 0.0
    incidents: Counter[IncidentKind] = field(default_factory=Counter)
    upheld: int = 0

    def add(
        self,
        result: str | None,
        talking: float | None,
        talked_until: float | None,
        wrapped_up: float | None,
        held_seconds: float,
    ) -> None:
        self.results[result if talking is None else OfferResult.ANSWERED] += 1
        self.held_seconds += held_seconds
        if talked_until is None:
            return
        if talking is not None:
            self.talk_seconds += max(0.0, talked_until - talking)
        if wrapped_up is not None:
            self.wrap_up_seconds += max(0.0, wrapped_up - talked_until)

    def figures(self, agent: str) -> AgentFigures:
        return AgentFigures(
            agent=agent,
            offered=self.results.total(),
            answered=self.results[OfferResult.ANSWERED],
            missed=self.results[OfferResult.MISSED],
            no_answer=self.results[OfferResult.NO_ANSWER],
            busy=self.results[OfferResult.BUSY],
            declined=self.results[OfferResult.DECLINED],
            unreachable=self.results[OfferResult.UNREACHABLE],
            caller_gone=self.results[OfferResult.CALLER_GONE],
            not_reached=self.results[OfferResult.NOT_REACHED],
            failed=self.results[OfferResult.FAILED],
            ringing=self.results[None],
            talk_seconds=self.talk_seconds,
            held_seconds=self.held_seconds,
            wrap_up_seconds=self.wrap_up_seconds,
            incidents={kind: self.incidents[kind] for kind in IncidentKind},
            upheld=self.upheld,
        )


def _epoch(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
