"""How long one choice of agents takes: for 105 agents, the most that PLN had on a shift, and for
1,000, with 1, 100 and 720 calls waiting.

A choice is one call of `choose`: it sorts the line and gives each call its agent. Two cases of
each: every agent is free, as at the start of a shift, and one is, as in a full house. Medians of
as many rounds as fit into --seconds, each with one of ten crowds. Processor time of this thread,
so that other work on the machine counts for little.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from rich.console import Console
from rich.table import Table

from pln_ivr.queues.choice import FreeAgent, Waiting, choose
from tests.unit.crowds import NOON, crowd_of_agents, crowd_of_calls

AGENTS, CALLS = (105, 1000), (1, 100, 720)
CROWDS = 10
AGEING_SECONDS = 120.0
NOW = NOON + timedelta(minutes=10)

console = Console()


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians of one case: what one choice took, and how many matches it made."""

    matches: float
    microseconds: float
    rounds: int


def measure(line: list[list[Waiting]], free: list[list[FreeAgent]], seconds: float) -> Cost:
    """Choose again and again for so long; each crowd has its turn."""
    taken: list[float] = []
    matches: list[int] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until or len(taken) < CROWDS:
        crowd = len(taken) % CROWDS
        began = time.thread_time_ns()
        made = choose(line[crowd], free[crowd], NOW, AGEING_SECONDS)
        taken.append((time.thread_time_ns() - began) / 1000)
        matches.append(len(made))
    return Cost(statistics.median(matches), statistics.median(taken), len(taken))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="tests/bench/choice", description=__doc__)
    parser.add_argument("--seconds", type=float, default=12.0, help="for all of it (12)")
    seconds = parser.parse_args().seconds / (2 * len(AGENTS) * len(CALLS))
    table = Table(
        "agents", "waiting", "free", "matches", "µs a choice", "rounds", title="The choice"
    )
    for column in table.columns:
        column.justify = "right"
    dice = Random(123)
    for agents in AGENTS:
        for calls in CALLS:
            lines = [crowd_of_calls(dice, calls) for _ in range(CROWDS)]
            crowds = [crowd_of_agents(dice, agents) for _ in range(CROWDS)]
            for free in (agents, 1):
                cost = measure(lines, [crowd[:free] for crowd in crowds], seconds)
                table.add_row(
                    f"{agents:,}",
                    str(calls),
                    f"{free:,}",
                    f"{cost.matches:g}",
                    f"{cost.microseconds:,.0f}",
                    f"{cost.rounds:,}",
                )
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
