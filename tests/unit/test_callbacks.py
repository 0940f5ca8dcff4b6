"""Callbacks, pure: which numbers, when, in which order, and what an attempt means."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pln_ivr.calls.dialogues.customer_number import Fault
from pln_ivr.calls.dialogues.phone_number import MOST_KEYS, Entry, dialled, national, press
from pln_ivr.journal.callbacks import CallbackRow
from pln_ivr.outcomes import REASONS, CallbackResult, CallbackStatus, Reason, Result
from pln_ivr.queues.callbacks import (
    NOT_THE_CUSTOMERS,
    SUCCESSES,
    CallbackRules,
    Ended,
    Hours,
    due,
    judge,
    late,
    result_of,
    should_dial,
)

JAKARTA = ZoneInfo("Asia/Jakarta")
NOON = datetime(2026, 11, 26, 12, tzinfo=JAKARTA).astimezone(UTC)
RULES = CallbackRules(
    hours=Hours(time(8), time(20), JAKARTA),
    attempts=3,
    pause=timedelta(minutes=15),
    lasts=timedelta(hours=24),
    customer_first=False,
    reserve_share=0.05,
    international=False,
    machine_disposition="mesin-penjawab",
    machine_seconds=15.0,
    restored_attempts=2,
)


def callback(number: int = 1, **changes: object) -> CallbackRow:
    row = CallbackRow(
        callback_id=f"callback-{number}",
        call_id=f"call-{number}",
        node="pln-1",
        caller="081234567890",
        queue="gangguan",
        language="",
        place_at=NOON - timedelta(minutes=number),
        asked_at=NOON,
        due_at=NOON,
        expires_at=NOON + timedelta(hours=24),
        changed_at=NOON,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


# -- numbers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "found"),
    [
        ("081234567890", "081234567890"),
        ("+6281234567890", "081234567890"),
        ("6281234567890", "081234567890"),
        ("006281234567890", "081234567890"),
        ("0215550123", "0215550123"),
        ("+62215550123", "0215550123"),
        ("081234567", None),  # a mobile number is longer
        ("08123456789012", None),
        ("0110000000", None),  # no area code begins with a one
        ("+6591234567", None),
        ("006591234567", None),
        ("123", None),
        ("0", None),
        ("", None),
        ("anonymous", None),
        ("٠٨١٢٣٤٥٦٧٨٩٠", None),  # digits, but not of a telephone
    ],
)
def test_a_number_has_one_form(number: str, found: str | None) -> None:
    assert national(number) == found


@given(st.text("0123456789+", max_size=20))
def test_what_is_a_number_is_one_however_it_is_dialled(text: str) -> None:
    number = national(text)
    if number is not None:
        assert national(dialled(number, international=True)) == number
        assert national(dialled(number, international=False)) == number
        assert number.startswith("0")


def keyed(keys: str) -> Entry | str | Fault:
    entry: Entry | str | Fault = Entry()
    for key in keys:
        assert isinstance(entry, Entry)
        entry = press(entry, None if key == "." else key)
    return entry


@pytest.mark.parametrize(
    ("keys", "end"),
    [
        ("081234567890#", "081234567890"),
        ("081234567890.", "081234567890"),
        ("99*0215550123#", "0215550123"),
        ("#", Fault.AGENT),
        (".", Fault.NOTHING),
        ("0812.", Fault.TOO_LATE),
        ("*.", Fault.TOO_LATE),
        ("0812#", Fault.TOO_FEW),
        ("81234567890#", Fault.TOO_FEW),  # the zero is missing
        ("6281234567890#", Fault.TOO_FEW),
        ("08123456789012", Fault.TOO_MANY),
    ],
)
def test_keys_make_a_number_or_a_fault(keys: str, end: str | Fault) -> None:
    assert keyed(keys) == end


@given(st.lists(st.sampled_from("0123456789*ABCD"), min_size=MOST_KEYS + 1, max_size=80))
def test_every_entry_ends(keys: list[str]) -> None:
    entry: Entry | str | Fault = Entry()
    for key in keys:
        if not isinstance(entry, Entry):
            return
        entry = press(entry, key)
    if isinstance(entry, Entry):
        pytest.fail("more keys than anybody needs, and it goes on")


# -- hours ---------------------------------------------------------------------------------

moments = st.timedeltas(timedelta(), timedelta(days=365)).map(lambda since: NOON + since)
clocks = st.times().map(lambda moment: moment.replace(second=0, microsecond=0))


@given(moments, clocks, clocks, st.sampled_from(["Asia/Jakarta", "Asia/Jayapura"]))
def test_the_next_allowed_moment_is_allowed_and_none_before_it_is(
    now: datetime, one: time, other: time, zone: str
) -> None:
    if one == other:
        return
    hours = Hours(min(one, other), max(one, other), ZoneInfo(zone))
    following = hours.next(now)
    assert following >= now
    assert hours.allow(following)
    assert (following == now) == hours.allow(now)
    assert following - now < timedelta(days=1)
    if following > now:
        assert not hours.allow(following - timedelta(seconds=1))


def test_nobody_is_called_at_night_and_in_the_morning_the_oldest_place_is_first() -> None:
    rows = [callback(1), callback(3), callback(2)]
    night = NOON + timedelta(hours=8)  # 20:00
    assert due(rows, night, RULES) == []
    morning = RULES.hours.next(night)
    assert morning.astimezone(JAKARTA).hour == 8
    assert [row.callback_id for row in due(rows, morning, RULES)] == [
        "callback-3",
        "callback-2",
        "callback-1",
    ]


def test_who_is_being_called_or_rests_or_is_too_late_is_not_due() -> None:
    rows = [
        callback(1, status=CallbackStatus.CALLING),
        callback(2, due_at=NOON + timedelta(seconds=1)),
        callback(3, expires_at=NOON),
        callback(4),
    ]
    assert [row.callback_id for row in due(rows, NOON, RULES)] == ["callback-4"]


def test_only_the_oldest_have_a_place() -> None:
    rows = [callback(number) for number in range(1, 10)]
    assert [row.callback_id for row in due(rows, NOON, RULES, most=2)] == [
        "callback-9",
        "callback-8",
    ]


# -- attempts ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ended", "result"),
    [
        (Ended(outcome=Result.UNREACHED, reason=Reason.CUSTOMER_BUSY), CallbackResult.BUSY),
        (
            Ended(outcome=Result.UNREACHED, reason=Reason.CUSTOMER_NO_ANSWER),
            CallbackResult.NO_ANSWER,
        ),
        (
            Ended(outcome=Result.UNREACHED, reason=Reason.CUSTOMER_UNREACHABLE),
            CallbackResult.UNREACHABLE,
        ),
        (Ended(outcome=Result.UNREACHED, reason=Reason.MACHINE), CallbackResult.MACHINE),
        (
            Ended(outcome=Result.UNREACHED, reason=Reason.TRUNK_REFUSED),
            CallbackResult.TRUNK_REFUSED,
        ),
        (Ended(outcome=Result.UNREACHED, reason=Reason.AGENT_GONE), CallbackResult.AGENT_GONE),
        (Ended(outcome=Result.UNREACHED, reason=Reason.NOT_NEEDED), CallbackResult.GAVE_WAY),
        (Ended(outcome=Result.REJECTED, reason=Reason.FULL), CallbackResult.NO_SEAT),
        (Ended(outcome=Result.ABANDONED, reason=Reason.IN_NOTICE), CallbackResult.HUNG_UP),
        (Ended(outcome=Result.ABANDONED, reason=Reason.IN_WAITING), CallbackResult.HUNG_UP),
        (
            Ended(outcome=Result.ABANDONED, reason=Reason.IN_NOTICE, of_report=True),
            CallbackResult.INFORMED,
        ),
        (Ended(outcome=Result.RELEASED, reason=Reason.INFORMED), CallbackResult.INFORMED),
        (
            Ended(outcome=Result.RELEASED, reason=Reason.INFORMED, reopened=True),
            CallbackResult.REOPENED,
        ),
        (Ended(outcome=Result.RELEASED, reason=Reason.QUEUE_FULL), CallbackResult.AGENT_GONE),
        (Ended(outcome=Result.FAILED, reason=Reason.PBX), CallbackResult.INTERRUPTED),
        (
            Ended(outcome=Result.ANSWERED, reason=Reason.CALLER_HUNG_UP, talked_seconds=2.0),
            CallbackResult.TALKED,
        ),
        (
            Ended(outcome=Result.ANSWERED, reason=Reason.AGENT_HUNG_UP, talked_seconds=2.0),
            CallbackResult.MACHINE,
        ),
        (
            Ended(outcome=Result.ANSWERED, reason=Reason.AGENT_HUNG_UP, talked_seconds=15.0),
            CallbackResult.TALKED,
        ),
        (
            Ended(
                outcome=Result.ANSWERED,
                reason=Reason.AGENT_HUNG_UP,
                talked_seconds=2.0,
                disposition="selesai",
            ),
            CallbackResult.TALKED,
        ),
        (
            Ended(
                outcome=Result.ANSWERED,
                reason=Reason.CALLER_HUNG_UP,
                talked_seconds=60.0,
                disposition="mesin-penjawab",
            ),
            CallbackResult.MACHINE,
        ),
    ],
)
def test_how_a_call_ends_tells_what_the_attempt_came_to(
    ended: Ended, result: CallbackResult
) -> None:
    assert result_of(ended, RULES) is result


@given(
    st.sampled_from([(result, reason) for result in REASONS for reason in REASONS[result]]),
    st.none() | st.floats(0, 3600),
    st.booleans(),
)
def test_every_end_is_told(
    end: tuple[Result, Reason], talked: float | None, of_report: bool
) -> None:
    ended = Ended(outcome=end[0], reason=end[1], talked_seconds=talked, of_report=of_report)
    assert result_of(ended, RULES) in list(CallbackResult)


@given(
    st.lists(st.sampled_from(sorted(CallbackResult)), min_size=1, max_size=12),
    st.booleans(),
)
def test_attempts_are_bounded_and_the_place_is_kept(
    results: list[CallbackResult], of_report: bool
) -> None:
    row = callback(report_id="report-1" if of_report else None)
    most = RULES.restored_attempts if of_report else RULES.attempts
    tried, now = 0, NOON
    for result in results:
        begun = replace(row, status=CallbackStatus.CALLING, attempts=row.attempts + 1)
        verdict = judge(begun, result, RULES, now)
        tried += result not in NOT_THE_CUSTOMERS
        assert verdict.attempts == tried
        if result in SUCCESSES:
            assert verdict.status is CallbackStatus.REACHED
            return
        if tried == most and result not in NOT_THE_CUSTOMERS:
            assert verdict.status is CallbackStatus.UNREACHED
            return
        assert verdict.status is CallbackStatus.WAITING
        assert verdict.due_at > now
        row = replace(row, attempts=verdict.attempts, due_at=verdict.due_at)
        assert row.place_at == callback().place_at
        now = verdict.due_at


# -- seats, lateness, customer first -------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "budget", "may"), [(36, 720, False), (37, 720, True), (0, 10, False), (1, 10, True)]
)
def test_the_last_seats_are_the_callers(left: int, budget: int, may: bool) -> None:
    assert RULES.may_call(left, budget) is may


def test_who_will_not_be_called_in_time_is_late() -> None:
    soon = NOON + timedelta(minutes=30)
    rows = [callback(number, expires_at=soon) for number in (3, 2, 1)]
    in_time = {"gangguan": 600.0}  # the third is due after 30 minutes
    assert list(late(rows, NOON, RULES, in_time)) == []
    assert [row.callback_id for row in late(rows, NOON, RULES, {"gangguan": 601.0})] == [
        "callback-1"
    ]
    assert len(list(late(rows, NOON, RULES, {"gangguan": None}))) == 3
    assert list(late([callback()], NOON, RULES, {"gangguan": None})) == []
    night = NOON + timedelta(hours=9)
    tomorrow = callback(expires_at=RULES.hours.next(night) - timedelta(minutes=1))
    assert len(list(late([tomorrow], night, RULES, in_time))) == 1


@pytest.mark.parametrize(
    ("position", "expected", "working", "dial"),
    [
        (1, None, 1, True),
        (1, 300.0, 1, True),
        (2, None, 5, False),
        (2, 9.0, 5, True),
        (2, 11.0, 5, False),
        (1, None, 0, False),
    ],
)
def test_the_customer_is_dialled_when_the_line_has_come_to_them(
    position: int, expected: float | None, working: int, dial: bool
) -> None:
    assert should_dial(position, expected, working, 10.0) is dial
