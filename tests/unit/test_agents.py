"""Agents' states: never stuck, whatever happens in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pln_ivr.queues.agents import MISSED, Agent, Agents, AgentState, Wish
from pln_ivr.queues.choice import Claim
from pln_ivr.queues.roster import Role, Roster, RosterEntry


def roster(*extensions: str, skill: str = "gangguan", role: Role = Role.AGENT) -> Roster:
    return {
        extension: RosterEntry(extension, f"Agent {extension}", {skill: 1}, role, "s" * 8)
        for extension in extensions
    }


class World:
    """Agents with a clock in the test's hand, and what was reported of them."""

    def __init__(self, *extensions: str) -> None:
        self.now = 100.0
        self.reports: list[tuple[str, str, str]] = []
        self.agents = Agents(lambda: self.now, self._report)
        self.agents.apply(roster(*extensions))

    def _report(self, agent: Agent, reason: str) -> None:
        self.reports.append((agent.extension, agent.state.value, reason))

    def ready(self, *extensions: str) -> None:
        for extension in extensions:
            assert self.agents.wish(extension, Wish.READY, "*11")
            self.agents.set_reachable(extension, True)

    def talk(self, extension: str, offer: str = "offer") -> None:
        """The agent is offered a call and takes it."""
        assert self.agents.reserve(extension, offer)
        self.agents.begin_talking(extension, offer)

    def agent(self, extension: str) -> Agent:
        agent = self.agents.get(extension)
        assert agent is not None
        return agent

    def state(self, extension: str) -> str:
        return self.agent(extension).state.value


@pytest.fixture
def world() -> World:
    return World("101", "102")


def test_one_conversation_from_ready_to_ready(world: World) -> None:
    assert world.state("101") == "logged_out"
    world.ready("101")
    assert world.agents.reserve("101", "offer")
    assert world.state("101") == "offered"
    world.agents.begin_talking("101", "offer")
    assert world.state("101") == "talking"
    world.now = 160.0
    world.agents.release("101", "offer", "answered")
    assert world.state("101") == "ready"
    assert world.agent("101").idle_since == 160.0
    assert world.reports == [
        ("101", "ready", "*11"),
        ("101", "offered", "offer"),
        ("101", "talking", "answered"),
        ("101", "ready", "answered"),
    ]


def test_an_agent_is_in_one_offer_at_a_time(world: World) -> None:
    world.ready("101")
    assert world.agents.reserve("101", "one")
    assert not world.agents.reserve("101", "two")
    world.agents.release("101", "two", "of a stranger")
    assert world.state("101") == "offered"
    world.agents.begin_talking("101", "two")
    assert world.state("101") == "offered"


def test_releasing_twice_does_not_touch_the_next_offer(world: World) -> None:
    world.ready("101")
    world.agents.reserve("101", "one")
    world.agents.release("101", "one", "missed")
    world.agents.reserve("101", "two")
    world.agents.release("101", "one", "missed")
    assert world.state("101") == "offered"


@pytest.mark.parametrize("wrap_up", [0.0, 15.0])
@pytest.mark.parametrize("phase", ["offered", "talking"])
def test_pausing_in_an_offer_or_a_conversation_counts_afterwards(
    world: World, phase: str, wrap_up: float
) -> None:
    world.ready("101")
    world.agents.reserve("101", "offer")
    if phase == "talking":
        world.agents.begin_talking("101", "offer")
    world.agents.wish("101", Wish.PAUSED, "*12")
    assert world.state("101") == phase
    world.agents.release("101", "offer", "answered", wrap_up=wrap_up)
    assert world.state("101") == "paused", "and there is no wrap-up for who does not go on"


def test_who_is_not_free_cannot_be_reserved(world: World) -> None:
    assert not world.agents.reserve("999", "offer")
    assert not world.agents.reserve("101", "offer"), "logged out"
    world.agents.wish("101", Wish.READY, "*11")
    assert not world.agents.reserve("101", "offer"), "the phone cannot be reached"
    world.agents.set_reachable("101", True)
    assert world.agents.reserve("101", "offer")


def test_a_pause_after_an_unreachable_phone_ends_by_time_or_by_dialling_ready(
    world: World,
) -> None:
    world.ready("101", "102")
    for extension in ("101", "102"):
        world.agents.reserve(extension, "offer")
        world.agents.release(extension, "offer", "unreachable", pause=10.0)
    assert not world.agent("101").accepts(Claim.LINE, world.now)
    assert world.agent("101").accepts(Claim.LINE, world.now + 10.0)
    world.agents.wish("102", Wish.PAUSED, "*12")
    world.agents.wish("102", Wish.READY, "*11")
    assert world.agent("102").accepts(Claim.LINE, world.now)


def test_the_same_wish_again_changes_nothing(world: World) -> None:
    world.ready("101")
    world.now = 200.0
    world.reports.clear()
    assert world.agents.wish("101", Wish.READY, "*11")
    assert world.agents.wish("101", Wish.READY, "restart", "salat")
    assert world.reports == []
    assert world.agent("101").idle_since == 100.0, "nor does it cost the place among the idle"


def test_a_wish_of_nobody_known_is_refused(world: World) -> None:
    assert not world.agents.wish("999", Wish.READY, "*11")


def test_off_the_roster_in_mid_conversation_stays_until_its_end(world: World) -> None:
    world.ready("101")
    world.agents.reserve("101", "offer")
    world.agents.begin_talking("101", "offer")
    world.agents.apply(roster("102"))
    assert world.state("101") == "talking"
    assert not world.agents.wish("101", Wish.READY, "*11")
    world.agents.release("101", "offer", "answered")
    assert world.agents.get("101") is None
    assert world.reports[-1] == ("101", "logged_out", "answered")


def test_back_on_the_roster_in_mid_conversation_is_ready_after_it(world: World) -> None:
    world.ready("101")
    world.agents.reserve("101", "offer")
    world.agents.begin_talking("101", "offer")
    world.agents.apply(roster("102"))
    world.agents.apply(roster("101", "102", skill="tagihan", role=Role.SUPERVISOR))
    world.agents.release("101", "offer", "answered")
    assert world.state("101") == "ready"
    assert world.agent("101").skills == {"tagihan": 1}
    assert world.agent("101").role is Role.SUPERVISOR


def test_a_new_roster_touches_nobody_who_is_on_it(world: World) -> None:
    world.ready("101", "102")
    world.agents.reserve("102", "offer")
    world.agents.apply(roster("101", "102", "103"))
    assert (world.state("101"), world.state("102"), world.state("103")) == (
        "ready",
        "offered",
        "logged_out",
    )
    world.agents.apply(roster("101"))
    assert sorted(agent.extension for agent in world.agents) == ["101", "102"]
    world.reports.clear()
    world.agents.apply(roster("102"))
    assert world.reports == [("101", "logged_out", "off_roster")], "nobody is ready for ever"


def test_a_conversation_of_an_earlier_run_goes_on(world: World) -> None:
    """Even if the agent is logged out or cannot be reached by now: they talk."""
    world.agents.adopt("101", "old-offer")
    assert world.state("101") == "talking"
    assert world.reports == [("101", "talking", "adopted")]
    assert not world.agents.reserve("101", "new")
    world.ready("101")
    assert not world.agents.reserve("101", "new")
    world.now = 130.0
    world.agents.release("101", "old-offer", "answered")
    assert world.state("101") == "ready"
    assert world.agent("101").idle_since == 130.0
    assert world.agents.reserve("101", "new")


def test_adopting_takes_nobody_out_of_an_offer_of_this_run(world: World) -> None:
    world.ready("101")
    world.agents.reserve("101", "new")
    world.agents.adopt("101", "old-offer")
    assert world.state("101") == "offered"
    world.agents.release("101", "old-offer", "answered")
    assert world.state("101") == "offered"
    world.agents.adopt("999", "old-offer")
    assert world.agents.get("999") is None


def test_a_phone_that_is_busy_elsewhere_gets_no_offer(world: World) -> None:
    world.ready("101")
    world.agents.occupy("101", "channel")
    assert world.state("101") == "talking"
    assert world.reports[-1] == ("101", "talking", "phone_busy")
    assert not world.agents.reserve("101", "offer")
    world.now = 150.0
    world.agents.vacate("101", "another channel")
    assert world.state("101") == "talking"
    world.agents.vacate("101", "channel")
    assert world.state("101") == "ready"
    assert world.reports[-1] == ("101", "ready", "phone_free")
    assert world.agent("101").idle_since == 150.0, "who has just talked is asked last"
    world.now = 160.0
    world.agents.vacate("101", "channel")
    assert world.agent("101").idle_since == 150.0, "the second end of a channel is none"
    assert world.agents.reserve("101", "offer")


def test_two_channels_of_a_phone_must_both_end(world: World) -> None:
    world.ready("101")
    for channel in ("a", "b", "a"):
        world.agents.occupy("101", channel)
    world.agents.vacate("101", "a")
    assert not world.agents.reserve("101", "offer")
    world.agents.vacate("101", "b")
    assert world.agents.reserve("101", "offer")


def test_what_a_phone_does_elsewhere_changes_neither_the_wish_nor_the_offer(world: World) -> None:
    world.ready("101")
    world.agents.reserve("101", "offer")
    world.agents.occupy("101", "channel")
    world.agents.wish("101", Wish.LOGGED_OUT, "*10")
    world.agents.vacate("101", "channel")
    assert world.state("101") == "offered"
    world.agents.occupy("999", "channel")
    world.agents.vacate("999", "channel")
    world.agents.release("101", "offer", "missed")
    assert world.state("101") == "logged_out"


def test_off_the_roster_and_back_while_the_phone_is_busy_elsewhere(world: World) -> None:
    world.ready("101")
    world.agents.occupy("101", "channel")
    world.agents.apply(roster("102"))
    world.agents.apply(roster("101", "102"))
    world.ready("101")
    assert not world.agents.reserve("101", "offer")
    world.agents.vacate("101", "channel")
    assert world.agents.reserve("101", "offer")


def test_a_pause_has_its_reason_and_another_wish_has_none(world: World) -> None:
    world.ready("101")
    assert world.agents.wish("101", Wish.PAUSED, "*122", "salat")
    assert (world.state("101"), world.agent("101").pause) == ("paused", "salat")
    world.now = 120.0
    assert world.agents.wish("101", Wish.PAUSED, "*123", "rapat")
    assert world.agent("101").pause == "rapat"
    assert world.reports[-1] == ("101", "paused", "*123")
    assert world.agent("101").since == 100.0, "one pause, whatever the reason"
    assert world.agents.wish("101", Wish.READY, "*11")
    assert (world.agent("101").pause, world.agent("101").idle_since) == ("", 120.0)


def test_the_state_began_when_it_began_whatever_happened_since(world: World) -> None:
    world.ready("101")
    world.talk("101")
    world.now = 110.0
    world.agents.wish("101", Wish.PAUSED, "*12")
    assert world.agent("101").since == 100.0, "the conversation"
    world.agents.release("101", "offer", "answered", wrap_up=15.0)
    assert world.agent("101").since == 110.0
    world.now = 130.0
    assert world.agents.expire() == ["101"]
    assert world.agent("101").since == 110.0, "the pause"


def test_the_time_after_a_conversation_is_the_agents_own(world: World) -> None:
    world.ready("101", "102")
    world.talk("101")
    world.agents.release("101", "offer", "answered", wrap_up=15.0)
    assert world.state("101") == "wrap_up"
    assert not world.agents.reserve("101", "next")
    assert world.agents.expire() == []
    world.now = 115.0
    assert world.agents.expire() == ["101"]
    assert world.agents.expire() == []
    assert world.state("101") == "ready"
    assert world.agent("101").idle_since == 115.0, "idle from the end of it"
    assert world.reports[-1] == ("101", "ready", "wrapped_up")
    assert world.agents.reserve("101", "next")


def test_a_wrap_up_is_ended_once(world: World) -> None:
    world.ready("101")
    assert not world.agents.end_wrap_up("101", "*11")
    assert not world.agents.end_wrap_up("999", "*11")
    world.talk("101")
    world.agents.release("101", "offer", "answered", wrap_up=15.0)
    world.now = 105.0
    assert world.agents.end_wrap_up("101", "*11")
    assert not world.agents.end_wrap_up("101", "*11")
    assert world.reports[-1] == ("101", "ready", "*11")
    world.now = 115.0
    assert world.agents.expire() == []
    assert world.agent("101").idle_since == 105.0


def test_who_missed_or_let_ring_has_no_wrap_up_before(world: World) -> None:
    world.ready("101")
    world.talk("101")
    world.agents.release("101", "offer", "answered", wrap_up=15.0)
    world.agents.end_wrap_up("101", "*11")
    world.agents.reserve("101", "next")
    world.agents.release("101", "next", "missed")
    assert world.state("101") == "ready"


def test_going_ready_again_in_a_wrap_up_leaves_what_is_left_of_it(world: World) -> None:
    world.ready("101")
    world.talk("101")
    world.agents.release("101", "offer", "answered", wrap_up=15.0)
    world.agents.wish("101", Wish.PAUSED, "*12")
    assert world.state("101") == "paused"
    world.agents.wish("101", Wish.READY, "console")
    assert world.state("101") == "wrap_up"
    world.now = 115.0
    world.agents.expire()
    assert world.state("101") == "ready"


def test_a_conversation_taken_over_in_a_wrap_up_is_not_wrapped_up_before_its_end(
    world: World,
) -> None:
    world.ready("101")
    world.talk("101")
    world.agents.release("101", "offer", "answered", wrap_up=15.0)
    world.agents.adopt("101", "taken-over")
    world.now = 200.0
    assert world.agents.expire() == []
    assert world.state("101") == "talking"


def test_hold_is_part_of_the_conversation_and_ends_with_it(world: World) -> None:
    world.ready("101")
    world.talk("101")
    world.agents.hold("101", "of a stranger", True)
    world.agents.hold("999", "offer", True)
    assert world.state("101") == "talking"
    world.agents.hold("101", "offer", True)
    world.agents.hold("101", "offer", True)
    assert world.state("101") == "on_hold"
    assert world.reports[-2:] == [("101", "talking", "answered"), ("101", "on_hold", "hold")]
    world.agents.hold("101", "offer", False)
    assert world.reports[-1] == ("101", "talking", "unhold")
    world.agents.hold("101", "offer", True)
    world.agents.release("101", "offer", "answered")
    assert world.state("101") == "ready"
    world.talk("101", "next")
    assert world.state("101") == "talking"


def miss(world: World, *offers: str, most: int = 3) -> list[bool]:
    """The agent at 101 misses these offers; whether each was the one too many."""
    paused = []
    for offer in offers:
        assert world.agents.reserve("101", offer)
        paused.append(world.agents.missed("101", most))
        world.agents.release("101", offer, "missed")
    return paused


def test_who_misses_too_often_is_paused_until_dialling_ready(world: World) -> None:
    world.ready("101")
    assert miss(world, "a", "b", "c") == [False, False, True]
    assert (world.state("101"), world.agent("101").pause) == ("paused", MISSED)
    assert not world.agents.reserve("101", "d")
    world.ready("101")
    assert miss(world, "d", "e") == [False, False], "counted anew"
    assert world.state("101") == "ready"


def test_only_misses_one_after_the_other_count(world: World) -> None:
    world.ready("101")
    assert miss(world, "a", "b") == [False, False]
    world.talk("101", "c")
    world.agents.release("101", "c", "answered")
    assert miss(world, "d", "e", "f") == [False, False, True]


def test_misses_pause_nobody_if_so_set_and_nobody_who_does_not_work(world: World) -> None:
    world.ready("101")
    assert miss(world, *"abcdefgh", most=0) == [False] * 8
    assert not world.agents.missed("999", 1)
    world.agents.wish("101", Wish.LOGGED_OUT, "*10")
    assert not world.agents.missed("101", 1)
    assert world.state("101") == "logged_out", "a pause would be less than what was wished"


def test_who_works_takes_calls_now_or_after_the_present_one(world: World) -> None:
    agent = world.agent("101")
    assert not agent.works
    world.ready("101")
    world.talk("101")
    assert agent.works
    world.agents.wish("101", Wish.PAUSED, "*12")
    assert not agent.works
    world.agents.wish("101", Wish.READY, "*11")
    world.agents.apply(roster("102"))
    assert not agent.works, "not on the roster any more"


EXTENSIONS = st.sampled_from(["101", "102", "103"])
CHANNELS = st.sampled_from(["channel-1", "channel-2"])
TALKS = {AgentState.TALKING, AgentState.ON_HOLD}


class AgentsMachine(RuleBasedStateMachine):
    """Any order of wishes, rosters, offers, conversations, wrap-ups and phones that come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World("101", "102", "103")
        self.roster = {"101", "102", "103"}
        self.offers: dict[str, str] = {}
        self.elsewhere: set[tuple[str, str]] = set()
        self.wishes: dict[str, Wish] = {}
        self.count = 0

    @rule(extension=EXTENSIONS, wish=st.sampled_from(Wish), pause=st.sampled_from(["", "salat"]))
    def wish(self, extension: str, wish: Wish, pause: str) -> None:
        taken = self.world.agents.wish(extension, wish, "code", pause)
        assert taken == (extension in self.roster)
        if taken:
            self.wishes[extension] = wish

    @rule(extension=EXTENSIONS, reachable=st.booleans())
    def phone(self, extension: str, reachable: bool) -> None:
        self.world.agents.set_reachable(extension, reachable)

    @rule(extensions=st.sets(EXTENSIONS))
    def change_roster(self, extensions: set[str]) -> None:
        self.roster = extensions
        self.world.agents.apply(roster(*extensions))

    @rule(extension=EXTENSIONS, channel=CHANNELS)
    def occupy(self, extension: str, channel: str) -> None:
        self.world.agents.occupy(extension, channel)
        if self.world.agents.get(extension):
            self.elsewhere.add((extension, channel))

    @rule(extension=EXTENSIONS, channel=CHANNELS)
    def vacate(self, extension: str, channel: str) -> None:
        self.world.agents.vacate(extension, channel)
        self.elsewhere.discard((extension, channel))

    @rule(extension=EXTENSIONS)
    def adopt(self, extension: str) -> None:
        self.count += 1
        offer = f"old-offer-{self.count}"
        self.world.agents.adopt(extension, offer)
        if self.world.agents.get(extension) and extension not in self.offers:
            self.offers[extension] = offer
            assert self.world.state(extension) == "talking"

    @rule(extension=EXTENSIONS)
    def reserve(self, extension: str) -> None:
        self.count += 1
        offer = f"offer-{self.count}"
        agent = self.world.agents.get(extension)
        expected = agent is not None and agent.accepts(Claim.LINE, self.world.now)
        assert self.world.agents.reserve(extension, offer) == expected
        if expected:
            assert extension not in self.offers, "two offers at once"
            self.offers[extension] = offer

    @precondition(lambda self: self.offers)
    @rule(data=st.data())
    def talk(self, data: st.DataObject) -> None:
        extension = data.draw(st.sampled_from(sorted(self.offers)))
        self.world.agents.begin_talking(extension, self.offers[extension])
        assert self.world.agent(extension).state in TALKS

    @rule(extension=EXTENSIONS, on_hold=st.booleans())
    def hold(self, extension: str, on_hold: bool) -> None:
        agent = self.world.agents.get(extension)
        if agent and agent.talking:
            self.world.agents.hold(extension, self.offers[extension], on_hold)
            assert agent.state is (AgentState.ON_HOLD if on_hold else AgentState.TALKING)

    @precondition(lambda self: self.offers)
    @rule(
        data=st.data(),
        pause=st.sampled_from([0.0, 10.0]),
        wrap_up=st.sampled_from([0.0, 15.0]),
        missed=st.booleans(),
    )
    def release(self, data: st.DataObject, pause: float, wrap_up: float, missed: bool) -> None:
        extension = data.draw(st.sampled_from(sorted(self.offers)))
        if missed and self.world.agents.missed(extension, 2):
            self.wishes[extension] = Wish.PAUSED
        offer = self.offers.pop(extension)
        self.world.agents.release(extension, offer, "over", pause, wrap_up)
        self.world.agents.release(extension, offer, "over", pause, wrap_up)

    @rule(extension=EXTENSIONS)
    def end_wrap_up(self, extension: str) -> None:
        agent = self.world.agents.get(extension)
        there = agent is not None and agent.wrap_up_until is not None
        assert self.world.agents.end_wrap_up(extension, "*11") == there

    @rule(seconds=st.sampled_from([0.5, 20.0]), told=st.booleans())
    def time_passes(self, seconds: float, told: bool) -> None:
        self.world.now += seconds
        if told:
            self.world.agents.expire()

    @invariant()
    def busy_is_who_is_in_an_offer_or_elsewhere(self) -> None:
        for agent in self.world.agents:
            busy = agent.state in {AgentState.OFFERED, *TALKS}
            offered = agent.extension in self.offers
            channels = {channel for who, channel in self.elsewhere if who == agent.extension}
            assert agent.elsewhere == channels
            assert busy == (offered or bool(channels))
            assert not (busy and agent.accepts(Claim.LINE, self.world.now))
            assert agent.on_roster == (agent.extension in self.roster)
            wraps_up = agent.wrap_up_until is not None
            assert agent.on_roster or busy or wraps_up, "off the roster and idle: to be forgotten"
        kept = self.roster | set(self.offers) | {who for who, _ in self.elsewhere}
        kept |= {agent.extension for agent in self.world.agents if agent.wrap_up_until is not None}
        assert {agent.extension for agent in self.world.agents} == kept
        self.wishes = {who: wish for who, wish in self.wishes.items() if who in kept}

    @invariant()
    def what_is_left_when_the_work_is_over_is_the_wish(self) -> None:
        for agent in self.world.agents:
            assert agent.wish is self.wishes.get(agent.extension, Wish.LOGGED_OUT)
            assert bool(agent.pause) <= (agent.wish is Wish.PAUSED)
            if agent.offer_id is not None:
                assert agent.wrap_up_until is None, "a wrap-up in the middle of work"
            elif not agent.elsewhere and agent.wrap_up_until is None:
                assert agent.state.value == agent.wish.value

    @invariant()
    def what_was_told_last_is_what_is(self) -> None:
        told = {extension: state for extension, state, _ in self.world.reports}
        for agent in self.world.agents:
            assert told.get(agent.extension, "logged_out") == agent.state.value
            assert agent.since <= self.world.now
        for extension in told.keys() - {agent.extension for agent in self.world.agents}:
            assert told[extension] == "logged_out"

    def teardown(self) -> None:
        """Nobody is stuck: once all is over, everyone who dials ready can be offered a call."""
        for extension, offer in self.offers.items():
            self.world.agents.release(extension, offer, "over", wrap_up=15.0)
        for extension, channel in self.elsewhere:
            self.world.agents.vacate(extension, channel)
        self.world.now += 100.0
        self.world.agents.expire()
        for extension in self.roster:
            self.world.ready(extension)
            assert self.world.agents.reserve(extension, "last")


AgentsMachine.TestCase.settings = settings(deadline=None, max_examples=60)
TestAgents = AgentsMachine.TestCase
