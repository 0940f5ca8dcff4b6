"""Bursts of calls at a given rate, and what they did to the house."""

from __future__ import annotations

import math
import os
import time
import urllib.error
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from native.phones import SCENARIOS

from .accounts import cdr_book, journal_book
from .house import House
from .machine import rss_kb
from .sides import DialplanSide
from .sipp import Sipp, deaf_port, fill
from .talkers import Heard, Talkers
from .watch import CpuWatch, Figures, Shares, Watch

HOLD_RATE = 60.0
"""Calls a second when a house is filled in peace."""
SETTLE_SECONDS = 8.0
"""Until the last one's prompts are over."""
RATE_OF_ONE = 1000.0
"""What one SIPp places with room to spare; more are started above it."""
LATE_SECONDS = 45.0
"""How long an unanswered INVITE is repeated, and a little more."""
BOOKS_SECONDS = 60.0


@dataclass
class Burst:
    """One burst, and the house while it lasted."""

    rate: float
    calls: int
    finals: Counter[int] = field(default_factory=Counter)
    lost: int = 0
    """INVITEs without any final answer."""
    retransmissions: int = 0
    unexpected: int = 0
    seconds: float = 0.0
    """From the first INVITE to the end of the arrivals."""
    lag_ms: float = 0.0
    heard: Heard | None = None
    shares: Shares = field(default_factory=Shares)
    memory_kb: dict[str, tuple[int, int]] = field(default_factory=dict)
    peak_seats: int = 0
    peak_legs: int = 0
    load: float = 0.0

    answered_rate: float = 0.0
    """Final answers a second, the first and the last twentieth of them left out."""


@contextmanager
def talkers_at(house: House, count: int) -> Iterator[Talkers]:
    """So many callers in conversation with agents, sound both ways, until the context ends."""
    with ExitStack() as stack:
        talkers = stack.enter_context(Talkers(2 * count))
        fields = [str(port) for port in talkers.ports]
        words = {"audio_port": "[field0]", "tone": "", "hold_ms": str(3_600_000)}
        answer = fill(SCENARIOS / "answer.xml", agent="agents", ring_ms="500", **words)
        port = house.agent_port
        stack.enter_context(
            Sipp(answer, house.pbx.sip_port, calls=count, port=port, fields=fields[:count])
        )
        caller = fill(SCENARIOS / "caller.xml", caller="08110000000", **words)
        stack.enter_context(Sipp(caller, house.pbx.sip_port, calls=count, fields=fields[count:]))
        until(lambda: house.metric("pln_ivr_agents", state="talking") == count, 40, "conversations")
        yield talkers
        house.hang_up_all()


@contextmanager
def waiters_at(side: DialplanSide, count: int, number: str) -> Iterator[None]:
    """So many callers who hear music at a dialplan's number, until the context ends."""
    with deaf_port() as deaf:
        scenario = caller_scenario(3600.0, deaf)
        with Sipp(scenario, side.pbx.sip_port, calls=count, rate=HOLD_RATE, service=number) as sipp:
            until(lambda: side.music_calls() >= count, count / HOLD_RATE + 30, "a full house")
            time.sleep(SETTLE_SECONDS)
            yield
            side.pbx.cli("channel request hangup all")
            sipp.wait(20)


@contextmanager
def holders_at(house: House, count: int, each: Callable[[], None]) -> Iterator[None]:
    """So many more callers who hold and hear music."""
    with deaf_port() as deaf:
        scenario = caller_scenario(3600.0, deaf)
        before = house.seats()
        with Sipp(scenario, house.pbx.sip_port, calls=max(1, count), rate=HOLD_RATE) as sipp:
            patience = count / HOLD_RATE + 30
            until(lambda: house.seats() >= before + count, patience, "a full house", each)
            time.sleep(SETTLE_SECONDS)
            yield
            house.hang_up_all()
            sipp.wait(20)


def caller_scenario(hold: float, audio_port: int) -> str:
    """A customer who holds that long if answered, and accepts a refusal."""
    return fill(
        SCENARIOS / "caller.xml",
        caller="08120000000",
        hold_ms=str(round(hold * 1000)),
        audio_port=str(audio_port),
        tone="",
    )


def burst(
    house: House,
    rate: float,
    seconds: float,
    hold: float,
    each: Callable[[float], None],
    talkers: Talkers | None = None,
) -> Burst:
    """That many calls a second for so long; returns when the last has ended."""
    found = Burst(rate, round(rate * seconds))
    before, memory = figures(house), {name: rss_kb(pid) for name, pid in house.pids.items()}
    with (
        Watch(house, legs_every=4) as watch,
        _callers(house.pbx.sip_port, found, hold, "123") as sipps,
    ):
        if talkers:
            talkers.window()
        cpu = watch_cpu(house, sipps, talkers)
        began = _place(found, sipps, seconds, cpu, each)
        found.heard = talkers.window() if talkers else None
        found.lag_ms = figures(house).lag_since(before)
        found.load = os.getloadavg()[0]
        _finish(sipps, hold, each, began)
        _count(found, sipps)
    found.peak_seats, found.peak_legs = watch.peak_seats, watch.peak_legs
    found.memory_kb = {name: (memory[name], rss_kb(pid)) for name, pid in house.pids.items()}
    return found


def burst_alone(
    side: DialplanSide, rate: float, seconds: float, each: Callable[[float], None]
) -> Burst:
    """The same at a dialplan that only counts and refuses."""
    found = Burst(rate, round(rate * seconds))
    with _callers(side.pbx.sip_port, found, 1.0, side.number) as sipps:
        cpu = CpuWatch({"Asterisk": side.pids, "SIPp": [sipp.pid for sipp in sipps]})
        began = _place(found, sipps, seconds, cpu, each)
        _finish(sipps, 1.0, each, began)
        _count(found, sipps)
    return found


@contextmanager
def _callers(sip_port: int, found: Burst, hold: float, number: str) -> Iterator[list[Sipp]]:
    """So many SIPps as it takes, which have just begun."""
    many = max(1, math.ceil(found.rate / RATE_OF_ONE))
    found.calls = found.calls // many * many
    with deaf_port() as deaf, ExitStack() as stack:
        scenario = caller_scenario(hold, deaf)
        yield [
            stack.enter_context(
                Sipp(
                    scenario,
                    sip_port,
                    calls=found.calls // many,
                    rate=found.rate / many,
                    service=number,
                )
            )
            for _ in range(many)
        ]


def _place(
    found: Burst, sipps: list[Sipp], seconds: float, cpu: CpuWatch, each: Callable[[float], None]
) -> float:
    """Until every call has been placed; when that began."""
    began = time.monotonic()
    calls = found.calls // len(sipps)
    while time.monotonic() < began + 3 * seconds + 5 and not _all_placed(sipps, calls):
        each(time.monotonic() - began)
        cpu.look()
        time.sleep(0.1)
    found.seconds = time.monotonic() - began
    found.shares = cpu.shares()
    return began


def watch_cpu(house: House, sipps: list[Sipp], talkers: Talkers | None = None) -> CpuWatch:
    """Asterisk, the app, SIPp, and the talkers where there are some."""
    pids = {
        "Asterisk": [house.pids["asterisk"]],
        "app": [house.pids["app"]],
        "SIPp": [sipp.pid for sipp in sipps],
    }
    if talkers:
        pids["talkers"] = [talkers.pid]
    return CpuWatch(pids)


def _all_placed(sipps: list[Sipp], calls: int) -> bool:
    return all(not sipp.running or sipp.counts().created >= calls for sipp in sipps)


def _finish(sipps: list[Sipp], hold: float, each: Callable[[float], None], began: float) -> None:
    deadline = time.monotonic() + hold + LATE_SECONDS
    while any(sipp.running for sipp in sipps) and time.monotonic() < deadline:
        each(time.monotonic() - began)
        time.sleep(0.2)
    for sipp in sipps:
        sipp.end()


def _count(found: Burst, sipps: list[Sipp]) -> None:
    for sipp in sipps:
        counts = sipp.counts()
        found.retransmissions += counts.retransmissions
        found.unexpected += counts.unexpected
        times = []
        for event in sipp.events():
            if event.what.startswith("final-"):
                found.finals[int(event.what.removeprefix("final-"))] += 1
                times.append(event.at_ms)
        found.answered_rate += _rate(times)
    found.lost = found.calls - sum(found.finals.values())


def _rate(times_ms: list[int]) -> float:
    """Events a second in the middle nine tenths."""
    ordered, edge = sorted(times_ms), len(times_ms) // 20
    middle = ordered[edge : len(ordered) - edge]
    lasted = middle[-1] - middle[0] if middle else 0
    return (len(middle) - 1) * 1000 / lasted if lasted else 0.0


def figures(house: House, seconds: float = 30.0) -> Figures:
    """A reading of /metrics, patient with an app that is too busy to answer at once."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return Figures(house.metrics_text())
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Written:
    """How many calls the two books hold."""

    rejected: int
    admitted: int
    cdrs: int


def books_before(house: House, still_up: int) -> Written:
    """The books before a burst, once Asterisk's list has the calls that have ended; as many as
    are still up are in the journal only."""
    deadline = time.monotonic() + BOOKS_SECONDS / 2
    while True:
        now = written(house)
        if now.cdrs + still_up == now.rejected + now.admitted or time.monotonic() > deadline:
            return now
        time.sleep(0.5)


def written(house: House) -> Written:
    """The journal's rejected and other calls, and Asterisk's list."""
    rows = journal_book(house.journal_file)
    rejected = sum(row.outcome == "rejected" for row in rows)
    return Written(rejected, len(rows) - rejected, len(cdr_book(house.cdr_file)))


def book_faults(house: House, before: Written, found: Burst) -> list[str]:
    """Where the journal and Asterisk's list differ from what SIPp saw, once they had time."""
    refused = sum(count for status, count in found.finals.items() if status != 200)
    total = sum(found.finals.values())
    deadline = time.monotonic() + BOOKS_SECONDS
    while True:
        now = written(house)
        pairs = (
            ("rejected in the journal", now.rejected - before.rejected, "refused", refused),
            ("admitted in the journal", now.admitted - before.admitted, "answered",
             found.finals[200]),
            ("in Asterisk's list", now.cdrs - before.cdrs, "with a final answer", total),
        )  # fmt: skip
        faults = [
            f"{ours} calls {what}, {theirs} {seen} by SIPp's word"
            for what, ours, seen, theirs in pairs
            if ours != theirs
        ]
        if not faults or time.monotonic() > deadline:
            return faults
        time.sleep(1.0)


def until(
    look: Callable[[], object],
    seconds: float,
    what: str,
    each: Callable[[], None] = lambda: None,
) -> None:
    """Wait for it; RuntimeError at the deadline."""
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {seconds:.0f} s")
        each()
        time.sleep(0.2)
