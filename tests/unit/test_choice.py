"""The choice of agents: properties that hold for every line and every set of agents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from pln_ivr.queues.choice import FreeAgent, Match, Waiting, choose

NOON = datetime(2026, 8, 4, 12, tzinfo=UTC)
QUEUES = ["gangguan", "gangguan", "tagihan"]
EXTENSIONS = [str(n) for n in range(101, 107)]


def waiting(
    call_id: str,
    queue: str = "gangguan",
    since: int = 0,
    priority: int = 0,
    avoid: frozenset[str] = frozenset(),
) -> Waiting:
    """A call that joined `since` seconds after noon."""
    return Waiting(call_id, queue, NOON + timedelta(seconds=since), "pln-1", priority, avoid)


def free(extension: str, *queues: str, idle_since: float = 0.0) -> FreeAgent:
    return FreeAgent(extension, frozenset(queues or ["gangguan"]), idle_since)


LINES = st.lists(
    st.builds(
        waiting,
        st.integers(0, 1000).map(lambda n: f"call-{n}"),
        st.sampled_from(QUEUES),
        st.integers(0, 5),
        st.integers(0, 2),
        st.frozensets(st.sampled_from(EXTENSIONS), max_size=3),
    ),
    unique_by=lambda call: call.call_id,
    max_size=8,
)
AGENTS = st.lists(
    st.builds(
        FreeAgent,
        st.sampled_from(EXTENSIONS),
        st.frozensets(st.sampled_from(QUEUES), min_size=1),
        st.integers(0, 4).map(float),
    ),
    unique_by=lambda agent: agent.extension,
    max_size=6,
)
everything = settings(deadline=None, max_examples=150)


def fits(call: Waiting, agent: FreeAgent) -> bool:
    return call.queue in agent.queues and agent.extension not in call.avoid


def rank(call: Waiting) -> tuple[int, datetime, str]:
    return (-call.priority, call.joined, call.call_id)


def pairs(matches: list[Match]) -> dict[str, str]:
    return {match.call.call_id: match.agent.extension for match in matches}


@everything
@given(LINES, AGENTS)
def test_every_match_fits_and_nobody_is_matched_twice(
    line: list[Waiting], agents: list[FreeAgent]
) -> None:
    matches = choose(line, agents)
    assert all(fits(match.call, match.agent) for match in matches)
    assert all(match.call in line and match.agent in agents for match in matches)
    assert len({match.call.call_id for match in matches}) == len(matches)
    assert len({match.agent.extension for match in matches}) == len(matches)


@everything
@given(LINES, AGENTS)
def test_no_pair_that_fits_is_left_over(line: list[Waiting], agents: list[FreeAgent]) -> None:
    matches = choose(line, agents)
    calls = {match.call.call_id for match in matches}
    taken = {match.agent.extension for match in matches}
    for call in line:
        for agent in agents:
            if call.call_id not in calls and agent.extension not in taken:
                assert not fits(call, agent)


@everything
@given(LINES, AGENTS)
def test_nobody_overtakes_and_the_longest_idle_is_taken(
    line: list[Waiting], agents: list[FreeAgent]
) -> None:
    matches = choose(line, agents)
    by_call = {match.call.call_id: match.agent for match in matches}
    left = {agent.extension: agent for agent in agents}
    for call in sorted(line, key=rank):
        fitting = [agent for agent in left.values() if fits(call, agent)]
        got = by_call.get(call.call_id)
        if not fitting:
            assert got is None
            continue
        assert got is not None, "a call behind in the line got the agent"
        assert got.idle_since == min(agent.idle_since for agent in fitting)
        del left[got.extension]


@everything
@given(LINES, AGENTS, st.randoms(use_true_random=False))
def test_the_order_in_which_things_are_listed_does_not_matter(
    line: list[Waiting], agents: list[FreeAgent], random: object
) -> None:
    shuffled, mixed = list(line), list(agents)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert pairs(choose(line, agents)) == pairs(choose(shuffled, mixed))


def test_higher_priority_goes_before_longer_waiting() -> None:
    line = [waiting("old", since=0), waiting("urgent", since=60, priority=1)]
    assert pairs(choose(line, [free("101")])) == {"urgent": "101"}


def test_among_equals_who_waits_longest_is_first() -> None:
    line = [waiting("b", since=2), waiting("a", since=3), waiting("c", since=1)]
    assert pairs(choose(line, [free("101")])) == {"c": "101"}


def test_the_longest_idle_agent_is_first() -> None:
    agents = [free("101", idle_since=20), free("102", idle_since=10), free("103", idle_since=30)]
    assert pairs(choose([waiting("a")], agents)) == {"a": "102"}


def test_a_call_is_not_offered_to_who_just_missed_it_but_another_is() -> None:
    line = [waiting("first", avoid=frozenset({"101"})), waiting("second", since=1)]
    assert pairs(choose(line, [free("101")])) == {"second": "101"}


def test_only_agents_of_the_queue_are_chosen() -> None:
    line = [waiting("a", queue="tagihan")]
    assert choose(line, [free("101", "gangguan", "gangguan")]) == []
    assert pairs(choose(line, [free("101"), free("102", "tagihan")])) == {"a": "102"}


def test_nobody_waiting_or_nobody_free_gives_nothing() -> None:
    assert choose([], [free("101")]) == []
    assert choose([waiting("a")], []) == []
