"""Seats: whatever the order of things, nobody is admitted beyond the budget."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pln_ivr.calls.admission import Seats

CALLS = st.sampled_from([f"call-{n}" for n in range(8)])


class SeatsMachine(RuleBasedStateMachine):
    """Seats against a plain set."""

    def __init__(self) -> None:
        super().__init__()
        self.seats = Seats(3)
        self.budget = 3
        self.held: set[str] = set()

    @rule(call=CALLS)
    def take(self, call: str) -> None:
        admitted = self.seats.take(call)
        if call in self.held:
            assert admitted, "who has a seat keeps it"
        else:
            assert admitted == (len(self.held) < self.budget)
        if admitted:
            newly = call not in self.held
            self.held.add(call)
            assert not newly or self.seats.in_use <= self.budget

    @rule(call=CALLS)
    def give(self, call: str) -> None:
        assert self.seats.give(call) == (call in self.held)
        assert not self.seats.give(call), "giving back again does nothing"
        self.held.discard(call)

    @rule(budget=st.integers(0, 8))
    def change_budget(self, budget: int) -> None:
        before = self.seats.held()
        self.seats.budget = self.budget = budget
        assert self.seats.held() == before, "nobody is dropped"

    @invariant()
    def holds_who_was_admitted(self) -> None:
        assert self.seats.held() == self.held
        assert self.seats.in_use == len(self.held)
        assert self.seats.budget == self.budget


SeatsMachine.TestCase.settings = settings(deadline=None, max_examples=60)
TestSeats = SeatsMachine.TestCase


def test_the_721st_is_refused_until_a_seat_is_given_back() -> None:
    seats = Seats(720)
    assert all(seats.take(str(n)) for n in range(720))
    assert not seats.take("late")
    assert seats.give("7")
    assert seats.take("late")
    assert not seats.take("later")
    assert seats.in_use == 720


def test_a_budget_below_what_is_in_use_admits_nobody_and_drops_nobody() -> None:
    seats = Seats(2)
    seats.take("a")
    seats.take("b")
    seats.budget = 1
    assert seats.in_use == 2
    seats.give("a")
    assert not seats.take("c")
    seats.give("b")
    assert seats.take("c")


def test_no_seats_at_all_admits_nobody() -> None:
    assert not Seats(0).take("a")


def test_what_is_held_is_a_snapshot() -> None:
    seats = Seats(2)
    seats.take("a")
    held = seats.held()
    seats.take("b")
    assert held == {"a"}


def test_a_negative_budget_is_an_error_and_changes_nothing() -> None:
    seats = Seats(5)
    with pytest.raises(ValueError, match="must not be negative"):
        seats.budget = -1
    assert seats.budget == 5
    with pytest.raises(ValueError, match="must not be negative"):
        Seats(-1)
