"""Upkeep: nothing to find in a healthy house; what is wrong is found, and repaired if it stays."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pln_ivr.ari import Client
from pln_ivr.ari.events import ChannelInfo, StasisStart
from pln_ivr.calls import upkeep as module
from pln_ivr.calls.admission import Seats
from pln_ivr.calls.adoption import Adoption
from pln_ivr.calls.completion import Completion
from pln_ivr.calls.reception import Reception
from pln_ivr.calls.sight import Sight
from pln_ivr.calls.upkeep import Repair, Suspicion, Upkeep, suspicions
from pln_ivr.errors import AriError, AriTimeout, AriUnavailable, JournalError
from tests.unit.making import PHONE, bridged, listed

APP = "pln_ivr"
CALLER = listed("caller", "pln_ivr,call,123")
OUTSIDE = listed("outside", "", "fallback")
LEG = listed("agent-o1", "pln_ivr,agent,x", "agent-answered", PHONE)
CODE = listed("code", "pln_ivr,code,*11,ag-101", "from-agents", PHONE)
ELSEWHERE = listed("elsewhere", "", "fallback", PHONE)
TALK = bridged("talk-call-1", "caller", "agent-o1")

HOUSE = Sight.of(APP, [CALLER, OUTSIDE, LEG, CODE, ELSEWHERE], [TALK, bridged("wait-gangguan")])
EVERYBODY = frozenset({"caller", "outside", "agent-o1", "code", "elsewhere"})
EMPTY = Sight.of(APP, [], [])


def found(
    sight: Sight,
    seats: Iterable[str] = (),
    followed: Iterable[str] = (),
    calls: Iterable[str] = (),
    dismissed: Iterable[str] = (),
) -> set[Suspicion]:
    return suspicions(
        sight,
        frozenset(seats),
        frozenset(followed),
        frozenset(calls).__contains__,
        frozenset(dismissed),
    )


def test_nothing_is_found_in_an_empty_house() -> None:
    assert found(EMPTY) == set()


def test_nothing_is_found_of_a_caller_who_was_dismissed_but_is_still_listed() -> None:
    sight = Sight.of(APP, [CALLER], [])
    assert found(sight, dismissed={"caller"}) == set()


WELL: dict[str, Any] = {
    "sight": HOUSE,
    "seats": {"caller", "outside"},
    "followed": EVERYBODY,
    "calls": {"call-1"},
}


def test_nothing_is_found_in_a_healthy_house() -> None:
    assert found(**WELL) == set()


@pytest.mark.parametrize(
    ("repair", "who", "wrong"),
    [
        (Repair.SEAT_WITHOUT_CALLER, "x", {"seats": {"caller", "outside", "x"}}),
        (Repair.SEAT_WITHOUT_CALLER, "agent-o1", {"seats": {"caller", "outside", "agent-o1"}}),
        (Repair.SEAT_WITHOUT_CALLER, "x", {"sight": EMPTY, "seats": {"x"}, "followed": {"x"}}),
        (Repair.CALLER_WITHOUT_SEAT, "caller", {"seats": {"outside"}}),
        (Repair.CALLER_WITHOUT_SEAT, "caller", {"followed": EVERYBODY - {"caller"}}),
        (Repair.OUTSIDE_WITHOUT_SEAT, "outside", {"seats": {"caller"}}),
        (Repair.OUTSIDE_WITHOUT_SEAT, "outside", {"followed": EVERYBODY - {"outside"}}),
        (Repair.LEG_WITHOUT_CALL, "agent-o1", {"followed": EVERYBODY - {"agent-o1"}}),
        (Repair.LEG_WITHOUT_CALL, "code", {"followed": EVERYBODY - {"code"}}),
        (Repair.BRIDGE_WITHOUT_CALL, TALK.id, {"calls": set()}),
        (Repair.PHONE_BUSY, "elsewhere", {"followed": EVERYBODY - {"elsewhere"}}),
    ],
)
def test_each_thing_wrong_is_found_alone(repair: Repair, who: str, wrong: dict[str, Any]) -> None:
    assert found(**(WELL | wrong)) == {Suspicion(repair, who)}


NAMES = sorted(EVERYBODY | {"ghost"})


@given(
    seats=st.sets(st.sampled_from(NAMES)),
    followed=st.sets(st.sampled_from(NAMES)),
    calls=st.sets(st.just("call-1")),
)
def test_what_is_found_is_exactly_what_differs(
    seats: set[str], followed: set[str], calls: set[str]
) -> None:
    """Nothing is found if and only if the seats are the customers and everything is known."""
    well = seats == HOUSE.customers and followed >= EVERYBODY and bool(calls)
    assert (found(HOUSE, seats, followed, calls) == set()) == well


# -- the second look ------------------------------------------------------------------------


class Leg:
    """A followed channel, as far as upkeep touches it."""

    def __init__(self, house: House, channel_id: str) -> None:
        self.house, self.id = house, channel_id

    def lose(self, pbx_restarted: bool) -> None:
        assert not pbx_restarted
        self.house.done.append(f"lose {self.id}")


class House:
    """Everything upkeep looks at and acts on: the client, the reception and the adoption."""

    def __init__(self, *sights: Sight) -> None:
        self.app = APP
        self.ready = True
        self.draining = False
        self.sights = list(sights)
        self.looks = 0
        self.known: set[str] = set()
        self.journal_away = False
        self.globals: dict[str, str] = {}
        self.seats = Seats(10)
        self.following: set[str] = set()
        self.calls: set[str] = set()
        self.done: list[str] = []
        self.dismissed = self
        self.failing: AriError | None = None
        self.upkeep = Upkeep(
            cast(Client, self),
            self.seats,
            cast(Reception, self),
            cast(Adoption, self),
            cast(Completion, self),
            seconds=0.01,
        )

    # the client
    def follows(self, channel_id: str) -> bool:
        return channel_id in self.following

    def followed(self) -> frozenset[str]:
        return frozenset(self.following)

    def channel(self, channel_id: str) -> Leg:
        return Leg(self, channel_id)

    async def destroy_bridge(self, bridge_id: str) -> None:
        self.done.append(f"destroy {bridge_id}")

    async def get_global(self, name: str) -> str:
        return self.globals.get(name, "")

    async def set_global(self, name: str, value: str) -> None:
        self.globals[name] = value

    # the reception
    def has(self, call_id: str) -> bool:
        return call_id in self.calls

    def forget_old(self) -> None:
        self.done.append("forget")

    def __contains__(self, channel_id: object) -> bool:
        return False

    def started(self, event: StasisStart) -> None:
        self.done.append(f"start {event.channel.id} {event.args}")

    # the adoption
    async def look(self) -> Sight:
        if self.failing:
            raise self.failing
        self.looks += 1
        return self.sights[min(self.looks, len(self.sights)) - 1]

    async def adopt(self) -> None:
        self.done.append("adopt")

    async def knows(self, channel_id: str) -> bool:
        if self.journal_away:
            raise JournalError("journal.url: away")
        return channel_id in self.known

    # the completion
    async def run_once(self) -> int:
        self.done.append("complete")
        return 0

    async def close_lost(self, alive: Iterable[str]) -> int:
        self.done.append(f"lost but {sorted(alive)}")
        return 0


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_AGAIN_SECONDS", 0.0)


async def test_a_healthy_house_is_looked_at_once() -> None:
    house = House(EMPTY)
    await house.upkeep.look()
    assert house.looks == 1
    assert house.done == ["forget"]
    assert not house.upkeep.repairs


async def test_what_only_the_first_look_saw_is_not_repaired() -> None:
    """Events and lists cross each other."""
    house = House(EMPTY, Sight.of(APP, [CALLER], []))
    house.seats.hold("caller")
    house.following.add("caller")
    await house.upkeep.look()
    assert house.looks == 2
    assert house.done == ["forget"]
    assert not house.upkeep.repairs


async def test_what_only_the_second_look_saw_waits_for_the_next_time() -> None:
    house = House(Sight.of(APP, [CALLER], []), Sight.of(APP, [], [TALK]))
    await house.upkeep.look()
    assert house.done == ["forget"]
    assert not house.upkeep.repairs


async def test_the_same_thing_of_two_channels_is_two_things() -> None:
    other = listed("other", "pln_ivr,call,123")
    house = House(Sight.of(APP, [CALLER], []), Sight.of(APP, [other], []))
    await house.upkeep.look()
    assert not house.upkeep.repairs


async def test_a_seat_without_a_caller_is_given_back() -> None:
    house = House(EMPTY)
    house.seats.hold("ghost")
    await house.upkeep.look()
    assert house.seats.in_use == 0
    assert house.upkeep.repairs == {Repair.SEAT_WITHOUT_CALLER: 1}


async def test_a_caller_whose_end_was_missed_is_told_so() -> None:
    """The seat is given back by the call's own end, in its one place."""
    house = House(EMPTY)
    house.seats.hold("ghost")
    house.following.add("ghost")
    await house.upkeep.look()
    assert house.done[0] == "lose ghost"
    assert house.seats.in_use == 1


async def test_a_caller_of_whom_nobody_told_is_left_to_adoption() -> None:
    house = House(Sight.of(APP, [CALLER], []))
    await house.upkeep.look()
    assert house.done == ["adopt", "forget"]
    assert house.upkeep.repairs == {Repair.CALLER_WITHOUT_SEAT: 1}


async def test_a_caller_who_lost_the_seat_gets_it_back_in_a_full_house_too() -> None:
    house = House(Sight.of(APP, [CALLER], []))
    house.seats.budget = 0
    house.following.add("caller")
    await house.upkeep.look()
    assert house.seats.held() == {"caller"}


async def test_a_bridge_that_nobody_needs_is_removed() -> None:
    house = House(Sight.of(APP, [], [TALK]))
    await house.upkeep.look()
    assert house.done[0] == f"destroy {TALK.id}"


@pytest.mark.parametrize("one", [OUTSIDE, LEG, CODE, ELSEWHERE])
async def test_the_rest_is_what_adoption_does_anyway(one: ChannelInfo) -> None:
    house = House(Sight.of(APP, [one], []))
    await house.upkeep.look()
    assert house.done == ["adopt", "forget"]
    assert house.upkeep.repairs.total() == 1


@pytest.mark.parametrize(("draining", "closed"), [(False, "0"), (True, "1")])
async def test_the_fallback_is_closed_unless_it_serves_during_a_drain(
    draining: bool, closed: str
) -> None:
    house = House(EMPTY)
    house.globals |= {"FALLBACK_OPEN": "1", "FALLBACK_MEMBERS": "PJSIP/ag-101,PJSIP/ag-102"}
    house.draining = draining
    await house.upkeep.look()
    assert house.globals["FALLBACK_OPEN"] == closed
    paused = [name for name, value in house.globals.items() if "paused" in name and value == "1"]
    assert len(paused) == (0 if draining else 2)


# -- on and on ------------------------------------------------------------------------------


async def _running(house: House, until: str, times: int = 1) -> None:
    task = asyncio.create_task(house.upkeep.run())
    try:
        async with asyncio.timeout(5):
            while house.done.count(until) < times:
                await asyncio.sleep(0.002)
                assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_each_round_looks_completes_and_closes_what_is_lost() -> None:
    house = House(Sight.of(APP, [CALLER, LEG], []))
    house.seats.hold("caller")
    house.following |= {"caller", "agent-o1"}
    await _running(house, "complete", times=2)
    assert house.done[:3] == ["forget", "complete", "lost but ['caller']"]


@pytest.mark.parametrize("error", [AriTimeout("late"), AriUnavailable("away")])
async def test_asterisk_failing_only_postpones(error: AriError) -> None:
    house = House(EMPTY)
    house.failing = error
    task = asyncio.create_task(house.upkeep.run())
    await asyncio.sleep(0.05)
    assert house.done == []
    assert not task.done()
    task.cancel()
    house.failing = None
    await _running(house, "complete")


async def test_nothing_is_looked_at_before_the_connection() -> None:
    house = House(EMPTY)
    house.ready = False
    task = asyncio.create_task(house.upkeep.run())
    house.upkeep.soon()
    await asyncio.sleep(0.05)
    task.cancel()
    assert house.looks == 0


async def test_told_so_it_looks_soon() -> None:
    house = House(EMPTY)
    house.upkeep._seconds = 3600
    house.upkeep.soon()
    await _running(house, "complete")
