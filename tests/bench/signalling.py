"""Rejecting and accepting calls: processor time per call, and time to the final answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .load import Calls, dial
from .machine import Clock, median, percentile
from .sides import Side

REJECT_RATE = 600.0
ACCEPT_RATE = 80.0
"""Calls a second: what two cores hold with room to spare, SIPp and its sound included."""
ACCEPT_HOLD = 1.0


@dataclass
class Cost:
    """One side's figures, a sample for each round."""

    asterisk_ms: list[float] = field(default_factory=list)
    python_ms: list[float] = field(default_factory=list)
    answer_ms: list[float] = field(default_factory=list)
    retransmissions: int = 0
    finals: dict[int, int] = field(default_factory=dict)

    def add(self, used: Sequence[float], calls: Calls) -> None:
        """One round: processor time by process, and what the phones saw."""
        count = sum(calls.finals.values())
        self.asterisk_ms.append(used[0] / count)
        self.python_ms.append(used[1] / count if len(used) > 1 else 0.0)
        self.retransmissions += calls.retransmissions
        for status, number in calls.finals.items():
            self.finals[status] = self.finals.get(status, 0) + number

    def figures(self) -> dict[str, object]:
        """For the table and the file."""
        return {
            "asterisk_ms_per_call": round(median(self.asterisk_ms), 3),
            "python_ms_per_call": round(median(self.python_ms), 3),
            "answer_ms_median": round(median(self.answer_ms), 2),
            "answer_ms_p99": round(percentile(self.answer_ms, 0.99), 2),
            "retransmissions": self.retransmissions,
            "finals": {str(status): number for status, number in self.finals.items()},
            "rounds_asterisk_ms": [round(value, 3) for value in self.asterisk_ms],
            "rounds_python_ms": [round(value, 3) for value in self.python_ms],
        }


def alternate(
    sides: Sequence[Side], rounds: int, burst: Callable[[Side, bool], Calls]
) -> dict[str, Cost]:
    """Bursts on each side in turn, the order changing each round: one for the cost, one timed."""
    costs = {side.name: Cost() for side in sides}
    for side in sides:
        burst(side, False)  # warm
    for number in range(rounds):
        for side in sides[:: -1 if number % 2 else 1]:
            side.quiet()
            clock = Clock(side.pids)
            calls = burst(side, False)
            side.quiet()
            costs[side.name].add(clock.used(), calls)
            costs[side.name].answer_ms += burst(side, True).answer_ms
    return costs


def reject(sides: Sequence[Side], rounds: int, calls: int) -> dict[str, Cost]:
    """A full house: every call is refused before answer."""
    return alternate(
        sides,
        rounds,
        lambda side, probed: dial(
            side.phones, side.number, calls=calls, rate=REJECT_RATE, hold=1, probed=probed
        ),
    )


def accept(sides: Sequence[Side], rounds: int, calls: int, tone: Path) -> dict[str, Cost]:
    """Answered, the notice begins, and the caller, who is heard, hangs up after a second."""
    return alternate(
        sides,
        rounds,
        lambda side, probed: dial(
            side.phones,
            side.number,
            calls=calls,
            rate=ACCEPT_RATE,
            hold=ACCEPT_HOLD,
            sound=tone,
            probed=probed,
        ),
    )
