"""Random histories of a desk: whatever happens in whatever order, nobody waits for nothing.

Calls arrive and hang up; agents answer, miss, hold, wrap up, pause, log out, lose
their phones and their places on the roster. In every second history the desk is deaf: no
change is ever told to it, and only its own looking again can find what is to be done.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pln_ivr.journal import OfferRow
from pln_ivr.outcomes import OfferResult, TalkEnd
from pln_ivr.queues import desk as desk_module
from pln_ivr.queues.agents import Agent, Agents, AgentState, Wish
from pln_ivr.queues.choice import Claim
from pln_ivr.queues.desk import Desk, Habits, Place
from pln_ivr.queues.lines import Line
from pln_ivr.queues.offer import LocalReservations, Offer
from pln_ivr.queues.roster import Roster, RosterEntry

HABITS = Habits(unreachable=10.0, same_call=30.0, wrap_up=15.0, pause_after_misses=2, ageing=120.0)
LINES = {
    "gangguan": Line("gangguan", frozenset({"gangguan"}), priority=2),
    "tagihan": Line("tagihan", frozenset({"tagihan"})),
    "both": Line("both", frozenset({"gangguan", "tagihan"}), priority=1),
}
SKILLS = {
    "101": {"gangguan": 1},
    "102": {"gangguan": 3, "tagihan": 1},
    "103": {"tagihan": 2},
    "104": {"gangguan": 2, "tagihan": 2},
}
EXTENSIONS = st.sampled_from(sorted(SKILLS))
NAMES = st.sampled_from(sorted(LINES))
PICKS = st.integers(0, 7)
"""Which of the calls that are at this stage."""
VAIN = [
    result
    for result in OfferResult
    if result not in (OfferResult.ANSWERED, OfferResult.CALLER_GONE)
]

STEPS = 40
"""Turns of the event loop within which the desk has done what there is to do."""

TALKS = {AgentState.TALKING, AgentState.ON_HOLD}


def roster(extensions: set[str]) -> Roster:
    return {e: RosterEntry(e, "Agent", SKILLS[e], secret="secret") for e in sorted(extensions)}


@dataclass
class Caller:
    """One call, as its journey sees it: waiting while `offer` is None."""

    place: Place
    stack: AsyncExitStack
    waiting: asyncio.Task[Offer] | None = None
    offer: Offer | None = None
    talks: bool = False


class Histories(RuleBasedStateMachine):
    """The desk's own task runs in an event loop that goes on for some turns after each rule."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.loop = asyncio.new_event_loop()
        self.look_again = desk_module.LOOK_AGAIN_SECONDS
        self.roster = set(SKILLS)
        self.calls: dict[str, Caller] = {}
        self.count = 0
        self.told: dict[str, OfferRow] = {}
        self.ends: list[str] = []
        self.agents = Agents(lambda: self.now, lambda *_: self.desk.change())
        self.desk = Desk(
            self.agents,
            LocalReservations(self.agents),
            LINES,
            "pln-1",
            self.write,
            lambda offer: self.ends.append(offer.id),
            HABITS,
            lambda: self.now,
        )
        self.running = self.loop.create_task(self.desk.run())

    def write(self, row: OfferRow) -> None:
        before = self.told.get(row.offer_id)
        assert row.sequence == (before.sequence + 1 if before else 1)
        if before and before.result:
            assert (row.result, row.ended_at) == (before.result, before.ended_at)
        self.told[row.offer_id] = row

    @initialize(deaf=st.booleans(), calls=st.lists(NAMES, max_size=6))
    def begin(self, deaf: bool, calls: list[str]) -> None:
        """All agents are ready, and some calls are there. Who hears every change does not look
        by the clock, and the other way round."""
        desk_module.LOOK_AGAIN_SECONDS = 0.0 if deaf else 3600.0
        if deaf:
            self.desk.change = lambda: None  # type: ignore[method-assign]
        self.agents.apply(roster(self.roster))
        for extension in self.roster:
            self.agents.set_reachable(extension, True)
            self.agents.wish(extension, Wish.READY, "*11")
        for line in calls:
            self.join(line)
        self.go_on()

    def go_on(self, turns: int = STEPS) -> None:
        """The desk's turn; then each journey takes the offer that it got."""
        self.loop.run_until_complete(self._go_on(turns))
        assert not self.running.done()
        for caller in self.calls.values():
            if caller.waiting and caller.waiting.done():
                caller.offer, caller.waiting = caller.waiting.result(), None

    async def _go_on(self, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    # -- calls -----------------------------------------------------------------------------

    def at_stage(self, pick: int, talks: bool) -> tuple[str, Offer] | None:
        """One of the calls whose agent is rung, or talks."""
        there = [(name, c.offer) for name, c in self.calls.items() if c.offer and c.talks == talks]
        return there[pick % len(there)] if there else None

    @rule(line=NAMES, only=st.sampled_from([None, None, None, *SKILLS]))
    def arrive(self, line: str, only: str | None) -> None:
        self.join(line, only)
        self.go_on()

    def join(self, line: str, only: str | None = None) -> str:
        """A caller who waits, though nobody has looked yet."""
        self.count += 1
        name = f"call-{self.count}"
        stack = AsyncExitStack()
        joining = stack.enter_async_context(
            self.desk.join(name, LINES[line], datetime.now(UTC), only)
        )
        self.calls[name] = Caller(self.loop.run_until_complete(joining), stack)
        self.wait(self.calls[name])
        return name

    def wait(self, caller: Caller) -> None:
        caller.offer = None
        caller.waiting = self.loop.create_task(self.desk.next_offer(caller.place))

    @rule(pick=PICKS)
    def hang_up(self, pick: int) -> None:
        if self.calls:
            self.leave(sorted(self.calls)[pick % len(self.calls)])

    @rule(line=NAMES, turns=st.integers(0, 4))
    def hang_up_as_the_offer_comes(self, line: str, turns: int) -> None:
        name = self.join(line)
        self.go_on(turns)
        self.leave(name)

    def leave(self, name: str) -> None:
        caller = self.calls.pop(name)
        if caller.offer:
            result = OfferResult.ANSWERED if caller.talks else OfferResult.CALLER_GONE
            self.desk.settle(caller.offer, result, TalkEnd.CALLER_HUNG_UP)
        self.loop.run_until_complete(self._leave(caller))
        self.go_on()

    async def _leave(self, caller: Caller) -> None:
        if caller.waiting:
            caller.waiting.cancel()
            (got,) = await asyncio.gather(caller.waiting, return_exceptions=True)
            if isinstance(got, Offer):
                self.desk.settle(got, OfferResult.CALLER_GONE)
        await caller.stack.aclose()

    @rule(pick=PICKS, result=st.sampled_from([OfferResult.MISSED, *VAIN]))
    def rung_in_vain(self, pick: int, result: OfferResult) -> None:
        if at := self.at_stage(pick, talks=False):
            name, offer = at
            self.desk.settle(offer, result)
            self.desk.settle(offer, OfferResult.CALLER_GONE)
            self.wait(self.calls[name])
            self.go_on()

    @rule(pick=PICKS)
    def answer(self, pick: int) -> None:
        if at := self.at_stage(pick, talks=False):
            name, offer = at
            self.desk.begin_talking(offer)
            self.calls[name].talks = True
            self.go_on()

    @rule(pick=PICKS, on_hold=st.booleans())
    def hold(self, pick: int, on_hold: bool) -> None:
        if at := self.at_stage(pick, talks=True):
            _, offer = at
            self.desk.hold(offer, on_hold)
            agent = self.agents.get(offer.agent)
            assert agent
            assert agent.on_hold == on_hold

    @rule(pick=PICKS)
    def agent_hangs_up(self, pick: int) -> None:
        if at := self.at_stage(pick, talks=True):
            name, offer = at
            self.desk.settle(offer, OfferResult.ANSWERED, TalkEnd.AGENT_HUNG_UP)
            self.leave(name)

    @rule(pick=PICKS, extension=EXTENSIONS)
    def take_over(self, pick: int, extension: str) -> None:
        """Another agent, in whatever state but at work, goes on with the caller."""
        at, agent = self.at_stage(pick, talks=True), self.agents.get(extension)
        if at and agent and not agent.offer_id:
            name, offer = at
            self.desk.settle(offer, OfferResult.ANSWERED, TalkEnd.TAKEN_OVER)
            heir = Offer.new(name, offer.queue, extension)
            self.desk.adopt(heir)
            self.desk.begin_talking(heir)
            self.calls[name].offer = heir
            self.go_on()

    # -- agents ----------------------------------------------------------------------------

    @rule(extension=EXTENSIONS, wish=st.sampled_from(Wish))
    def wish(self, extension: str, wish: Wish) -> None:
        self.agents.wish(extension, wish, "code", "salat")
        self.go_on()

    @rule(extension=EXTENSIONS, disposition=st.sampled_from([None, "selesai"]))
    def end_wrap_up(self, extension: str, disposition: str | None) -> None:
        self.desk.end_wrap_up(extension, disposition, "*13")
        self.go_on()

    @rule(extension=EXTENSIONS, reachable=st.booleans())
    def phone(self, extension: str, reachable: bool) -> None:
        self.agents.set_reachable(extension, reachable)
        self.desk.change()
        self.go_on()

    @rule(extension=EXTENSIONS, busy=st.booleans())
    def another_channel(self, extension: str, busy: bool) -> None:
        """The phone is busy with Asterisk's fallback queue, or supervises."""
        (self.agents.occupy if busy else self.agents.vacate)(extension, "other-channel")
        self.go_on()

    @rule(extensions=st.sets(EXTENSIONS, min_size=2))
    def change_roster(self, extensions: set[str]) -> None:
        self.roster = extensions
        self.agents.apply(roster(extensions))
        self.desk.change()
        self.go_on()

    @rule(seconds=st.sampled_from([1.0, 11.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.desk.change()  # in real life the desk looks by the clock as well
        self.go_on()

    # -- what holds after each of them -----------------------------------------------------

    def fits(self, agent: Agent, place: Place) -> bool:
        if place.avoid.get(agent.extension, 0.0) > self.now:
            return False
        if place.only:
            return place.only == agent.extension
        return place.line.skills <= agent.skills.keys()

    @invariant()
    def no_call_waits_while_an_agent_who_could_take_it_idles(self) -> None:
        for agent in self.agents:
            for caller in self.calls.values():
                idles = agent.accepts(Claim.LINE, self.now) and caller.waiting is not None
                assert not (idles and self.fits(agent, caller.place))

    @invariant()
    def each_agent_at_work_is_in_one_call_and_each_call_has_one_agent(self) -> None:
        offers = {c.offer.agent: c.offer.id for c in self.calls.values() if c.offer}
        assert len(offers) == sum(caller.offer is not None for caller in self.calls.values())
        at_work = {agent.extension: agent.offer_id for agent in self.agents if agent.offer_id}
        assert at_work == offers
        talking = {c.offer.agent for c in self.calls.values() if c.offer and c.talks}
        assert {agent.extension for agent in self.agents if agent.talking} == talking

    @invariant()
    def nobody_stays_in_any_state_without_a_reason(self) -> None:
        for agent in self.agents:
            if agent.state is AgentState.OFFERED:
                assert agent.offer_id
            elif agent.state in TALKS:
                assert agent.talking or agent.elsewhere
            elif agent.on_roster:
                assert agent.state.value in (agent.wish.value, "wrap_up")
            if agent.wrap_up_until is not None:
                assert self.now < agent.wrap_up_until <= self.now + HABITS.wrap_up
                assert not agent.offer_id

    @invariant()
    def the_lines_are_as_long_as_there_are_callers_in_them(self) -> None:
        waiting = [c.place.line.name for c in self.calls.values() if not c.talks]
        assert self.desk.waiting() == {name: waiting.count(name) for name in set(waiting)}
        for name, caller in self.calls.items():
            standing = self.desk.standing(name)
            assert (standing is None) == (caller.talks or caller.place.only is not None)
            if standing:
                assert 1 <= standing.position <= waiting.count(caller.place.line.name)

    @invariant()
    def every_offer_ends_once_and_those_that_go_on_are_known(self) -> None:
        assert len(self.ends) == len(set(self.ends))
        going_on = {c.offer.id for c in self.calls.values() if c.offer}
        over = {offer_id for offer_id, row in self.told.items() if row.result}
        assert over == set(self.ends)
        assert going_on == self.told.keys() - over

    def teardown(self) -> None:
        """All hang up, and then everyone who dials ready is offered a call at once."""
        try:
            for name in sorted(self.calls):
                self.leave(name)
            self.now += 1000.0
            self.agents.apply(roster(set(SKILLS)))
            for extension in SKILLS:
                self.agents.vacate(extension, "other-channel")
                self.agents.set_reachable(extension, True)
                self.agents.wish(extension, Wish.READY, "*11")
            self.desk.change()
            self.go_on()
            assert {agent.state for agent in self.agents} == {AgentState.READY}
            for extension in SKILLS:
                self.arrive("both", extension)
            assert {agent.state for agent in self.agents} == {AgentState.OFFERED}
            for name in sorted(self.calls):
                self.leave(name)
        finally:
            desk_module.LOOK_AGAIN_SECONDS = self.look_again
            self.running.cancel()
            waits = [caller.waiting for caller in self.calls.values() if caller.waiting]
            for wait in waits:
                wait.cancel()
            ending = asyncio.gather(self.running, *waits, return_exceptions=True)
            self.loop.run_until_complete(ending)
            self.loop.close()


Histories.TestCase.settings = settings(deadline=None, max_examples=100, stateful_step_count=40)
TestHistories = Histories.TestCase
