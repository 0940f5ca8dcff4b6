"""The day of 4 August 2019, drawn from a seed: who calls when, with how much patience.

What the press reported of 123: 80,000 calls in 9 hours, 720 at once, about 105 agents, about three
minutes of talk. The curve over the hours and the callers' patience are assumptions; all stand here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise

HOURS = 9.0
TALK_SECONDS = 180.0
RING_SECONDS = 6.0
"""Until an agent picks up."""
WRAP_UP_SECONDS = 15.0
"""After a conversation, as agents.wrap_up_seconds has it by default."""
UPKEEP_SECONDS, SHORTEST_UPKEEP_SECONDS = 60.0, 2.0
"""How often the program compares itself with Asterisk by default; never more often than it may."""
CURVE = ((0.0, 0.15), (1.0, 1.5), (5.5, 1.35), (9.0, 0.35))
"""Hour and arrivals against the day's mean: a steep rise, a plateau, a decline."""
HASTY_SHARE, HASTY_PATIENCE, PATIENCE = 0.25, 60.0, 600.0
"""So many callers give up after a minute in the mean, the others after ten; exponential."""
REDIAL_SHARE, MOST_REDIALS, REDIAL_PAUSE = 0.4, 3, 60.0
"""So many callers dial again when they hear busy, up to three times, after a minute in the mean."""
TICK_MS = 250


@dataclass(frozen=True, slots=True)
class Day:
    """How much of it, in how little time."""

    calls: int
    minutes: float
    capacity: int
    agents: int
    seed: int

    @property
    def seconds(self) -> float:
        """How long callers arrive."""
        return self.minutes * 60

    @property
    def factor(self) -> float:
        """How much faster than on the real day all goes."""
        return HOURS * 60 / self.minutes

    @property
    def talk(self) -> float:
        """A conversation's seconds: scaled so that agents are as scarce as they were, whatever the
        number of calls; on the whole day's figures it is simply divided by the factor."""
        return TALK_SECONDS / self.factor * self._thinner

    @property
    def ring(self) -> float:
        """Seconds until an agent picks up."""
        return max(0.1, RING_SECONDS / self.factor * self._thinner)

    @property
    def wrap_up(self) -> float:
        """Seconds of an agent's own after a conversation."""
        return WRAP_UP_SECONDS / self.factor * self._thinner

    @property
    def upkeep(self) -> float:
        """Seconds between two looks at Asterisk's lists, which cost the more the fuller it is."""
        return max(SHORTEST_UPKEEP_SECONDS, UPKEEP_SECONDS / self.factor)

    @property
    def _thinner(self) -> float:
        """Against the real day: agents for each call."""
        return (self.agents / 105) * (80_000 / self.calls)

    def rate(self, at: float) -> float:
        """Arrivals a second, so many seconds after the beginning."""
        hour = min(HOURS, at / self.seconds * HOURS)
        return self.calls / self.seconds * _height(hour) / _MEAN_HEIGHT

    def callers(self) -> list[str]:
        """One line of fields for each caller, see scenarios/crowd.xml."""
        dice = random.Random(self.seed)
        return [self._caller(dice, number) for number in range(self.calls)]

    def _caller(self, dice: random.Random, number: int) -> str:
        hasty = dice.random() < HASTY_SHARE
        scale = self.patience_scale
        patience = dice.expovariate(1 / (HASTY_PATIENCE if hasty else PATIENCE)) * scale
        redials = dice.randint(1, MOST_REDIALS) if dice.random() < REDIAL_SHARE else 0
        pause = max(0.2, dice.expovariate(1 / REDIAL_PAUSE) * scale)
        ticks = max(1, round(patience * 1000 / TICK_MS))
        return f"08{number:08d};{ticks};{redials};{pause * 1000:.0f}"

    @property
    def patience_scale(self) -> float:
        """Shortened with the day, and so that a smaller house is as crowded as the real one."""
        return (self.capacity / 720) * (80_000 / self.calls) / self.factor


def _height(hour: float) -> float:
    for (start, low), (end, high) in pairwise(CURVE):
        if hour <= end:
            return low + (high - low) * (hour - start) / (end - start)
    return CURVE[-1][1]


_MEAN_HEIGHT = (
    sum((end - start) * (low + high) / 2 for (start, low), (end, high) in pairwise(CURVE)) / HOURS
)
