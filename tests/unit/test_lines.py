"""The lines' rules: the expected wait, what a caller is told of it, and who may come back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from pln_ivr.calls.prompt_files import REQUIRED
from pln_ivr.queues import lines as lines_module
from pln_ivr.queues.lines import (
    ANNOUNCEMENTS,
    REMEMBERED_CALLERS,
    TOLD_POSITIONS,
    TOLD_SECONDS,
    Handling,
    Promise,
    Returning,
    Standing,
)

NOON = datetime(2026, 8, 4, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


# -- the expected wait ---------------------------------------------------------------------


def test_nothing_is_expected_while_nothing_is_known_or_nobody_works() -> None:
    handling = Handling()
    assert handling.expected_wait("gangguan", 1, 5) is None
    handling.add("gangguan", 200.0)
    assert handling.expected_wait("gangguan", 1, 0) is None
    assert handling.expected_wait("tagihan", 1, 5) is None


def test_the_expected_wait_is_the_work_in_front_shared_by_those_who_work() -> None:
    handling = Handling()
    handling.add("gangguan", 200.0)
    assert handling.expected_wait("gangguan", 1, 10) == 20.0
    assert handling.expected_wait("gangguan", 30, 10) == 600.0


def test_a_conversation_counts_for_a_tenth_and_each_queue_for_itself() -> None:
    handling = Handling()
    handling.add("gangguan", 100.0)
    handling.add("tagihan", 500.0)
    handling.add("gangguan", 200.0)
    assert handling.expected_wait("gangguan", 1, 1) == pytest.approx(110.0)
    assert handling.expected_wait("tagihan", 1, 1) == 500.0


@given(st.lists(st.floats(0, 10_000), min_size=1, max_size=40))
def test_the_mean_is_between_the_shortest_and_the_longest(seconds: list[float]) -> None:
    handling = Handling()
    for one in seconds:
        handling.add("gangguan", one)
    mean = handling.expected_wait("gangguan", 1, 1)
    assert mean is not None
    assert min(seconds) - 1e-6 <= mean <= max(seconds) + 1e-6


def test_after_some_dozens_of_conversations_the_old_days_are_forgotten() -> None:
    handling = Handling()
    handling.add("gangguan", 1000.0)
    for _ in range(50):
        handling.add("gangguan", 100.0)
    assert handling.expected_wait("gangguan", 1, 1) == pytest.approx(100.0, rel=0.06)


# -- what a caller is told ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "word"),
    [
        (0.0, "wait-1"),
        (60.0, "wait-1"),
        (60.1, "wait-2"),
        (299.0, "wait-5"),
        (1800.0, "wait-30"),
        (1801.0, "wait-long"),
    ],
)
def test_a_wait_is_told_as_the_next_longer_one(expected: float, word: str) -> None:
    assert Promise().next_words(Standing(1, expected), 0.0) == ["position-1", word]


@pytest.mark.parametrize(
    ("position", "word"), [(1, "position-1"), (10, "position-10"), (11, "position-many")]
)
def test_a_position_is_told_as_far_as_there_are_prompts(position: int, word: str) -> None:
    assert Promise().next_words(Standing(position, None), 0.0) == [word]


def test_a_promise_runs_out_as_time_goes_by() -> None:
    promise = Promise()
    assert promise.next_words(Standing(5, 100.0), 0.0) == ["position-5", "wait-2"]
    assert promise.next_words(Standing(5, 100.0), 20.0) == ["position-5", "wait-2"]
    assert promise.next_words(Standing(5, 100.0), 40.0) == ["position-5"], "120 s from then on"
    assert promise.next_words(Standing(5, 50.0), 60.0) == ["position-5", "wait-1"]
    assert promise.next_words(Standing(5, 50.0), 100.0) == ["position-5"]


def test_a_worse_position_is_kept_to_oneself() -> None:
    promise = Promise()
    assert promise.next_words(Standing(2, None), 0.0) == ["position-2"]
    assert promise.next_words(Standing(3, None), 60.0) == []
    assert promise.next_words(Standing(2, None), 120.0) == ["position-2"]
    assert promise.next_words(Standing(1, None), 180.0) == ["position-1"]


def _seconds(word: str) -> float:
    minutes = word.removeprefix("wait-")
    return float("inf") if minutes == "long" else 60.0 * int(minutes)


def _position(word: str) -> float:
    number = word.removeprefix("position-")
    return float("inf") if number == "many" else float(number)


EXPECTED = st.one_of(st.none(), st.floats(0, 4000), st.sampled_from([0.0, 60.0, 60.5, 1800.0, 1e9]))
PAUSES = st.one_of(st.floats(0, 400), st.sampled_from([0.0, 29.9, 30.0, 30.1, 60.0]))


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(PAUSES, st.integers(1, 15), EXPECTED), max_size=25))
def test_what_is_told_never_grows_whatever_is_estimated(
    story: list[tuple[float, int, float | None]],
) -> None:
    """Neither the words do, nor the time by which the caller was to be served, but for half a
    minute, which no word can say."""
    promise, now = Promise(), 1000.0
    position, wait, until = float("inf"), float("inf"), float("inf")
    for pause, place, expected in story:
        now += pause
        for word in promise.next_words(Standing(place, expected), now):
            if word.startswith("position-"):
                assert _position(word) <= position
                assert _position(word) == (place if place <= TOLD_POSITIONS else float("inf"))
                position = _position(word)
            else:
                assert expected is not None
                assert _seconds(word) >= min(expected, TOLD_SECONDS[-1] + 1), "less than is true"
                assert _seconds(word) <= wait
                assert now + _seconds(word) <= until + 30.0
                wait, until = _seconds(word), min(until, now + _seconds(word))


@given(st.lists(st.tuples(st.integers(1, 12), st.floats(0, 2000)), min_size=1, max_size=10))
def test_good_news_is_always_told(news: list[tuple[int, float]]) -> None:
    """A place that is no worse, and a wait that is so much shorter that another word says it."""
    promise, now = Promise(), 0.0
    told = float("inf")
    for place, expected in sorted(news, reverse=True):
        words = promise.next_words(Standing(place, expected), now)
        assert words[0].startswith("position-")
        step = next((step for step in TOLD_SECONDS if expected <= step), float("inf"))
        if step < told:
            assert len(words) == 2
            told = step


def test_every_word_is_an_announcement_that_there_is_a_prompt_for() -> None:
    words = {
        word
        for place in range(1, 30)
        for expected in (*TOLD_SECONDS, 10_000.0)
        for word in Promise().next_words(Standing(place, expected), 0.0)
    }
    assert words == set(ANNOUNCEMENTS)
    assert words <= set(REQUIRED)


# -- who was cut off ------------------------------------------------------------------------


def test_who_comes_back_in_time_has_the_old_place_once() -> None:
    returning = Returning(60.0)
    returning.remember("0812", "gangguan", at(0), at(300))
    assert returning.place("0812", "gangguan", at(360)) == at(0)
    assert returning.place("0812", "gangguan", at(360)) is None


def test_who_comes_back_too_late_has_lost_it() -> None:
    returning = Returning(60.0)
    returning.remember("0812", "gangguan", at(0), at(300))
    assert returning.place("0812", "gangguan", at(360.1)) is None
    assert returning.place("0812", "gangguan", at(301)) is None, "asked once is asked"


def test_another_number_or_another_line_has_nothing_of_it() -> None:
    returning = Returning(60.0)
    returning.remember("0812", "gangguan", at(0), at(300))
    assert returning.place("0813", "gangguan", at(310)) is None
    assert returning.place("0812", "tagihan", at(310)) is None
    assert returning.place("0812", "gangguan", at(310)) == at(0), "and nothing is lost by it"


def test_who_is_cut_off_again_keeps_the_place_of_the_first_time() -> None:
    returning = Returning(60.0)
    returning.remember("0812", "gangguan", at(0), at(300))
    place = returning.place("0812", "gangguan", at(320))
    assert place is not None
    returning.remember("0812", "gangguan", place, at(340))
    assert returning.place("0812", "gangguan", at(390)) == at(0)


def test_a_caller_without_a_number_and_a_house_that_does_not_want_it_remember_nothing() -> None:
    returning = Returning(60.0)
    returning.remember("", "gangguan", at(0), at(300))
    assert returning.place("", "gangguan", at(301)) is None
    returning = Returning(0.0)
    returning.remember("0812", "gangguan", at(0), at(300))
    assert returning.place("0812", "gangguan", at(300)) is None


def test_only_so_many_are_remembered_and_the_oldest_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert REMEMBERED_CALLERS >= 720
    monkeypatch.setattr(lines_module, "REMEMBERED_CALLERS", 3)
    returning = Returning(60.0)
    for number in ("1", "2", "3", "1", "4"):
        returning.remember(number, "gangguan", at(0), at(300))
    places = [returning.place(number, "gangguan", at(301)) for number in "1234"]
    assert places == [at(0), None, at(0), at(0)], "the second is longest gone"


NUMBERS = st.sampled_from(["0811", "0812", ""])
QUEUES = st.sampled_from(["gangguan", "tagihan"])


class ReturningMachine(RuleBasedStateMachine):
    """Any order of being cut off, dialling again and time going by."""

    def __init__(self) -> None:
        super().__init__()
        self.returning = Returning(60.0)
        self.now = 0
        self.kept: dict[str, tuple[str, datetime, int]] = {}

    @rule(number=NUMBERS, queue=QUEUES, waited=st.integers(0, 500))
    def cut_off(self, number: str, queue: str, waited: int) -> None:
        joined = at(self.now - waited)
        self.returning.remember(number, queue, joined, at(self.now))
        if number:
            self.kept[number] = (queue, joined, self.now)

    @rule(number=NUMBERS, queue=QUEUES)
    def dial(self, number: str, queue: str) -> None:
        expected = None
        kept = self.kept.get(number)
        if kept and kept[0] == queue:
            del self.kept[number]
            expected = kept[1] if self.now - kept[2] <= 60 else None
        assert self.returning.place(number, queue, at(self.now)) == expected

    @rule(seconds=st.integers(1, 50))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds


ReturningMachine.TestCase.settings = settings(deadline=None, max_examples=50)
TestReturning = ReturningMachine.TestCase
