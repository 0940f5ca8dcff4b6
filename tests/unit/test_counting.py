"""Questions of reports: numbers for times, and words that both databases know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from pln_ivr.journal import HearingRow, tables
from pln_ivr.journal.counting import Counting, Epoch, Hearers
from pln_ivr.outcomes import Result, Stage
from tests.unit.running import keep_in
from tests.unit.test_journal import NOON, call

ALWAYS = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def at(second: float) -> datetime:
    return NOON.replace(microsecond=0) + timedelta(seconds=second)


def test_a_time_is_read_to_the_microsecond(url: str) -> None:
    moments = [at(0), at(0.000001), at(0.5), at(59.999999), datetime(2026, 2, 28, tzinfo=UTC)]
    rows = [call(f"c{n}", started_at=moment) for n, moment in enumerate(moments)]
    with Counting(keep_in(url, *rows)) as counting:
        found = sorted(one.started for one in counting.calls_between(*ALWAYS))
    assert found == pytest.approx(sorted(moment.timestamp() for moment in moments), abs=1e-6)
    assert len(set(found)) == len(moments)


def test_a_time_that_never_came_is_none(url: str) -> None:
    with Counting(keep_in(url, call())) as counting:
        (one,) = counting.calls_between(*ALWAYS)
        assert (one.queued, one.talking, one.ended) == (None, None, None)


def test_postgresql_is_asked_in_its_own_words() -> None:
    query = sa.select(Epoch(tables.calls.c.started_at))
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    sql = " ".join(str(query.compile(dialect=dialect)).split())
    assert "CAST(extract(epoch FROM calls.started_at) AS float8)" in sql
    assert "strftime" not in sql


def test_two_times_are_told_apart_though_queries_are_cached(url: str) -> None:
    row = call(started_at=at(1), queued_at=at(2), talking_at=at(3), ended_at=at(4))
    with Counting(keep_in(url, row)) as counting:
        (one,) = counting.calls_between(*ALWAYS)
        (again,) = counting.queued_between(*ALWAYS)
    assert one == again
    assert [second - one.started for second in (one.queued, one.talking, one.ended) if second] == [
        1,
        2,
        3,
    ]


def test_who_heard_a_statement_is_counted_also_before_the_call_is_known(url: str) -> None:
    hearings = [
        HearingRow(
            hearing_id=f"h{n}", sequence=1, node="pln-1", call_id=call_id, version=7,
            stage=Stage.STATEMENT, began_at=at(n), whole=whole,
        )
        for n, (call_id, whole) in enumerate((("c1", True), ("c1", False), ("c2", False)))
    ]  # fmt: skip
    with Counting(keep_in(url, call("c1", outcome=Result.ANSWERED), *hearings)) as counting:
        found = sorted(counting.hearers(*ALWAYS))
        assert found == [Hearers(7, "", "", 1, 0), Hearers(7, Result.ANSWERED, "", 1, 1)]
        assert counting.hearers(ALWAYS[0], at(0)) == []


def test_earlier_calls_are_those_that_had_a_seat_at_that_moment(url: str) -> None:
    rows = [
        call("over", started_at=at(-10), ended_at=at(-1)),
        call("long", started_at=at(-10), ended_at=at(1), outcome=Result.ANSWERED),
        call("open", started_at=at(-20)),
        call("refused", started_at=at(-1), ended_at=at(1), outcome=Result.REJECTED),
        call("lost", started_at=at(-86401)),
        call("later", started_at=at(0)),
    ]
    with Counting(keep_in(url, *rows)) as counting:
        found = sorted(counting.earlier_calls(at(0)))
    assert found == [
        (at(-20).timestamp(), None),
        (at(-10).timestamp(), at(1).timestamp()),
    ]
