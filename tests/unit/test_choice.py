"""The choice of agents: properties that hold for every line and every set of agents."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pln_ivr.queues.choice import FreeAgent, Match, Waiting, choose, level
from tests.unit.crowds import NOON, SKILLS, crowd_of_agents, crowd_of_calls

NOW = NOON + timedelta(seconds=600)
EXTENSIONS = [str(n) for n in range(101, 107)]


def waiting(
    call_id: str,
    *skills: str,
    since: float = 0,
    priority: int = 0,
    avoid: frozenset[str] = frozenset(),
    only: str | None = None,
) -> Waiting:
    """A call that joined `since` seconds after noon."""
    needs = frozenset(skills or ["gangguan"])
    joined = NOON + timedelta(seconds=since)
    return Waiting(call_id, min(needs), joined, "pln-1", needs, priority, avoid, only)


def free(extension: str, idle_since: float = 0.0, **levels: int) -> FreeAgent:
    return FreeAgent(extension, levels or {"gangguan": 1}, idle_since)


CALLS = st.builds(
    Waiting,
    st.integers(0, 1000).map(lambda n: f"call-{n}"),
    st.just("gangguan"),
    st.integers(0, 600).map(lambda seconds: NOON + timedelta(seconds=seconds)),
    st.just("pln-1"),
    st.frozensets(st.sampled_from(SKILLS), min_size=1, max_size=2),
    st.integers(0, 2),
    st.frozensets(st.sampled_from(EXTENSIONS), max_size=3),
    st.sampled_from([None, None, None, *EXTENSIONS]),
)
LINES = st.lists(CALLS, unique_by=lambda call: call.call_id, max_size=8)
AGENTS = st.lists(
    st.builds(
        FreeAgent,
        st.sampled_from(EXTENSIONS),
        st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 3)),
        st.integers(0, 4).map(float),
    ),
    unique_by=lambda agent: agent.extension,
    max_size=6,
)
AGEING = st.sampled_from([0.0, 1.0, 120.0])
everything = settings(deadline=None, max_examples=150)


def fits(call: Waiting, agent: FreeAgent) -> bool:
    if agent.extension in call.avoid:
        return False
    if call.only is not None:
        return agent.extension == call.only
    return all(skill in agent.skills for skill in call.skills)


def order(call: Waiting, ageing: float) -> tuple[float, datetime, str]:
    waited = (NOW - call.joined).total_seconds()
    grown = math.floor(waited / ageing) if ageing else 0
    return -call.priority - grown, call.joined, call.call_id


def worth(call: Waiting, agent: FreeAgent) -> tuple[int, float, str]:
    """The lowest is chosen: the best at the weakest skill, the longest idle, any."""
    weakest = min(agent.skills.get(skill, 0) for skill in call.skills)
    return -weakest, agent.idle_since, agent.extension


def plainly(line: list[Waiting], agents: list[FreeAgent], ageing: float) -> dict[str, str]:
    """The same choice, call by call and agent by agent."""
    left, found = list(agents), {}
    for call in sorted(line, key=lambda call: order(call, ageing)):
        fitting = [agent for agent in left if fits(call, agent)]
        if fitting:
            best = min(fitting, key=lambda agent: worth(call, agent))
            left.remove(best)
            found[call.call_id] = best.extension
    return found


def pairs(matches: list[Match]) -> dict[str, str]:
    return {match.call.call_id: match.agent.extension for match in matches}


@everything
@given(LINES, AGENTS, AGEING)
def test_every_match_fits_and_nobody_is_matched_twice(
    line: list[Waiting], agents: list[FreeAgent], ageing: float
) -> None:
    matches = choose(line, agents, NOW, ageing)
    assert all(fits(match.call, match.agent) for match in matches)
    assert all(match.call in line and match.agent in agents for match in matches)
    assert len({match.call.call_id for match in matches}) == len(matches)
    assert len({match.agent.extension for match in matches}) == len(matches)


@everything
@given(LINES, AGENTS, AGEING)
def test_no_pair_that_fits_is_left_over(
    line: list[Waiting], agents: list[FreeAgent], ageing: float
) -> None:
    matches = choose(line, agents, NOW, ageing)
    calls = {match.call.call_id for match in matches}
    taken = {match.agent.extension for match in matches}
    for call in line:
        for agent in agents:
            if call.call_id not in calls and agent.extension not in taken:
                assert not fits(call, agent)


@everything
@given(LINES, AGENTS, AGEING)
def test_nobody_overtakes_and_the_best_who_is_longest_idle_is_taken(
    line: list[Waiting], agents: list[FreeAgent], ageing: float
) -> None:
    assert pairs(choose(line, agents, NOW, ageing)) == plainly(line, agents, ageing)


@everything
@given(LINES, AGENTS, AGEING, st.randoms(use_true_random=False))
def test_the_order_in_which_things_are_listed_does_not_matter(
    line: list[Waiting], agents: list[FreeAgent], ageing: float, random: Random
) -> None:
    shuffled, mixed = list(line), list(agents)
    random.shuffle(shuffled)
    random.shuffle(mixed)
    chosen = choose(line, agents, NOW, ageing)
    assert pairs(chosen) == pairs(choose(shuffled, mixed, NOW, ageing))


@pytest.mark.parametrize("seed", range(3))
def test_a_full_house_is_matched_as_one_call_after_the_other_would_be(seed: int) -> None:
    dice = Random(seed)
    line, agents = crowd_of_calls(dice, 720), crowd_of_agents(dice, 1000)
    chosen = pairs(choose(line, agents, NOW, 120.0))
    assert chosen == plainly(line, agents, 120.0)
    assert len(chosen) > 500, "this seed proves little"


def test_higher_priority_goes_before_longer_waiting() -> None:
    line = [waiting("old", since=0), waiting("urgent", since=60, priority=1)]
    assert pairs(choose(line, [free("101")], NOW)) == {"urgent": "101"}


def test_among_equals_who_waits_longest_is_first() -> None:
    line = [waiting("b", since=2), waiting("a", since=3), waiting("c", since=1)]
    assert pairs(choose(line, [free("101")], NOW)) == {"c": "101"}


def test_the_longest_idle_agent_is_first() -> None:
    agents = [free("101", idle_since=20), free("102", idle_since=10), free("103", idle_since=30)]
    assert pairs(choose([waiting("a")], agents, NOW)) == {"a": "102"}


def test_who_can_do_it_better_goes_before_who_has_been_idle_longer() -> None:
    agents = [free("101", 10, gangguan=1), free("102", 30, gangguan=3), free("103", 20, gangguan=3)]
    line = [waiting("a"), waiting("b", since=1), waiting("c", since=2)]
    assert pairs(choose(line, agents, NOW)) == {"a": "103", "b": "102", "c": "101"}


def test_the_weakest_skill_of_those_needed_is_what_counts() -> None:
    agents = [free("101", gangguan=9, tagihan=1), free("102", gangguan=2, tagihan=2)]
    line = [waiting("a", "gangguan", "tagihan")]
    assert pairs(choose(line, agents, NOW)) == {"a": "102"}
    assert level(agents[0], frozenset({"gangguan", "tagihan"})) == 1
    assert level(agents[0], frozenset({"gangguan", "keluhan"})) == 0, "one skill is lacking"
    assert choose([waiting("a", "gangguan", "keluhan")], agents, NOW) == []


def test_a_call_is_not_offered_to_who_just_missed_it_but_another_is() -> None:
    line = [waiting("first", avoid=frozenset({"101"})), waiting("second", since=1)]
    assert pairs(choose(line, [free("101")], NOW)) == {"second": "101"}


def test_a_call_for_one_agent_waits_for_that_one_whatever_the_others_can() -> None:
    line = [waiting("sent", only="102"), waiting("other", since=1)]
    assert pairs(choose(line, [free("101")], NOW)) == {"other": "101"}
    both = [free("101"), free("102", pasang=1)]
    assert pairs(choose(line, both, NOW)) == {"sent": "102", "other": "101"}


def test_a_call_for_one_agent_who_just_missed_it_waits_too() -> None:
    sent = waiting("sent", only="101", avoid=frozenset({"101"}))
    assert choose([sent], [free("101"), free("102")], NOW) == []


def test_only_agents_with_the_skill_are_chosen() -> None:
    line = [waiting("a", "tagihan")]
    assert choose(line, [free("101", gangguan=9)], NOW) == []
    assert pairs(choose(line, [free("101"), free("102", tagihan=1)], NOW)) == {"a": "102"}


def test_nobody_waiting_or_nobody_free_gives_nothing() -> None:
    assert choose([], [free("101")], NOW) == []
    assert choose([waiting("a")], [], NOW) == []


def test_every_so_many_seconds_of_waiting_count_as_one_priority_more() -> None:
    line = [waiting("old", since=0), waiting("urgent", since=60, priority=1)]
    before, after = NOON + timedelta(seconds=119), NOON + timedelta(seconds=120)
    assert pairs(choose(line, [free("101")], before, 120.0)) == {"urgent": "101"}
    assert pairs(choose(line, [free("101")], after, 120.0)) == {"old": "101"}


def test_a_call_that_joined_in_the_future_by_another_nodes_clock_does_not_age() -> None:
    line = [waiting("ahead", since=60), waiting("here", since=0)]
    assert pairs(choose(line, [free("101")], NOON, 1.0)) == {"here": "101"}
    line = [waiting("ahead", since=60, priority=1), waiting("here", since=0)]
    assert pairs(choose(line, [free("101")], NOON, 1.0)) == {"ahead": "101"}, "nor does it shrink"


def rounds_until_served(
    priority: int, arrivals: int, gap: float, ageing: float, most: int
) -> int | None:
    """One agent takes one call every `gap` seconds; as often, `arrivals` calls of higher
    priority come. After how many rounds the one call without priority is served."""
    line = [waiting("low")]
    for number in range(most):
        now = NOON + timedelta(seconds=number * gap)
        line += [
            waiting(f"high-{number}-{n}", since=number * gap, priority=priority)
            for n in range(arrivals)
        ]
        (match,) = choose(line, [free("101")], now, ageing)
        if match.call.call_id == "low":
            return number
        line.remove(match.call)
    return None


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 4), st.integers(1, 2), st.integers(1, 5), st.integers(1, 20))
def test_with_ageing_nobody_starves_behind_endless_calls_of_higher_priority(
    priority: int, arrivals: int, gap: int, ageing: int
) -> None:
    """Only those who came within priority times ageing seconds of it can be in front."""
    in_front = arrivals * math.ceil(priority * ageing / gap)
    served = rounds_until_served(priority, arrivals, float(gap), float(ageing), in_front + 1)
    assert served is not None
    assert served >= 1, "at first the higher priority does go before"
    assert rounds_until_served(priority, arrivals, float(gap), 0.0, in_front + 100) is None
