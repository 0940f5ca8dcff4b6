"""A customer number, as it is keyed: every way ends, and only twelve digits are one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pln_ivr.calls.dialogues.customer_number import (
    EARLIER,
    LENGTH,
    MOST_KEYS,
    NEIGHBOURS,
    PROMPTS,
    TODAY,
    YESTERDAY,
    Entry,
    Fault,
    press,
    spelt,
    told_neighbours,
    told_when,
)

NUMBER = "512345678901"


def keyed(keys: str, then_silence: bool = True) -> Entry | str | Fault:
    """What comes of these keys; nobody presses anything after them."""
    step: Entry | str | Fault = Entry()
    for key in [*keys, *([None] if then_silence else [])]:
        if not isinstance(step, Entry):
            break
        step = press(step, key)
    return step


@pytest.mark.parametrize(
    ("keys", "comes"),
    [
        (NUMBER, NUMBER),
        (f"{NUMBER}#", NUMBER),
        (f"99*{NUMBER}#", NUMBER),
        (f"{NUMBER}*{NUMBER[::-1]}", NUMBER[::-1]),
        (f"A{NUMBER[:6]}B{NUMBER[6:]}", NUMBER),
        ("", Fault.NOTHING),
        ("#", Fault.AGENT),
        ("12*#", Fault.AGENT),
        ("12*", Fault.TOO_LATE),
        (NUMBER[:11], Fault.TOO_LATE),
        (f"{NUMBER[:11]}#", Fault.TOO_FEW),
        (f"{NUMBER}1", Fault.TOO_MANY),
        ("*" * (MOST_KEYS + 1), Fault.TOO_MANY),
    ],
)
def test_what_comes_of_keys(keys: str, comes: str | Fault) -> None:
    assert keyed(keys) == comes


def test_the_twelfth_digit_alone_is_not_the_end() -> None:
    """One too many may follow, and then it was another number."""
    step = keyed(NUMBER, then_silence=False)
    assert isinstance(step, Entry)
    assert step.whole


@given(st.lists(st.sampled_from([*"0123456789*#ABCD", None]), min_size=MOST_KEYS + 1))
def test_it_ends_and_a_number_has_twelve_digits(keys: list[str | None]) -> None:
    step: Entry | str | Fault = Entry()
    for key in keys:
        if isinstance(step, Entry):
            step = press(step, key)
    assert not isinstance(step, Entry)
    if not isinstance(step, Fault):
        assert len(step) == LENGTH
        assert step.isdecimal()


@given(st.text("0123456789*", max_size=20), st.text("0123456789", min_size=LENGTH, max_size=LENGTH))
def test_after_a_star_nothing_of_before_is_left(before: str, number: str) -> None:
    prefix = keyed(before, then_silence=False)
    if isinstance(prefix, Entry):
        assert keyed(f"{before}*{number}#") == number


@pytest.mark.parametrize(
    ("reported", "words"),
    [
        (datetime(2026, 11, 26, 8, 5, tzinfo=UTC), (TODAY, *spelt("0805"))),
        (datetime(2026, 11, 25, 23, 59, tzinfo=UTC), (YESTERDAY, *spelt("2359"))),
        (datetime(2026, 11, 24, 23, 59, tzinfo=UTC), (EARLIER,)),
    ],
)
def test_when_a_report_was_made(reported: datetime, words: tuple[str, ...]) -> None:
    assert told_when(reported, datetime(2026, 11, 26, 12, 0, tzinfo=UTC)) == words


@pytest.mark.parametrize(
    ("others", "said"),
    [
        *[(1, "digit-1"), (9, "digit-9"), (10, "report-over-9"), (20, "report-over-9")],
        *[(21, "report-over-20"), (51, "report-over-50"), (100, "report-over-50")],
        (5000, "report-over-100"),
    ],
)
def test_how_many_others_have_reported(others: int, said: str) -> None:
    assert told_neighbours(others) == (NEIGHBOURS, said)


def test_what_is_said_has_its_prompts() -> None:
    assert told_neighbours(0) == ()
    everything = {*spelt("0123456789"), *(word for n in range(200) for word in told_neighbours(n))}
    assert everything | {TODAY, YESTERDAY, EARLIER} <= set(PROMPTS)
