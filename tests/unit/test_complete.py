"""What a line of Asterisk's list of calls makes of the journal's row. Pure: no files."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pln_ivr.calls.completion import NOBODY, complete, outcome_of_unseen, stage_at
from pln_ivr.journal import CallRow
from pln_ivr.outcomes import Direction, Outcome, Reason, Result, Stage
from tests.unit.completing import (
    BEGAN,
    CHANNEL,
    ENDED,
    NODE,
    QUEUED,
    RECORDING,
    TALKING,
    after,
    epoch,
    fallback,
    line,
    row,
)


@pytest.mark.parametrize(
    ("cells", "result", "reason", "cause"),
    [
        ({}, Result.ABANDONED, Reason.IN_NOTICE, None),
        ({"answer": "0"}, Result.ABANDONED, Reason.BEFORE_ANSWER, None),
        ({"answer": "0", "disposition": "BUSY"}, Result.REJECTED, Reason.FULL, 17),
        ({"answer": "0", "disposition": "NO ANSWER"}, Result.ABANDONED, Reason.BEFORE_ANSWER, None),
    ],
)
def test_a_call_that_only_asterisk_knows_gets_a_row(
    cells: dict[str, str], result: Result, reason: Reason, cause: int | None
) -> None:
    made = complete(line(src="+62 812-3", **cells), None, NODE)
    assert made is not None
    assert (made.outcome, made.reason, made.cause) == (result, reason, cause)
    assert (made.stage, made.ended_at, made.started_at) == (Stage.ENDED, ENDED, BEGAN)
    assert (made.caller, made.dialled, made.channel_id) == ("+628123", "123", CHANNEL)
    assert (made.node, made.incarnation, made.fallback) == (NODE, NOBODY, False)
    again = complete(line(src="+62 812-3", **cells), None, NODE)
    assert again == made, "the same channel gets the same id, so it is one row"
    other = complete(line(), None, "pln-2")
    assert other is not None
    assert other.call_id != made.call_id, "another node's channel may have the same name"


@pytest.mark.parametrize(
    ("changes", "result", "reason"),
    [
        ({"answered_at": None}, Result.ABANDONED, Reason.BEFORE_ANSWER),
        ({}, Result.ABANDONED, Reason.IN_NOTICE),
        ({"queued_at": after(9)}, Result.ABANDONED, Reason.IN_WAITING),
        ({"queued_at": after(9), "talking_at": after(20)}, Result.ANSWERED, Reason.UNSEEN),
        ({"queued_at": after(9), "talking_at": after(61)}, Result.ABANDONED, Reason.IN_WAITING),
        ({"queued_at": after(61)}, Result.ABANDONED, Reason.IN_NOTICE),
    ],
)
def test_an_open_row_is_closed_as_of_the_moment_of_the_end(
    changes: dict[str, Any], result: Result, reason: Reason
) -> None:
    """What we did with the call after its unseen end did not happen to the caller."""
    before = row(**changes)
    made = complete(line(), before, NODE)
    assert made is not None
    assert (made.outcome, made.reason, made.ended_at) == (result, reason, ENDED)
    assert (made.call_id, made.sequence) == ("call-1", before.sequence + 1)
    assert made.incarnation == "run-1"


@pytest.mark.parametrize(
    ("known", "answer", "result", "reason"),
    [
        (True, "0", Result.UNREACHED, Reason.CUSTOMER_NO_ANSWER),
        (False, "0", Result.UNREACHED, Reason.CUSTOMER_NO_ANSWER),
        (False, epoch(after(5)), Result.ABANDONED, Reason.IN_NOTICE),
    ],
)
def test_a_customer_whom_we_called_is_told_apart(
    known: bool, answer: str, result: Result, reason: Reason
) -> None:
    before = row(channel_id="out-1", answered_at=None, direction=Direction.OUTBOUND)
    listed = line(uniqueid="out-1", answer=answer, disposition="BUSY", dcontext="from-trunk")
    made = complete(listed, before if known else None, NODE)
    assert made is not None
    assert (made.direction, made.outcome, made.reason) == (Direction.OUTBOUND, result, reason)


def test_a_row_that_is_closed_is_left_alone() -> None:
    closed = row(outcome=Result.ANSWERED, reason=Reason.CALLER_HUNG_UP, ended_at=ENDED)
    assert complete(line(), closed, NODE) is None


BUSY = {"answer": "0", "disposition": "FAILED"}


@pytest.mark.parametrize(
    ("userfield", "cells", "result", "reason"),
    [
        (
            fallback("", QUEUED, TALKING, "ag-104-0000000a"),
            {},
            Result.ANSWERED,
            Reason.AGENT_HUNG_UP,
        ),
        (
            fallback("", QUEUED, TALKING, "trunk-1-00000001"),
            {},
            Result.ANSWERED,
            Reason.CALLER_HUNG_UP,
        ),
        (fallback("", QUEUED, TALKING, ""), {}, Result.ANSWERED, Reason.CALLER_HUNG_UP),
        (fallback("", QUEUED), {}, Result.ABANDONED, Reason.IN_WAITING),
        (fallback(), {}, Result.ABANDONED, Reason.IN_NOTICE),
        (fallback(), {"answer": "0"}, Result.ABANDONED, Reason.BEFORE_ANSWER),
        ("fallback/1////an/builtin/", BUSY, Result.REJECTED, Reason.FULL),
    ],
)
@pytest.mark.parametrize("known", [None, row(), row(outcome=Result.FAILED, reason=Reason.PBX)])
def test_whom_the_dialplan_had_at_the_end_is_told_as_it_says(
    userfield: str, cells: dict[str, str], result: Result, reason: Reason, known: CallRow | None
) -> None:
    """Whatever the journal believed of it, and once only."""
    if known and cells:
        known = dataclasses.replace(known, answered_at=None)
    told = line(userfield=userfield, **cells)
    made = complete(told, known, NODE)
    assert made is not None
    assert (made.outcome, made.reason) == (result, reason)
    assert made.fallback
    assert made.ended_at == ENDED
    assert made.cause == (17 if result is Result.REJECTED else None)
    assert made.sequence == (known.sequence if known else 0) + 1
    if result is Result.ANSWERED:
        assert (made.agent, made.recording) == ("104", f"archive:{RECORDING}")
        assert (made.queued_at, made.talking_at) == (after(5), after(30))
        assert made.notice_heard_at == after(5)
    else:
        assert (made.agent, made.recording, made.talking_at) == (None, None, None)
    assert complete(told, made, NODE) is None, "read again it changes nothing"


def test_what_the_journal_knows_better_stays() -> None:
    known = row(notice_heard_at=after(4), queued_at=after(4), agent="101", queue="gangguan")
    made = complete(line(userfield=fallback("", QUEUED)), known, NODE)
    assert made is not None
    assert (made.notice_heard_at, made.queued_at) == (after(4), after(4))
    assert (made.agent, made.queue, made.recording) == ("101", "gangguan", None)


@pytest.mark.parametrize(
    ("moment", "stage"),
    [
        (0.5, Stage.ADMISSION),
        (1, Stage.NOTICE),
        (4, Stage.NOTICE),
        (5, Stage.MENU),
        (8, Stage.MENU),
        (9, Stage.WAITING),
        (19.9, Stage.WAITING),
        (20, Stage.TALKING),
        (99, Stage.TALKING),
    ],
)
def test_the_stage_at_a_moment(moment: float, stage: Stage) -> None:
    visit = row(menu_at=after(5), queued_at=after(9), offered_at=after(15), talking_at=after(20))
    assert stage_at(visit, after(moment)) is stage


def test_how_a_call_ends_that_nobody_saw() -> None:
    told = {stage: outcome_of_unseen(stage) for stage in Stage if stage is not Stage.ENDED}
    assert told == {
        Stage.ADMISSION: Outcome(Result.ABANDONED, Reason.BEFORE_ANSWER),
        Stage.NOTICE: Outcome(Result.ABANDONED, Reason.IN_NOTICE),
        Stage.RELEASE: Outcome(Result.ABANDONED, Reason.IN_RELEASE),
        Stage.STATEMENT: Outcome(Result.ABANDONED, Reason.IN_STATEMENT),
        Stage.MENU: Outcome(Result.ABANDONED, Reason.IN_MENU),
        Stage.WAITING: Outcome(Result.ABANDONED, Reason.IN_WAITING),
        Stage.RINGING: Outcome(Result.ABANDONED, Reason.IN_RINGING),
        Stage.DIALLING: Outcome(Result.UNREACHED, Reason.CUSTOMER_NO_ANSWER),
        Stage.TALKING: Outcome(Result.ANSWERED, Reason.UNSEEN),
    }


MAYBE = st.sampled_from(["", "0", epoch(after(5)), epoch(after(30))])


@given(
    answer=MAYBE,
    disposition=st.sampled_from(["ANSWERED", "BUSY", "FAILED", "NO ANSWER"]),
    note=st.one_of(
        st.just(""),
        st.builds(
            fallback,
            st.sampled_from(["", "1"]),
            MAYBE,
            MAYBE,
            st.sampled_from(["", "ag-104-1", "trunk-1-1"]),
        ),
    ),
    known=st.sampled_from([None, row(), row(talking_at=after(20)), row(answered_at=None)]),
)
def test_every_line_ends_its_call_with_a_reason_of_its_result(
    answer: str, disposition: str, note: str, known: CallRow | None
) -> None:
    told = line(answer=answer, disposition=disposition, userfield=note)
    made = complete(told, known, NODE)
    assert made is not None
    assert made.outcome is not None
    assert made.reason is not None
    Outcome(made.outcome, made.reason)  # raises if they do not belong together
    assert made.ended_at == ENDED
    assert made.sequence > (known.sequence if known else 0)
    assert complete(told, made, NODE) is None
