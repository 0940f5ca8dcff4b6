"""Many agents and many calls, made up by dice, for tests and benches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from pln_ivr.queues.choice import FreeAgent, Waiting

NOON = datetime(2026, 8, 4, 12, tzinfo=UTC)
SKILLS = ["gangguan", "tagihan", "pasang-baru", "keluhan"]
PRIORITIES = {"gangguan": 2, "keluhan": 1}


def crowd_of_agents(dice: Random, count: int) -> list[FreeAgent]:
    """Agents of one to three skills at some level, idle for up to ten minutes."""
    return [
        FreeAgent(
            str(1000 + number),
            {skill: dice.randint(1, 9) for skill in dice.sample(SKILLS, dice.randint(1, 3))},
            float(dice.randrange(600)),
        )
        for number in range(count)
    ]


def crowd_of_calls(dice: Random, count: int) -> list[Waiting]:
    """Calls that joined in the ten minutes after noon. One in ten needs two skills, one in
    twenty was missed by somebody, one in fifty is for one agent."""
    return [_call(dice, f"call-{number}") for number in range(count)]


def _call(dice: Random, call_id: str) -> Waiting:
    queue = dice.choice(SKILLS)
    skills = {queue, dice.choice(SKILLS)} if dice.random() < 0.1 else {queue}
    avoid = {str(1000 + dice.randrange(100))} if dice.random() < 0.05 else set()
    return Waiting(
        call_id,
        queue,
        NOON + timedelta(seconds=dice.randrange(600)),
        "pln-1",
        frozenset(skills),
        PRIORITIES.get(queue, 0),
        frozenset(avoid),
        str(1000 + dice.randrange(100)) if dice.random() < 0.02 else None,
    )
