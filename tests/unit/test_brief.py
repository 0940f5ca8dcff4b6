"""Brief visits: who may stay, and how a visit ends of who may not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pln_ivr.calls.admission import Seats
from pln_ivr.calls.dialogues import brief
from pln_ivr.calls.dialogues.brief import Brief, CallBack, Leave, Listen, Report, Step
from pln_ivr.calls.dialogues.menu import GOODBYE, INVALID
from pln_ivr.calls.dialogues.releasing import OUTCOMES
from pln_ivr.calls.staying import Staying, may_stay, most_staying
from pln_ivr.outcomes import BriefEnd, Result

# -- who may stay -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "share", "most"),
    [(720, 0.25, 540), (720, 0.0, 720), (720, 0.9, 72), (10, 0.25, 8), (1, 0.9, 1), (0, 0.5, 0)],
)
def test_how_many_may_stay(budget: int, share: float, most: int) -> None:
    assert most_staying(budget, share) == most


@given(budget=st.integers(0, 5000), share=st.floats(0, 0.9))
def test_a_house_with_seats_has_one_to_stay_in(budget: int, share: float) -> None:
    most = most_staying(budget, share)
    assert min(1, budget) <= most <= budget
    assert budget - most <= budget * share


@given(
    staying=st.integers(0, 1000), budget=st.integers(0, 1000), share=st.floats(0, 0.9), n=st.data()
)
def test_more_room_is_never_less(staying: int, budget: int, share: float, n: st.DataObject) -> None:
    """Fewer who stay, more seats or a smaller share never turn anybody away."""
    if may_stay(staying, budget, share, outage=True):
        assert may_stay(n.draw(st.integers(0, staying)), budget, share, outage=True)
        assert may_stay(staying, budget + n.draw(st.integers(0, 50)), share, outage=True)
        assert may_stay(staying, budget, n.draw(st.floats(0, share)), outage=True)
    assert may_stay(staying, budget, share, outage=False)


class StayingMachine(RuleBasedStateMachine):
    """Any order of arrivals, wishes to stay, ends, statements and budgets."""

    def __init__(self) -> None:
        super().__init__()
        self.live = True
        self.seats = Seats(4)
        self.staying = Staying(self.seats, 0.5, lambda: self.live)
        self.brief: set[str] = set()
        self.number = 0

    @rule(many=st.integers(1, 3))
    def arrive(self, many: int) -> None:
        for _ in range(many):
            self.number += 1
            call = f"call-{self.number}"
            if self.seats.take(call):
                self.staying.begin(call)
                self.brief.add(call)

    @rule()
    def is_found_in_the_house(self) -> None:
        """Adopted in a conversation, or in Asterisk's own queue: nobody asks for room."""
        self.number += 1
        self.seats.hold(f"call-{self.number}")

    @precondition(lambda self: self.seats.held())
    @rule(data=st.data())
    def would_stay(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(sorted(self.brief) or sorted(self.seats.held())))
        before = len(self.seats.held() - self.brief)
        room = self.staying.has_room(call)
        assert self.staying.take(call) == room
        if call not in self.brief:
            assert room, "who stays is not asked again"
        elif self.live:
            assert room == (before < most_staying(self.seats.budget, 0.5))
        else:
            assert room, "without a statement there is no brief visit"
        if room:
            self.brief.discard(call)

    @precondition(lambda self: self.seats.held())
    @rule(data=st.data())
    def goes(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(sorted(self.seats.held())))
        self.seats.give(call)
        self.brief.discard(call)

    @rule(live=st.booleans())
    def a_statement_begins_or_ends(self, live: bool) -> None:
        before = self.staying.count
        self.live = live
        assert self.staying.count == before, "nobody is dropped"

    @rule(budget=st.integers(0, 8))
    def capacity_changes(self, budget: int) -> None:
        before = self.staying.count
        self.seats.budget = budget
        assert self.staying.count == before, "nobody is dropped"

    @invariant()
    def counts_who_has_a_seat_and_is_not_on_a_brief_visit(self) -> None:
        assert self.staying.count == len(self.seats.held() - self.brief)
        assert self.staying.outage == self.live


StayingMachine.TestCase.settings = settings(deadline=None, max_examples=60)
TestStaying = StayingMachine.TestCase


def test_the_541st_who_would_stay_is_on_a_brief_visit_until_one_goes() -> None:
    seats = Seats(720)
    staying = Staying(seats, 0.25, lambda: True)
    for number in range(720):
        seats.take(str(number))
        staying.begin(str(number))
    assert [staying.take(str(number)) for number in range(720)] == [True] * 540 + [False] * 180
    assert (staying.count, staying.most) == (540, 540)
    seats.give("700")
    assert not staying.take("701"), "one who was only passing has gone"
    seats.give("7")
    assert staying.take("701")
    assert not staying.take("702")


def test_a_share_of_nothing_is_no_outage_mode() -> None:
    seats = Seats(2)
    staying = Staying(seats, 0.0, lambda: True)
    assert not staying.outage
    for call in ("a", "b"):
        seats.take(call)
        staying.begin(call)
        assert staying.take(call)
    assert staying.most == 2


# -- what is said and done --------------------------------------------------------------------

CHOICES = (brief.TO_REPORT, brief.TO_BE_CALLED, brief.TO_WAIT)


def test_the_choices_are_said_and_a_callback_only_if_there_is_one() -> None:
    assert brief.begin(2, calls_back=True).words == CHOICES
    assert brief.begin(2, calls_back=False).words == (brief.TO_REPORT, brief.TO_WAIT)


def test_silence_has_them_said_again_and_then_goodbye() -> None:
    first = brief.begin(2, calls_back=True)
    second = brief.follow(first.at, None, room=False)
    assert isinstance(second, Listen)
    assert second.words == CHOICES
    assert brief.follow(second.at, None, room=False) == Leave(BriefEnd.ANNOUNCED, (GOODBYE,))


def test_who_has_no_keypad_stays_if_there_is_room_by_then() -> None:
    assert brief.follow(Brief(1, True), None, room=True) == Leave(BriefEnd.WAITS)


def test_who_wants_to_wait_is_told_that_nobody_can_and_offered_the_others() -> None:
    first = brief.begin(2, calls_back=True)
    again = brief.follow(first.at, brief.WAIT, room=False)
    assert isinstance(again, Listen)
    assert again.words == (brief.NO_ROOM, *CHOICES)
    gone = brief.follow(again.at, None, room=False)
    assert gone == Leave(BriefEnd.NO_ROOM, (GOODBYE,))
    assert brief.follow(again.at, brief.WAIT, room=True) == Leave(BriefEnd.WAITS)


@pytest.mark.parametrize("key", ["3", "9", "*", "#", "A"])
def test_other_keys_mean_nothing(key: str) -> None:
    step = brief.follow(Brief(2, True), key, room=True)
    assert isinstance(step, Listen)
    assert step.words == (INVALID, *CHOICES)


def test_the_key_of_a_callback_means_nothing_without_one() -> None:
    step = brief.follow(Brief(2, False), brief.CALLBACK, room=False)
    assert isinstance(step, Listen)
    assert step.words[0] == INVALID


def test_a_callback_that_came_to_nothing_is_not_offered_again() -> None:
    at = Brief(3, True)
    assert brief.follow(at, brief.CALLBACK, room=False) == CallBack(at)
    step = brief.asked_back(at, noted=False, room=False)
    assert isinstance(step, Listen)
    assert step.words == (brief.TO_REPORT, brief.TO_WAIT)
    assert brief.asked_back(at, noted=True, room=False) == Leave(BriefEnd.CALLBACK, (GOODBYE,))


@pytest.mark.parametrize(
    ("registered", "to_agent", "room", "end"),
    [
        (True, False, False, BriefEnd.REPORTED),
        (True, False, True, BriefEnd.REPORTED),
        (True, True, False, BriefEnd.REPORTED),
        (True, True, True, BriefEnd.WAITS),
        (False, True, True, BriefEnd.WAITS),
        (False, True, False, None),
    ],
)
def test_what_comes_after_a_report(
    registered: bool, to_agent: bool, room: bool, end: BriefEnd | None
) -> None:
    step = brief.reported(Brief(2, True), registered, to_agent, room)
    if end is None:
        assert isinstance(step, Listen)
        assert step.words == (brief.NO_ROOM, *CHOICES)
    else:
        assert isinstance(step, Leave)
        assert step.end is end
        told_so = brief.NO_ROOM in step.words
        assert told_so == (to_agent and not room), "who wants an agent and gets none is told"


HAPPENINGS = st.lists(
    st.tuples(st.sampled_from([None, *"0123456789*#"]), st.booleans(), st.booleans()), max_size=40
)


@given(tries=st.integers(1, 5), calls_back=st.booleans(), happenings=HAPPENINGS)
def test_every_brief_visit_ends_after_so_many_tries(
    tries: int, calls_back: bool, happenings: list[tuple[str | None, bool, bool]]
) -> None:
    step: Step = brief.begin(tries, calls_back)
    said = 0
    for key, came_to_it, room in [*happenings, *[(None, False, False)] * tries]:
        match step:
            case Leave():
                break
            case Listen(at, words):
                said += 1
                assert brief.TO_WAIT in words, "the way to an agent is always said"
                step = brief.follow(at, key, room)
            case Report(at):
                step = brief.reported(at, came_to_it, not came_to_it, room)
            case CallBack(at):
                assert at.calls_back
                step = brief.asked_back(at, came_to_it, room)
    assert isinstance(step, Leave)
    assert said <= tries
    if step.end is BriefEnd.WAITS:
        assert not step.words
    else:
        assert step.words[-1] == GOODBYE
        assert OUTCOMES[step.end].result is Result.RELEASED
