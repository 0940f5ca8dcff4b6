"""A day's traffic on a house: the crowd of callers, the agents who answer, and the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from native.phones import SCENARIOS

from .day import TICK_MS, Day
from .house import House
from .sipp import Sipp, deaf_port, fill

CROWD = Path(__file__).resolve().parent / "scenarios/crowd.xml"
ENDLESS = 10_000_000
STEP_SECONDS = 0.5
"""How often the rate of arrivals follows the curve ..."""
CALLS_A_TURN = 3
"""... but not before so many have called at the rate before."""


class Traffic:
    """The callers and the agents of one day. Made by `traffic`."""

    def __init__(self, day: Day, callers: Sipp, agents: Sipp) -> None:
        self.callers = callers
        self.agents = agents
        self.day = day
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the first call."""
        return time.monotonic() - self._began

    def drive(self, each: Callable[[float], None]) -> None:
        """Follow the day's curve until every caller has called; `each` is told the time."""
        turn = 0.0
        while self.callers.running and self.callers.counts().created < self.day.calls:
            if self.seconds >= turn:  # SIPp begins to count anew each time
                rate = max(0.2, self.day.rate(self.seconds))
                self.callers.set_rate(rate)
                turn = self.seconds + max(STEP_SECONDS, CALLS_A_TURN / rate)
            each(self.seconds)
            time.sleep(STEP_SECONDS)
        each(self.seconds)

    def finish(self, seconds: float, each: Callable[[float], None]) -> bool:
        """Wait for the last callers to go; false if some have not by then."""
        deadline = time.monotonic() + seconds
        while self.callers.running and time.monotonic() < deadline:
            each(self.seconds)
            time.sleep(STEP_SECONDS)
        return not self.callers.running


@contextmanager
def traffic(day: Day, house: House) -> Iterator[Traffic]:
    """Agents at their phones, and callers whose rate is still to be driven. Ends both."""
    with ExitStack() as stack:
        deaf = stack.enter_context(deaf_port())
        agents = stack.enter_context(agents_at_phones(house, day.ring, day.talk))
        scenario = fill(CROWD, tick_ms=str(TICK_MS), audio_port=str(deaf), wishes="")
        callers = stack.enter_context(
            Sipp(
                scenario,
                house.pbx.sip_port,
                calls=day.calls,
                rate=max(0.2, day.rate(0)),
                fields=day.callers(),
            )
        )
        yield Traffic(day, callers, agents)


def agents_at_phones(house: House, ring: float, talk: float) -> Sipp:
    """All agents' phones in one SIPp: ring, answer, send a tone, hang up after the talk."""
    words = {"agent": "agents", "ring_ms": _ms(ring), "hold_ms": _ms(talk)}
    words |= {
        "audio_port": "[rtpstream_audio_port]",
        "tone": f'<nop><action><exec rtp_stream="{house.agent_tone},-1,8"/></action></nop>',
    }
    scenario = fill(SCENARIOS / "answer.xml", **words)
    return Sipp(scenario, house.pbx.sip_port, calls=ENDLESS, port=house.agent_port)


def _ms(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))
