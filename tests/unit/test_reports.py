"""Figures of queues and agents: what each row adds, and properties that hold for all rows."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pln_ivr.journal import CallRow, IncidentRow, OfferRow
from pln_ivr.journal.reports import (
    NO_QUEUE,
    AgentFigures,
    QueueFigures,
    agent_figures,
    agents_together,
    queue_figures,
    queues_together,
)
from pln_ivr.outcomes import REASONS, IncidentKind, OfferResult, Result, Review
from tests.unit.test_journal import NOON, call, offer
from tests.unit.test_journal_questions import incident

TARGETS = {"gangguan": (20.0, 0.8), "tagihan": (60.0, 0.5)}
everything = settings(deadline=None, max_examples=150)


def after(seconds: float | None) -> Any:
    return None if seconds is None else NOON + timedelta(seconds=seconds)


def queued(
    queue: str | None = "gangguan",
    talking: float | None = None,
    ended: float | None = None,
    result: Result | None = None,
) -> CallRow:
    """A call that joined a line at noon, with what came of it so many seconds later."""
    return call(
        queue=queue,
        queued_at=NOON,
        talking_at=after(talking),
        ended_at=after(ended),
        outcome=result,
        reason=min(REASONS[result]) if result else None,
    )


def answered(seconds: float, queue: str = "gangguan") -> CallRow:
    return queued(queue, seconds, seconds + 100, Result.ANSWERED)


def abandoned(seconds: float, queue: str = "gangguan") -> CallRow:
    return queued(queue, None, seconds, Result.ABANDONED)


def of(queue: str, *calls: CallRow) -> QueueFigures:
    (figures,) = [one for one in queue_figures(calls, TARGETS) if one.queue == queue]
    return figures


def by(agent: str, *offers: OfferRow, incidents: tuple[IncidentRow, ...] = ()) -> AgentFigures:
    (figures,) = [one for one in agent_figures(offers, incidents) if one.agent == agent]
    return figures


# -- queues ---------------------------------------------------------------------------------


def test_a_queue_without_calls_has_no_level_and_no_wait() -> None:
    assert queue_figures([], TARGETS) == [
        QueueFigures(
            queue=queue,
            queued=0,
            answered=0,
            abandoned=0,
            released=0,
            failed=0,
            waiting=0,
            within_target=0,
            abandoned_within_target=0,
            service_level=None,
            service_share=share,
            average_wait_seconds=None,
            longest_wait_seconds=None,
        )
        for queue, (_, share) in TARGETS.items()
    ]


def test_the_service_level_leaves_out_who_gave_up_in_time() -> None:
    calls = [answered(5), answered(20), answered(20.5), abandoned(19), abandoned(40)]
    figures = of("gangguan", *calls)
    assert (figures.queued, figures.answered, figures.abandoned) == (5, 3, 2)
    assert (figures.within_target, figures.abandoned_within_target) == (2, 1)
    assert figures.service_level == 2 / 4
    assert figures.service_share == 0.8
    assert figures.average_wait_seconds == (5 + 20 + 20.5 + 19 + 40) / 5
    assert figures.longest_wait_seconds == 40


def test_each_queue_has_its_own_target() -> None:
    assert of("tagihan", answered(59, "tagihan")).within_target == 1
    assert of("tagihan", answered(61, "tagihan")).within_target == 0


def test_if_all_gave_up_in_time_there_is_no_level() -> None:
    assert of("gangguan", abandoned(3), abandoned(4)).service_level is None


def test_who_was_let_go_or_failed_in_line_counts_against_the_level() -> None:
    figures = of(
        "gangguan",
        queued(ended=1, result=Result.RELEASED),
        queued(ended=2, result=Result.FAILED),
        answered(1),
    )
    assert (figures.released, figures.failed, figures.answered) == (1, 1, 1)
    assert figures.service_level == 1 / 3


def test_a_conversation_that_we_broke_off_was_answered_all_the_same() -> None:
    figures = of("gangguan", queued(talking=7, ended=90, result=Result.FAILED))
    assert (figures.answered, figures.failed, figures.within_target) == (1, 0, 1)
    assert figures.longest_wait_seconds == 7


def test_a_call_that_is_up_talks_or_waits() -> None:
    figures = of("gangguan", queued(), queued(talking=3))
    assert (figures.waiting, figures.answered, figures.within_target) == (1, 1, 1)
    assert figures.average_wait_seconds == 3


def test_calls_without_a_queue_and_without_a_target_have_counts_but_no_level() -> None:
    figures = queue_figures([queued(None, ended=1, result=Result.ABANDONED), queued("old")], {})
    assert [one.queue for one in figures] == [NO_QUEUE, "old"]
    assert [one.queued for one in figures] == [1, 1]
    assert {one.service_level for one in figures} | {one.service_share for one in figures} == {None}


def test_a_call_that_joined_no_line_is_in_no_figure() -> None:
    assert of("gangguan", call(queue="gangguan", outcome=Result.REJECTED)).queued == 0


def test_a_clock_that_was_set_back_makes_no_negative_wait() -> None:
    assert of("gangguan", answered(-5)).longest_wait_seconds == 0.0


ENDS = st.one_of(
    st.builds(answered, st.integers(0, 100), st.sampled_from(["gangguan", "tagihan", "old"])),
    st.builds(abandoned, st.integers(0, 100), st.sampled_from(["gangguan", "tagihan", "old"])),
    st.builds(
        queued,
        st.sampled_from(["gangguan", "old", None]),
        st.one_of(st.none(), st.integers(0, 100)),
        st.one_of(st.none(), st.integers(0, 200)),
        st.sampled_from([None, Result.RELEASED, Result.FAILED, Result.ABANDONED]),
    ),
)
CALLS = st.lists(ENDS, max_size=30)
COUNTS = [
    "queued",
    "answered",
    "abandoned",
    "released",
    "failed",
    "waiting",
    "within_target",
    "abandoned_within_target",
]


@everything
@given(calls=CALLS)
def test_every_queued_call_is_counted_once(calls: list[CallRow]) -> None:
    figures = queue_figures(calls, TARGETS)
    assert sum(one.queued for one in figures) == len(calls)
    for one in figures:
        ends = one.answered + one.abandoned + one.released + one.failed + one.waiting
        assert one.queued == ends
        assert one.within_target <= one.answered
        assert one.abandoned_within_target <= one.abandoned


@everything
@given(calls=CALLS)
def test_the_level_is_what_its_definition_says(calls: list[CallRow]) -> None:
    for one in queue_figures(calls, TARGETS):
        if one.queue not in TARGETS:
            assert one.service_level is None
            continue
        soon = TARGETS[one.queue][0]
        line = [row for row in calls if row.queue == one.queue]
        in_time = [row for row in line if row.talking_at and row.talking_at <= after(soon)]
        gave_up = [
            row
            for row in line
            if row.outcome is Result.ABANDONED
            and not row.talking_at
            and row.ended_at
            and row.ended_at <= after(soon)
        ]
        asked = len(line) - len(gave_up)
        assert one.service_level == (len(in_time) / asked if asked else None)
        assert one.service_level is None or 0 <= one.service_level <= 1


@everything
@given(calls=CALLS)
def test_the_longest_wait_is_no_shorter_than_the_average(calls: list[CallRow]) -> None:
    for one in queue_figures(calls, TARGETS):
        if one.average_wait_seconds is None:
            assert one.longest_wait_seconds is None
        else:
            assert one.longest_wait_seconds is not None
            assert 0 <= one.average_wait_seconds <= one.longest_wait_seconds + 1e-9


@everything
@given(first=CALLS, second=CALLS)
def test_the_counts_of_two_days_add_up_in_any_order(
    first: list[CallRow], second: list[CallRow]
) -> None:
    whole = {one.queue: one for one in queue_figures(reversed(first + second), TARGETS)}
    for name in COUNTS:
        added: dict[str, int] = dict.fromkeys(whole, 0)
        for one in chain(queue_figures(first, TARGETS), queue_figures(second, TARGETS)):
            added[one.queue] += getattr(one, name)
        assert added == {queue: getattr(one, name) for queue, one in whole.items()}


# -- agents ---------------------------------------------------------------------------------


def conversation(
    agent: str = "101", talked: float = 60, wrap_up: float | None = 15, held: float = 0
) -> OfferRow:
    return offer(
        "o",
        agent=agent,
        result=OfferResult.ANSWERED,
        talking_at=NOON,
        talked_until=after(talked),
        wrapped_up_at=None if wrap_up is None else after(talked + wrap_up),
        held_seconds=held,
    )


def rung(result: OfferResult | None, agent: str = "101") -> OfferRow:
    return offer("o", agent=agent, result=result)


def test_what_an_agent_did() -> None:
    figures = by(
        "101",
        conversation(talked=60, wrap_up=15, held=10),
        conversation(talked=30, wrap_up=None),
        *(rung(result) for result in OfferResult if result is not OfferResult.ANSWERED),
        rung(None),
        conversation("102"),
        incidents=(
            incident("i1"),
            incident("i2", review=Review.UPHELD),
            incident("i3", kind=IncidentKind.HUNG_UP_ON_CUSTOMER, review=Review.DISMISSED),
            incident("i4", agent="103"),
        ),
    )
    assert figures == AgentFigures(
        agent="101",
        offered=11,
        answered=2,
        missed=1,
        no_answer=1,
        busy=1,
        declined=1,
        unreachable=1,
        caller_gone=1,
        not_reached=1,
        failed=1,
        ringing=1,
        talk_seconds=90,
        held_seconds=10,
        wrap_up_seconds=15,
        incidents={IncidentKind.MISSED_THIRD_RING: 2, IncidentKind.HUNG_UP_ON_CUSTOMER: 1},
        upheld=1,
    )


def test_an_agent_who_has_only_an_incident_is_there_too() -> None:
    figures = by("103", incidents=(incident("i1", agent="103"),))
    assert (figures.offered, figures.incidents[IncidentKind.MISSED_THIRD_RING]) == (0, 1)


def test_a_conversation_that_goes_on_is_answered_and_has_no_length_yet() -> None:
    figures = by("101", offer("o", talking_at=NOON))
    assert (figures.answered, figures.ringing, figures.talk_seconds) == (1, 0, 0.0)


def test_without_rows_there_are_no_agents() -> None:
    assert agent_figures([], []) == []


AGENTS = st.sampled_from(["101", "102", "103"])
OFFERS = st.lists(
    st.one_of(
        st.builds(rung, st.sampled_from([*OfferResult, None]), AGENTS),
        st.builds(
            conversation,
            AGENTS,
            st.integers(-5, 900),
            st.one_of(st.none(), st.integers(-5, 60)),
            st.integers(0, 60),
        ),
    ),
    max_size=30,
)
INCIDENTS = st.lists(
    st.builds(
        lambda agent, kind, review: incident("i", agent=agent, kind=kind, review=review),
        AGENTS,
        st.sampled_from(IncidentKind),
        st.sampled_from(Review),
    ),
    max_size=20,
)


@everything
@given(offers=OFFERS, incidents=INCIDENTS)
def test_every_offer_and_every_incident_is_counted_once(
    offers: list[OfferRow], incidents: list[IncidentRow]
) -> None:
    figures = agent_figures(offers, incidents)
    assert [one.agent for one in figures] == sorted(
        {row.agent for row in offers} | {row.agent for row in incidents}
    )
    assert sum(one.offered for one in figures) == len(offers)
    assert sum(sum(one.incidents.values()) for one in figures) == len(incidents)
    assert sum(one.upheld for one in figures) == sum(
        row.review is Review.UPHELD for row in incidents
    )
    for one in figures:
        results = one.answered + one.missed + one.busy + one.declined + one.unreachable
        results += one.no_answer + one.caller_gone + one.not_reached + one.failed
        assert one.offered == results + one.ringing


@everything
@given(offers=OFFERS)
def test_an_agents_seconds_are_those_of_the_conversations(offers: list[OfferRow]) -> None:
    talked = wrapped_up = held = 0.0
    for row in offers:
        held += row.held_seconds
        if row.talking_at and row.talked_until:
            talked += max(0.0, (row.talked_until - row.talking_at).total_seconds())
        if row.talked_until and row.wrapped_up_at:
            wrapped_up += max(0.0, (row.wrapped_up_at - row.talked_until).total_seconds())
    figures = agent_figures(reversed(offers), [])
    assert sum(one.talk_seconds for one in figures) == pytest.approx(talked)
    assert sum(one.wrap_up_seconds for one in figures) == pytest.approx(wrapped_up)
    assert sum(one.held_seconds for one in figures) == pytest.approx(held)
    assert all(value >= 0 for one in figures for value in _seconds(one))


def _seconds(figures: AgentFigures) -> list[float]:
    values = dataclasses.asdict(figures)
    return [values[name] for name in values if name.endswith("_seconds")]


# -- together ---------------------------------------------------------------------------------


@everything
@given(calls=CALLS)
def test_all_queues_together_are_as_one_queue(calls: list[CallRow]) -> None:
    targets = dict.fromkeys(TARGETS, (20.0, 0.8))
    calls = [call for call in calls if (call.outcome is None) == (call.ended_at is None)]
    apart = queue_figures(calls, targets)
    one = [dataclasses.replace(call, queue="one") for call in calls if call.queue in targets]
    known = [figures for figures in apart if figures.queue in targets]
    (expected,) = queue_figures(one, {"one": (20.0, 0.8)})
    together = queues_together(known)
    assert together.average_wait_seconds == pytest.approx(expected.average_wait_seconds)
    same: dict[str, Any] = {"queue": "all", "service_share": None, "average_wait_seconds": None}
    assert dataclasses.replace(together, average_wait_seconds=None) == dataclasses.replace(
        expected, **same
    )


def test_all_agents_together() -> None:
    figures = agent_figures(
        [conversation("101"), conversation("102", held=3), rung(OfferResult.MISSED, "102")],
        [incident("i1"), incident("i2", agent="102")],
    )
    together = agents_together(figures)
    assert (together.agent, together.offered, together.answered) == ("all", 3, 2)
    assert (together.missed, together.talk_seconds, together.held_seconds) == (1, 120, 3)
    assert together.incidents[IncidentKind.MISSED_THIRD_RING] == 2
    assert agents_together([]).offered == 0
