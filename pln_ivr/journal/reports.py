"""Figures from rows: how well the queues were served, and what each agent did. Pure.

Seconds are what the journal's times say; a clock that was set back counts as no time at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime

from pln_ivr.journal.records import CallRow, IncidentRow, OfferRow
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
    """The figures of each queue that has a target or a call, by name.

    The service level is the share of calls that were answered in time, among all that joined
    the line but those who gave up before that time was over.
    """
    tallies = {queue: _Queue(target) for queue, target in targets.items()}
    for call in calls:
        if call.queued_at is not None:
            tallies.setdefault(call.queue or NO_QUEUE, _Queue()).add(call, call.queued_at)
    return [tally.figures(queue) for queue, tally in sorted(tallies.items())]


def agent_figures(
    offers: Iterable[OfferRow], incidents: Iterable[IncidentRow]
) -> list[AgentFigures]:
    """The figures of each agent who has an offer or an incident, by extension."""
    tallies: dict[str, _Agent] = {}
    for offer in offers:
        tallies.setdefault(offer.agent, _Agent()).add(offer)
    for incident in incidents:
        tally = tallies.setdefault(incident.agent, _Agent())
        tally.incidents[incident.kind] += 1
        tally.upheld += incident.review is Review.UPHELD
    return [tally.figures(agent) for agent, tally in sorted(tallies.items())]


def queues_together(figures: Sequence[QueueFigures]) -> QueueFigures:
    """All queues as if they were one; the level to reach is each queue's own."""
    added: dict[str, int] = {name: sum(getattr(one, name) for one in figures) for name in _COUNTS}
    targeted = [one for one in figures if one.service_share is not None]
    counted = sum(one.queued - one.abandoned_within_target for one in targeted)
    waits = [
        (one.average_wait_seconds, one.queued - one.waiting)
        for one in figures
        if one.average_wait_seconds is not None
    ]
    longest = (one.longest_wait_seconds for one in figures if one.longest_wait_seconds is not None)
    return QueueFigures(
        queue=TOGETHER,
        **added,
        service_level=added["within_target"] / counted if counted else None,
        service_share=None,
        average_wait_seconds=(
            sum(wait * calls for wait, calls in waits) / sum(calls for _, calls in waits)
            if waits
            else None
        ),
        longest_wait_seconds=max(longest, default=None),
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

_ENDS = {
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
    waits: int = 0
    waited_seconds: float = 0.0
    longest_seconds: float = 0.0

    def add(self, call: CallRow, queued_at: datetime) -> None:
        end = "answered" if call.talking_at else _ENDS[call.outcome]
        self.ends[end] += 1
        over_at = call.talking_at if end == "answered" else call.ended_at
        if over_at is None:
            return
        wait = _seconds(queued_at, over_at)
        self.waits += 1
        self.waited_seconds += wait
        self.longest_seconds = max(self.longest_seconds, wait)
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
            average_wait_seconds=self.waited_seconds / self.waits if self.waits else None,
            longest_wait_seconds=self.longest_seconds if self.waits else None,
        )


@dataclass(slots=True)
class _Agent:
    """Adds up one agent's offers and incidents."""

    results: Counter[OfferResult | None] = field(default_factory=Counter)
    talk_seconds: float = 0.0
    held_seconds: float = 0.0
    wrap_up_seconds: float = 0.0
    incidents: Counter[IncidentKind] = field(default_factory=Counter)
    upheld: int = 0

    def add(self, offer: OfferRow) -> None:
        self.results[OfferResult.ANSWERED if offer.talking_at else offer.result] += 1
        self.held_seconds += offer.held_seconds
        self.talk_seconds += _seconds(offer.talking_at, offer.talked_until)
        self.wrap_up_seconds += _seconds(offer.talked_until, offer.wrapped_up_at)

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


def _seconds(since: datetime | None, until: datetime | None) -> float:
    if since is None or until is None:
        return 0.0
    return max(0.0, (until - since).total_seconds())
