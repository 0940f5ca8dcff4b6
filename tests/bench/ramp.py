"""How many calls a second a full house can refuse, and what breaks first above that."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from .bursts import Burst, burst, burst_alone
from .house import House
from .sides import DialplanSide
from .talkers import Talkers
from .watch import PROMISED_LAG_MS

RATES = (
    50.0,
    100.0,
    150.0,
    200.0,
    250.0,
    350.0,
    500.0,
    600.0,
    700.0,
    850.0,
    1000.0,
    1400.0,
    2000.0,
    2800.0,
    4000.0,
)
STEP_SECONDS = 5.0
FULL_CORE = 90.0
"""Per cent of a core from which a process with one busy thread counts as at its end."""
FULL_MACHINE = 95.0
SLOWER_SHARE = 0.93
"""Fewer final answers a second than this share of the rate: somebody is falling behind."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rate, and what was wrong at it."""

    burst: Burst
    broken: list[str]

    @property
    def side(self) -> str:
        """Whose processor was full."""
        shares = self.burst.shares
        full = [
            name
            for name, share in shares.by_name.items()
            if name != "Asterisk" and share >= FULL_CORE
        ]
        largest = max(shares.by_name, key=lambda name: shares.by_name[name], default="nobody")
        if full:
            return f"{' and '.join(full)}: one core full"
        if shares.machine >= FULL_MACHINE:
            return f"all {os.cpu_count()} cores full, most of it {largest}"
        return f"no processor was full; {largest} used most"


def climb(
    house: House, talkers: Talkers, begin: Callable[[str, float], Callable[[float], None]]
) -> list[Step]:
    """Step by step until something breaks; the last step is the one that did."""

    def at(rate: float, each: Callable[[float], None]) -> Burst:
        return burst(house, rate, STEP_SECONDS, 1.0, each, talkers)

    return _climb(at, begin)


def climb_alone(
    side: DialplanSide, begin: Callable[[str, float], Callable[[float], None]]
) -> list[Step]:
    """The same where a dialplan does nothing but count and refuse: all that this machine and its
    Asterisk can do."""

    def at(rate: float, each: Callable[[float], None]) -> Burst:
        return burst_alone(side, rate, STEP_SECONDS, each)

    return _climb(at, begin)


def _climb(
    at: Callable[[float, Callable[[float], None]], Burst],
    begin: Callable[[str, float], Callable[[float], None]],
) -> list[Step]:
    steps: list[Step] = []
    for rate in RATES:
        found = at(rate, begin(f"{rate:g} calls a second", STEP_SECONDS))
        steps.append(Step(found, list(_broken(found))))
        if steps[-1].broken:
            break
    return steps


def _broken(found: Burst) -> Iterator[str]:
    if found.retransmissions:
        yield f"{found.retransmissions} retransmissions"
    if found.lag_ms > PROMISED_LAG_MS:
        yield f"event loop lag p99 {found.lag_ms:.0f} ms"
    others = {status: count for status, count in found.finals.items() if status != 486}
    if others:
        yield f"other answers: {others}"
    if found.lost:
        yield f"{found.lost} INVITEs lost"
    if found.answered_rate < SLOWER_SHARE * found.rate:
        yield f"only {found.answered_rate:.0f} answers a second"


def print_steps(console: Console, title: str, steps: list[Step]) -> None:
    """The steps as a table, and the two sentences that matter."""
    table = Table(
        "asked", "answered", "486", "again", "lag p99", "largest gap", "processors", "broke"
    )
    table.title = f"The ramp: {title}"
    for step in steps:
        found = step.burst
        gap = f"{found.heard.largest_gap_ms:.0f} ms" if found.heard else ""
        table.add_row(
            f"{found.rate:g}/s",
            f"{found.answered_rate:.0f}/s",
            f"{found.finals[486]}",
            f"{found.retransmissions}",
            f"{found.lag_ms:.0f} ms",
            gap,
            found.shares.text(),
            "; ".join(step.broken),
        )
    console.print(table)
    held = [step.burst.rate for step in steps if not step.broken]
    console.print(f"Highest rate held: {max(held, default=0):g} calls a second.")
    if steps[-1].broken:
        step = steps[-1]
        console.print(f"First to break at {step.burst.rate:g}/s: {step.broken[0]} ({step.side}).")
    else:
        console.print("Nothing broke up to the last rate.")
