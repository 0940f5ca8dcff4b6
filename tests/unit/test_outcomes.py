"""The closed set of endings: every result, reason and stage is accounted for."""

from __future__ import annotations

from itertools import product

import pytest

from pln_ivr.calls.call import Call, clean_number
from pln_ivr.outcomes import GONE_IN, REASONS, Outcome, Reason, Result, Stage
from tests.unit.making import arrival

STARTED = arrival("call", "123")


def test_every_result_has_reasons_and_every_reason_one_result() -> None:
    assert set(REASONS) == set(Result)
    reasons = [reason for of in REASONS.values() for reason in of]
    assert sorted(reasons) == sorted(Reason)


@pytest.mark.parametrize(("result", "reason"), list(product(Result, Reason)))
def test_an_outcome_takes_only_a_reason_of_its_result(result: Result, reason: Reason) -> None:
    if reason in REASONS[result]:
        assert Outcome(result, reason).reason is reason
    else:
        with pytest.raises(ValueError, match="is no reason for"):
            Outcome(result, reason)


def test_giving_up_has_a_reason_in_every_stage_before_the_conversation() -> None:
    before = list(Stage)[: list(Stage).index(Stage.TALKING)]
    assert list(GONE_IN) == before
    assert len(set(GONE_IN.values())) == len(before)


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.ENDED])
def test_a_caller_who_goes_has_an_outcome_in_every_stage(stage: Stage) -> None:
    call = Call.arriving(STARTED, "pln-1", "run")
    call.stage = stage
    outcome = call.end_for_gone_caller()
    if stage is Stage.TALKING:
        assert outcome == Outcome(Result.ANSWERED, Reason.CALLER_HUNG_UP)
    else:
        assert outcome == GONE_IN[stage]


def test_each_row_of_a_call_is_newer_and_carries_its_outcome() -> None:
    call = Call.arriving(STARTED, "pln-1", "run")
    first = call.row()
    assert (first.outcome, first.reason, first.dialled) == (None, None, "123")
    call.outcome = Outcome(Result.REJECTED, Reason.FULL)
    second = call.row()
    assert (second.outcome, second.reason) == (Result.REJECTED, Reason.FULL)
    assert second.sequence > first.sequence
    assert second.call_id == first.call_id


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("081234567890", "081234567890"),
        ("+62 812-345", "+62812345"),
        ("Robert'); DROP TABLE", ""),
        ("9" * 50, "9" * 20),
        ("٣١٤", ""),
        ("", ""),
    ],
)
def test_a_number_is_digits_whatever_the_header_said(said: str, kept: str) -> None:
    assert clean_number(said) == kept


def test_a_call_without_a_dialled_number_is_still_a_call() -> None:
    assert Call.arriving(arrival("call"), "pln-1", "run").dialled == ""
