"""What supervisors and reports ask of the journal."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import sqlalchemy as sa

from pln_ivr.journal import (
    FlagRow,
    IncidentRow,
    JournalReader,
    Row,
    SupervisionRow,
    open_journal,
    tables,
)
from pln_ivr.journal.reader import LOOK_BACK
from pln_ivr.outcomes import FlagResult, IncidentKind, OfferResult, Review, Supervision, TalkEnd
from tests.databases import sqlite_in
from tests.unit.test_journal import NOON, QUICK, Log, call, offer, state
from tests.unit.test_journal_migration import holding

HUNG_UP, MISSED = IncidentKind.HUNG_UP_ON_CUSTOMER, IncidentKind.MISSED_THIRD_RING


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def incident(incident_id: str, minute: float = 0, **changes: Any) -> IncidentRow:
    row = IncidentRow(
        incident_id=incident_id,
        sequence=1,
        node="pln-1",
        kind=MISSED,
        agent="101",
        queue="gangguan",
        call_id="c1",
        offer_id="o1",
        happened_at=at(minute),
    )
    return dataclasses.replace(row, **changes)


def flag(flag_id: str, minute: float = 0, **changes: Any) -> FlagRow:
    row = FlagRow(
        flag_id=flag_id,
        sequence=1,
        node="pln-1",
        call_id="c1",
        offer_id="o1",
        agent="101",
        raised_at=at(minute),
    )
    return dataclasses.replace(row, **changes)


def supervision(supervision_id: str, minute: float = 0, **changes: Any) -> SupervisionRow:
    row = SupervisionRow(
        supervision_id=supervision_id,
        sequence=1,
        node="pln-1",
        call_id="c1",
        offer_id="o1",
        supervisor="201",
        ordered_by="wall-display",
        mode=Supervision.LISTEN,
        started_at=at(minute),
    )
    return dataclasses.replace(row, **changes)


def ids(rows: list[IncidentRow]) -> list[str]:
    return [row.incident_id for row in rows]


@pytest.mark.parametrize("kind", get_args(Row), ids=lambda kind: kind.__name__)
def test_every_row_has_a_table_with_its_columns(kind: type[Row]) -> None:
    fields = {field.name for field in dataclasses.fields(kind)}
    assert {column.name for column in tables.TABLES[kind].columns} == fields


async def test_every_row_comes_back_as_it_was_written(url: str) -> None:
    later = at(1)
    evidence = incident(
        "i1",
        kind=HUNG_UP,
        spoke_seconds_before=0.25,
        recording="archive:x.wav",
        offset_seconds=61.5,
        review=Review.DISMISSED,
        reviewer="Dewi",
        note="the line broke",
        reviewed_at=later,
    )
    rang = incident("i2", rang_seconds=11.0)
    helped = flag(
        "f1",
        taken_by="201",
        taken_at=later,
        helped_at=later,
        ended_at=later,
        result=FlagResult.HELPED,
    )
    barged = supervision("s1", mode=Supervision.BARGE, ended_at=later, flag_id="f1")
    talked = offer(
        "o1",
        result=OfferResult.ANSWERED,
        talking_at=NOON,
        talked_until=later,
        talk_end=TalkEnd.TRANSFERRED,
        held_seconds=12.5,
        recording="archive:x.wav",
        recording_seconds=60.0,
        wrapped_up_at=later,
        disposition="selesai",
    )
    paused = dataclasses.replace(state("p1", "101", "paused", 0), wish="paused", pause="salat")
    async with holding(url, evidence, rang, helped, barged, talked, paused) as read:
        assert [read.incident("i1"), read.incident("i2")] == [evidence, rang]
        assert read.incident("i3") is None
        assert read.flags(NOON) == [helped]
        assert read.supervisions_of("c1") == [barged]
        assert read.offers_of("c1") == [talked]
        assert read.agent_states() == [paused]
        found = read.incident("i1")
        assert found is not None
        assert (type(found.kind), type(found.review)) == (IncidentKind, Review)
        assert type(read.flags(NOON)[0].result) is FlagResult
        assert type(read.supervisions_of("c1")[0].mode) is Supervision
        assert type(read.offers_of("c1")[0].talk_end) is TalkEnd


async def test_incidents_by_whom_what_when_and_whether_reviewed(url: str) -> None:
    rows = [
        incident("i1", 0),
        incident("i2", 1, agent="102", kind=HUNG_UP),
        incident("i3", 2, kind=HUNG_UP, review=Review.UPHELD),
        incident("i4", 3, agent="102", review=Review.DISMISSED),
    ]
    async with holding(url, *rows) as read:
        assert ids(read.incidents()) == ["i4", "i3", "i2", "i1"]
        assert ids(read.incidents(most=2)) == ["i4", "i3"]
        assert ids(read.incidents(agent="102")) == ["i4", "i2"]
        assert ids(read.incidents(kind=HUNG_UP)) == ["i3", "i2"]
        assert ids(read.incidents(review=Review.NEW)) == ["i2", "i1"]
        assert ids(read.incidents(since=at(1), until=at(3))) == ["i3", "i2"]
        assert ids(read.incidents(until=at(1))) == ["i1"]
        assert ids(read.incidents(agent="101", kind=HUNG_UP, review=Review.UPHELD)) == ["i3"]
        assert ids(read.incidents(agent="103")) == []


async def test_flags_that_are_up_and_flags_since_a_time(url: str) -> None:
    rows = [
        flag("f2", 2),
        flag("f1", 1, taken_by="201"),
        flag("f0", 0, result=FlagResult.WITHDRAWN),
        flag("far", 1, node="pln-2"),
    ]
    async with holding(url, *rows) as read:
        assert [row.flag_id for row in read.open_flags("pln-1")] == ["f1", "f2"]
        assert [row.flag_id for row in read.flags(at(1))] == ["f1", "far", "f2"]
        assert [row.flag_id for row in read.flags(NOON, at(1))] == ["f0"]


async def test_the_supervisions_of_a_call_and_those_without_an_end(url: str) -> None:
    rows = [
        supervision("s2", 2),
        supervision("s1", 1, ended_at=at(2)),
        supervision("other", call_id="c2"),
        supervision("far", call_id="c3", node="pln-2"),
    ]
    async with holding(url, *rows) as read:
        assert [row.supervision_id for row in read.supervisions_of("c1")] == ["s1", "s2"]
        assert read.supervisions_of("c9") == []
        assert {row.supervision_id for row in read.open_supervisions("pln-1")} == {"s2", "other"}


async def test_the_queued_calls_and_the_offers_between_two_times(url: str) -> None:
    calls = [call(f"c{n}", queued_at=at(n)) for n in range(4)]
    offers = [offer(f"o{n}", f"c{n}", offered_at=at(n)) for n in range(4)]
    async with holding(url, *calls, *offers, call("rejected")) as read:
        queued = read.queued_calls(at(1), at(3))
        assert {row.call_id: row for row in queued} == {"c1": calls[1], "c2": calls[2]}
        assert {row.offer_id for row in read.offers_between(at(1), at(3))} == {"o1", "o2"}
        assert list(read.queued_calls(at(5), at(9))) == []


async def test_a_reader_goes_on_while_a_long_answer_is_read(url: str) -> None:
    calls = [call(f"c{n}", queued_at=NOON) for n in range(20)]
    async with holding(url, *calls) as read:
        first = read.queued_calls(NOON, at(1))
        next(first)
        assert read.call("c7") == calls[7]
        assert len(list(first)) == 19


async def test_changes_of_state_come_after_how_each_agent_began(url: str) -> None:
    rows = [
        state("s1", "101", "ready", 0),
        state("s2", "101", "paused", 1),
        state("s3", "102", "ready", 1),
        state("s4", "102", "talking", 6),
        state("s6", "101", "ready", 7, sequence=2),
        state("s5", "101", "offered", 7),
        state("s7", "101", "logged_out", 9),
    ]
    long_ago = dataclasses.replace(
        rows[0], change_id="s0", agent="103", changed_at=at(5) - LOOK_BACK
    )
    gone = dataclasses.replace(long_ago, agent="104", changed_at=long_ago.changed_at - LOOK_BACK)
    async with holding(url, *rows, long_ago, dataclasses.replace(gone, change_id="s")) as read:
        told = [row.change_id for row in read.agent_states_between(at(5), at(9))]
        assert told == ["s2", "s3", "s0", "s4", "s5", "s6"]
        assert [row.change_id for row in read.agent_states(before=at(1))] == ["s1", "s0"]


async def test_no_question_reads_a_whole_table(tmp_path: Path) -> None:
    url = sqlite_in(tmp_path).url  # whose plan does not depend on how much there is
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    async with open_journal(url, log=Log(), limits=QUICK):
        pass
    with JournalReader(url) as read:
        sa.event.listen(read._engine, "before_cursor_execute", note)
        list(read.queued_calls(at(0), at(1)))
        list(read.offers_between(at(0), at(1)))
        read.agent_states_between(at(0), at(1))
        read.incident("i1")
        read.incidents(most=10)
        read.incidents(agent="101", since=at(0), until=at(1))
        read.incidents(review=Review.NEW)
        read.incidents(kind=HUNG_UP, since=at(0))
        read.open_flags("pln-1")
        read.flags(at(0))
        read.open_supervisions("pln-1")
        read.supervisions_of("c1")
        with read._connection() as connection:
            plans = [
                (statement, row[3])
                for statement, parameters in tuple(asked)
                for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)
            ]
    assert plans
    names = set(tables.metadata.tables)
    for statement, step in plans:
        whole = step.startswith("SCAN") and step.split()[1] in names and "USING INDEX" not in step
        assert not whole, f"{step}: {statement}"
