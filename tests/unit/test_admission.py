"""Seats: whatever the order of things, nobody is admitted beyond the budget."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pln_ivr.calls.admission import ArrivalLimit, Door, Seats, margin
from pln_ivr.outcomes import Reason

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


def test_who_is_in_the_house_is_counted_beyond_the_budget() -> None:
    """Callers whom an earlier run admitted are there, whether they fit or not."""
    seats = Seats(1)
    for caller in "abc":
        seats.hold(caller)
    seats.hold("a")
    assert seats.in_use == 3
    assert not seats.free
    assert not seats.take("d")
    assert seats.take("a")
    for caller in "abc":
        assert not seats.take("d")
        assert seats.give(caller)
    assert seats.take("d")


@pytest.mark.parametrize(
    ("capacity", "more"), [(0, 50), (20, 50), (500, 50), (510, 51), (720, 72), (5000, 500)]
)
def test_the_margin_that_the_dialplan_leaves_us(capacity: int, more: int) -> None:
    assert margin(capacity) == more


# -- arrivals a second ----------------------------------------------------------------------


class Arrivals:
    """A limit with its clock in the test's hand."""

    def __init__(self, per_second: float) -> None:
        self.now = 1000.0
        self.limit = ArrivalLimit(per_second, lambda: self.now)

    def burst(self, most: int = 1000) -> int:
        """How many come in at once."""
        return sum(self.limit.allows() for _ in range(most))


def test_a_burst_of_a_seconds_worth_comes_in_and_no_more() -> None:
    arrivals = Arrivals(5)
    assert arrivals.burst() == 5
    assert arrivals.burst() == 0
    arrivals.now += 0.2
    assert arrivals.burst() == 1
    arrivals.now += 0.6
    assert arrivals.burst() == 3
    arrivals.now += 3600
    assert arrivals.burst() == 5, "a quiet hour saves up one second's worth"


def test_who_is_refused_costs_nothing() -> None:
    arrivals = Arrivals(1)
    assert arrivals.burst() == 1
    for _ in range(9):
        arrivals.now += 0.1
        assert not arrivals.limit.allows()
    arrivals.now += 0.11
    assert arrivals.limit.allows()


def test_less_than_one_a_second() -> None:
    arrivals = Arrivals(0.5)
    assert arrivals.burst() == 1
    arrivals.now += 1.0
    assert arrivals.burst() == 0
    arrivals.now += 1.0
    assert arrivals.burst() == 1


def test_no_limit_at_all() -> None:
    assert Arrivals(0).burst(5000) == 5000


@given(
    per_second=st.floats(0.1, 500),
    pauses=st.lists(st.floats(0, 3), max_size=30),
    tries=st.integers(1, 20),
)
def test_over_any_time_no_more_than_the_rate_and_one_burst(
    per_second: float, pauses: list[float], tries: int
) -> None:
    arrivals = Arrivals(per_second)
    admitted = arrivals.burst(tries)
    for pause in pauses:
        arrivals.now += pause
        admitted += arrivals.burst(tries)
    most = max(1.0, per_second) + per_second * sum(pauses)
    assert admitted <= most * (1 + 1e-9) + 1e-6


# -- the door -------------------------------------------------------------------------------


class Entrance:
    """A door with everything that it asks in the test's hand."""

    def __init__(self, budget: int, per_second: float = 0) -> None:
        self.disk_full = False
        self.arrivals = Arrivals(per_second)
        self.seats = Seats(budget)
        self.door = Door(self.seats, self.arrivals.limit, lambda: self.disk_full)


def test_the_first_reason_that_holds_is_the_one_that_is_told() -> None:
    entrance = Entrance(budget=2, per_second=1)
    assert entrance.door.admit("a") is None
    assert entrance.door.admit("b") is Reason.ARRIVAL_LIMIT
    entrance.disk_full = True
    assert entrance.door.admit("c") is Reason.DISK_FULL
    entrance.seats.hold("x")
    assert entrance.door.admit("d") is Reason.FULL
    assert entrance.seats.held() == {"a", "x"}, "who is refused has no seat"


def test_who_is_refused_for_another_reason_takes_nobodys_place_among_the_arrivals() -> None:
    entrance = Entrance(budget=1, per_second=1)
    entrance.disk_full = True
    assert entrance.door.admit("a") is Reason.DISK_FULL
    entrance.disk_full = False
    assert entrance.door.admit("b") is None
    entrance.seats.give("b")
    entrance.arrivals.now += 1
    entrance.seats.hold("c")
    assert entrance.door.admit("d") is Reason.FULL
    entrance.seats.give("c")
    assert entrance.door.admit("e") is None


class HouseMachine(RuleBasedStateMachine):
    """Any order of arrivals, ends and what is lost of them, against who is really there.

    What Asterisk has is `live`; `told` are those of whom we know. A look at Asterisk's list
    holds who is there and gives back who is not, as adoption and upkeep do.
    """

    def __init__(self) -> None:
        super().__init__()
        self.budget = 3
        self.seats = Seats(self.budget)
        self.door = Door(self.seats, ArrivalLimit(0, lambda: 0.0), lambda: False)
        self.live: set[str] = set()
        self.told: set[str] = set()
        self.count = 0

    def _new(self) -> str:
        self.count += 1
        call = f"call-{self.count}"
        self.live.add(call)
        return call

    @rule()
    def arrives(self) -> None:
        call = self._new()
        room = len(self.told) < self.budget
        reason = self.door.admit(call)
        assert (reason is None) == room
        if reason is None:
            self.told.add(call)
            assert self.seats.in_use <= self.budget, "admitted beyond the budget"
        else:
            self.live.discard(call)

    @rule()
    def arrives_and_nobody_is_told(self) -> None:
        self._new()

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def is_told_of_twice(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(sorted(self.told)))
        assert self.seats.take(call)
        self.seats.hold(call)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def is_found_in_the_house(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(sorted(self.live)))
        self.seats.hold(call)
        self.told.add(call)

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def ends(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(sorted(self.told)))
        self.live.discard(call)
        self.told.discard(call)
        assert self.seats.give(call)
        assert not self.seats.give(call), "the second end of a call gives back nothing"

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def ends_and_nobody_is_told(self, data: st.DataObject) -> None:
        self.live.discard(data.draw(st.sampled_from(sorted(self.live))))

    @rule(budget=st.integers(0, 6))
    def capacity_changes(self, budget: int) -> None:
        self.seats.budget = self.budget = budget

    @rule()
    def looks_at_the_list(self) -> None:
        for call in self.live - self.seats.held():
            self.seats.hold(call)
        for call in self.seats.held() - self.live:
            self.seats.give(call)
        self.told = set(self.live)
        assert self.seats.held() == self.live
        assert self.seats.in_use == len(self.live)

    @invariant()
    def a_seat_for_each_who_is_known(self) -> None:
        assert self.seats.held() == self.told
        assert self.seats.in_use == len(self.seats.held())
        assert self.seats.free == (len(self.told) < self.budget)

    def teardown(self) -> None:
        """Once everybody has gone, a look at the list leaves the house empty."""
        self.live.clear()
        self.looks_at_the_list()
        assert self.seats.in_use == 0


HouseMachine.TestCase.settings = settings(deadline=None, max_examples=60)
TestHouse = HouseMachine.TestCase
