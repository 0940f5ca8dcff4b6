"""Does memory stay flat? Thousands of calls, some accepted and most refused."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from .load import dial
from .machine import rss_kb, slope
from .sides import Side

RATE = 200.0
CAPACITY = 20
SETTLE_SECONDS = 45
"""Samples before this do not count: SIP keeps what belongs to a call for 32 s after its end."""


@dataclass
class Memory:
    """Samples of one side: (calls so far, KiB) by process."""

    asterisk: list[tuple[float, float]] = field(default_factory=list)
    python: list[tuple[float, float]] = field(default_factory=list)
    finals: dict[int, int] = field(default_factory=dict)

    def figures(self) -> dict[str, object]:
        """For the table and the file."""
        found: dict[str, object] = {"finals": {str(k): v for k, v in self.finals.items()}}
        for name, points in (("asterisk", self.asterisk), ("python", self.python)):
            if not points:
                continue
            settled = points[SETTLE_SECONDS:]
            found[name] = {
                "first_kb": points[0][1],
                "settled_kb": settled[0][1],
                "last_kb": points[-1][1],
                "kb_per_1000_calls": round(slope(settled).slope * 1000, 2),
            }
        return found


def soak(side: Side, calls: int) -> Memory:
    """Run that many calls at once refused or held half a second; sample once a second."""
    memory, over = Memory(), threading.Event()
    pids = side.pids

    def sample() -> None:
        second = 0
        while True:
            done = min(second * RATE, float(calls))
            memory.asterisk.append((done, float(rss_kb(pids[0]))))
            if len(pids) > 1:
                memory.python.append((done, float(rss_kb(pids[1]))))
            if over.wait(1.0):
                return
            second += 1

    thread = threading.Thread(target=sample, name="memory")
    thread.start()
    try:
        memory.finals = dial(side.phones, side.number, calls=calls, rate=RATE, hold=0.5).finals
    finally:
        over.set()
        thread.join()
    return memory
