"""Agents' states: never stuck, whatever happens in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pln_ivr.queues.agents import Agent, Agents, AgentState
from pln_ivr.queues.roster import Roster, RosterEntry


def roster(*extensions: str, queue: str = "gangguan") -> Roster:
    return {
        extension: RosterEntry(extension, f"Agent {extension}", frozenset({queue}), "s" * 8)
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
            assert self.agents.wish(extension, True, "*11")
            self.agents.set_reachable(extension, True)

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
    assert world.state("101") == "away"
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


@pytest.mark.parametrize("phase", ["offered", "talking"])
def test_going_away_in_an_offer_or_a_conversation_counts_afterwards(
    world: World, phase: str
) -> None:
    world.ready("101")
    world.agents.reserve("101", "offer")
    if phase == "talking":
        world.agents.begin_talking("101", "offer")
    world.agents.wish("101", False, "*12")
    assert world.state("101") == phase
    world.agents.release("101", "offer", "answered")
    assert world.state("101") == "away"


def test_who_is_not_free_cannot_be_reserved(world: World) -> None:
    assert not world.agents.reserve("999", "offer")
    assert not world.agents.reserve("101", "offer"), "away"
    world.agents.wish("101", True, "*11")
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
    assert not world.agent("101").free(world.now)
    assert world.agent("101").free(world.now + 10.0)
    world.agents.wish("102", False, "*12")
    world.agents.wish("102", True, "*11")
    assert world.agent("102").free(world.now)


def test_the_same_wish_again_changes_nothing(world: World) -> None:
    world.ready("101")
    world.now = 200.0
    world.reports.clear()
    assert world.agents.wish("101", True, "*11")
    assert world.reports == []
    assert world.agent("101").idle_since == 100.0, "nor does it cost the place among the idle"


def test_a_wish_of_nobody_known_is_refused(world: World) -> None:
    assert not world.agents.wish("999", True, "*11")


def test_off_the_roster_in_mid_conversation_stays_until_its_end(world: World) -> None:
    world.ready("101")
    world.agents.reserve("101", "offer")
    world.agents.begin_talking("101", "offer")
    world.agents.apply(roster("102"))
    assert world.state("101") == "talking"
    assert not world.agents.wish("101", True, "*11")
    world.agents.release("101", "offer", "answered")
    assert world.agents.get("101") is None
    assert world.reports[-1] == ("101", "away", "answered")


def test_back_on_the_roster_in_mid_conversation_is_ready_after_it(world: World) -> None:
    world.ready("101")
    world.agents.reserve("101", "offer")
    world.agents.begin_talking("101", "offer")
    world.agents.apply(roster("102"))
    world.agents.apply(roster("101", "102", queue="tagihan"))
    world.agents.release("101", "offer", "answered")
    assert world.state("101") == "ready"
    assert world.agent("101").queues == {"tagihan"}


def test_a_new_roster_touches_nobody_who_is_on_it(world: World) -> None:
    world.ready("101", "102")
    world.agents.reserve("102", "offer")
    world.agents.apply(roster("101", "102", "103"))
    assert (world.state("101"), world.state("102"), world.state("103")) == (
        "ready",
        "offered",
        "away",
    )
    world.agents.apply(roster("101"))
    assert sorted(agent.extension for agent in world.agents) == ["101", "102"]


def test_a_conversation_of_an_earlier_run_goes_on(world: World) -> None:
    """Even if the agent is away or cannot be reached by now: they talk."""
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
    assert not world.agents.reserve("101", "offer")
    world.now = 150.0
    world.agents.vacate("101", "another channel")
    assert world.state("101") == "talking"
    world.agents.vacate("101", "channel")
    assert world.state("101") == "ready"
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
    world.agents.wish("101", False, "*12")
    world.agents.vacate("101", "channel")
    assert world.state("101") == "offered"
    world.agents.occupy("999", "channel")
    world.agents.vacate("999", "channel")
    world.agents.release("101", "offer", "missed")
    assert world.state("101") == "away"


def test_off_the_roster_and_back_while_the_phone_is_busy_elsewhere(world: World) -> None:
    world.ready("101")
    world.agents.occupy("101", "channel")
    world.agents.apply(roster("102"))
    world.agents.apply(roster("101", "102"))
    world.ready("101")
    assert not world.agents.reserve("101", "offer")
    world.agents.vacate("101", "channel")
    assert world.agents.reserve("101", "offer")


EXTENSIONS = st.sampled_from(["101", "102", "103"])
CHANNELS = st.sampled_from(["channel-1", "channel-2"])


class AgentsMachine(RuleBasedStateMachine):
    """Any order of wishes, rosters, offers, conversations and phones that come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World("101", "102", "103")
        self.roster = {"101", "102", "103"}
        self.offers: dict[str, str] = {}
        self.elsewhere: set[tuple[str, str]] = set()
        self.count = 0

    @rule(extension=EXTENSIONS, wants=st.booleans())
    def wish(self, extension: str, wants: bool) -> None:
        taken = self.world.agents.wish(extension, wants, "code")
        assert taken == (extension in self.roster)

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
        expected = agent is not None and agent.free(self.world.now)
        assert self.world.agents.reserve(extension, offer) == expected
        if expected:
            assert extension not in self.offers, "two offers at once"
            self.offers[extension] = offer

    @precondition(lambda self: self.offers)
    @rule(data=st.data())
    def talk(self, data: st.DataObject) -> None:
        extension = data.draw(st.sampled_from(sorted(self.offers)))
        self.world.agents.begin_talking(extension, self.offers[extension])
        assert self.world.state(extension) == "talking"

    @precondition(lambda self: self.offers)
    @rule(data=st.data(), pause=st.sampled_from([0.0, 10.0]))
    def release(self, data: st.DataObject, pause: float) -> None:
        extension = data.draw(st.sampled_from(sorted(self.offers)))
        offer = self.offers.pop(extension)
        self.world.agents.release(extension, offer, "over", pause)
        self.world.agents.release(extension, offer, "over", pause)

    @rule(seconds=st.sampled_from([0.5, 20.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.now += seconds

    @invariant()
    def busy_is_who_is_in_an_offer_or_elsewhere(self) -> None:
        for agent in self.world.agents:
            busy = agent.state in (AgentState.OFFERED, AgentState.TALKING)
            offered = agent.extension in self.offers
            channels = {channel for who, channel in self.elsewhere if who == agent.extension}
            assert agent.elsewhere == channels
            assert busy == (offered or bool(channels))
            assert not (busy and agent.free(self.world.now))
            assert agent.on_roster == (agent.extension in self.roster)
            assert agent.on_roster or busy, "off the roster and idle: should be forgotten"
        kept = self.roster | set(self.offers) | {who for who, _ in self.elsewhere}
        assert {agent.extension for agent in self.world.agents} == kept

    def teardown(self) -> None:
        """Nobody is stuck: once all is over, everyone who dials ready can be offered a call."""
        for extension, offer in self.offers.items():
            self.world.agents.release(extension, offer, "over")
        for extension, channel in self.elsewhere:
            self.world.agents.vacate(extension, channel)
        self.world.now += 100.0
        for extension in self.roster:
            self.world.ready(extension)
            assert self.world.agents.reserve(extension, "last")


AgentsMachine.TestCase.settings = settings(deadline=None, max_examples=60)
TestAgents = AgentsMachine.TestCase
