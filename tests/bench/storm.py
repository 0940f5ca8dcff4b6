"""A storm of calls: 720 new ones a second, first on a full house, then on a free one.

On the full house every call must hear 486 and be in the journal, and those who talk must feel
nothing. On the free house exactly as many as there are seats must get through. --ramp raises the
rate against the full house until something breaks, and says what, and whose processor was full;
then it does the same to a dialplan that only counts and refuses: all that the machine can do.
Exit code 1 if a promise does not hold, with the words which.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from native.root import LauncherError, find_asterisk
from tests.asterisk.world import REPO

from .bursts import (
    Burst,
    book_faults,
    books_before,
    burst,
    figures,
    holders_at,
    talkers_at,
    until,
    waiters_at,
    watch_cpu,
)
from .day import UPKEEP_SECONDS
from .house import House, open_house
from .load import LoadError
from .ramp import Step, climb, climb_alone, print_steps
from .sides import DialplanSide, write_prompts
from .talkers import Heard, Talkers
from .traffic import agents_at_phones
from .watch import PROMISED_LAG_MS, Shares

QUIET_SECONDS = 10.0
PROMPTS_FASTER = 4.0
"""Stand-in prompts of the bench's usual lengths."""
WORSE_GAP_MS = 60.0
"""A gap between packets at a talker that a phone's jitter buffer no longer hides; less our own
lateness."""

MUSIC = "9124"
"""The dialplan's number at which callers hear music until they hang up."""

console = Console()
Progressing = Callable[[str, float], Callable[[float], None]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything."""

    capacity: int
    talkers: int
    rate: float
    seconds: float
    ramp: bool
    free_house: bool


@dataclass
class Results:
    """What was measured, and what did not hold."""

    load_before: float
    quiet_heard: Heard | None = None
    quiet_lag_ms: float = 0.0
    quiet_shares: Shares = field(default_factory=Shares)
    full: Burst | None = None
    free: Burst | None = None
    steps: list[Step] = field(default_factory=list)
    alone: list[Step] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def progressing() -> Iterator[Progressing]:
    """A progress bar for one thing after the other."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:

        def begin(what: str, seconds: float) -> Callable[[float], None]:
            task = progress.add_task(what, total=seconds)
            return lambda at: progress.update(task, completed=min(at, seconds))

        yield begin


def run(plan: Plan, logs: Path | None = None) -> Results:
    """All of it, in one house, whose logs go to `logs` if one is given."""
    results = Results(os.getloadavg()[0])
    with open_house(
        "storm",
        plan.capacity,
        plan.talkers,
        PROMPTS_FASTER,
        logs=logs,
        ADMISSION__UPKEEP_SECONDS=f"{UPKEEP_SECONDS:g}",
    ) as house:
        try:
            with progressing() as begin:
                _full_house(plan, house, results, begin)
                if plan.free_house and not plan.ramp:
                    _free_house(plan, house, results, begin)
        finally:
            results.complaints = house.pbx.complaints()
    if plan.ramp:
        with progressing() as begin:
            results.alone = _dialplan_alone(plan, begin)
    return results


def _dialplan_alone(plan: Plan, begin: Progressing) -> list[Step]:
    """The ramp without the program, to compare with."""
    with tempfile.TemporaryDirectory(prefix="pln-storm-") as temporary:
        folder = Path(temporary) / f"alone-{os.getpid()}"
        folder.mkdir()
        prompts = Path(temporary) / "prompts"
        side = DialplanSide(find_asterisk(REPO / ".cache"), write_prompts(prompts), folder, 0)
        try:
            side.set_capacity(plan.capacity)
            with waiters_at(side, plan.capacity, MUSIC):
                return climb_alone(side, begin)
        finally:
            side.stop()


def _full_house(plan: Plan, house: House, results: Results, begin: Progressing) -> None:
    with talkers_at(house, plan.talkers) as talkers:
        filling = begin(f"filling {plan.capacity} seats", plan.capacity)
        with holders_at(house, plan.capacity - plan.talkers, lambda: filling(float(house.seats()))):
            _quiet(house, talkers, results, begin("quiet", QUIET_SECONDS))
            if plan.ramp:
                results.steps = climb(house, talkers, begin)
            else:
                before = books_before(house, still_up=plan.capacity)
                each = begin(f"storm of {plan.rate:g}/s on the full house", plan.seconds)
                storm = burst(house, plan.rate, plan.seconds, 1.0, each, talkers)
                results.full = storm
                results.faults += [f"full house: {text}" for text in _full_faults(plan, storm)]
                results.faults += book_faults(house, before, storm)
    _emptied(house, results)


def _quiet(house: House, talkers: Talkers, results: Results, each: Callable[[float], None]) -> None:
    """The same house before the storm, to compare with."""
    before, cpu = figures(house), watch_cpu(house, [], talkers)
    talkers.window()
    for tenth in range(round(QUIET_SECONDS * 10)):
        time.sleep(0.1)
        each(tenth / 10)
    results.quiet_heard = talkers.window()
    results.quiet_lag_ms = figures(house).lag_since(before)
    results.quiet_shares = cpu.shares()


def _full_faults(plan: Plan, storm: Burst) -> list[str]:
    faults = _faults_of_any(plan, storm)
    others = {status: count for status, count in storm.finals.items() if status != 486}
    if others:
        faults.append(f"answers other than 486: {dict(others)}")
    if storm.heard and storm.heard.largest_gap_ms - storm.heard.own_lateness_ms > WORSE_GAP_MS:
        faults.append(f"a talker heard nothing for {storm.heard.largest_gap_ms:.0f} ms")
    return faults


def _faults_of_any(plan: Plan, storm: Burst) -> list[str]:
    faults = []
    if storm.lost:
        faults.append(f"{storm.lost} INVITEs had no final answer")
    if storm.lag_ms >= PROMISED_LAG_MS:
        faults.append(f"event loop lag p99 {storm.lag_ms:.0f} ms, promised is < 50")
    if storm.peak_seats > plan.capacity:
        faults.append(f"{storm.peak_seats} seats in use of {plan.capacity}")
    return faults


def _free_house(plan: Plan, house: House, results: Results, begin: Progressing) -> None:
    hold = plan.seconds + 10
    with agents_at_phones(house, 1.0, 3600.0):
        before = books_before(house, still_up=0)
        each = begin(f"storm of {plan.rate:g}/s on a free house", plan.seconds + hold)
        storm = burst(house, plan.rate, plan.seconds, hold, each)
        house.hang_up_all()
    results.free = storm
    faults = _faults_of_any(plan, storm)
    if storm.finals[200] != min(plan.capacity, storm.calls):
        faults.append(f"{storm.finals[200]} calls got through, there are {plan.capacity} seats")
    if storm.finals[200] + storm.finals[486] != sum(storm.finals.values()):
        faults.append(f"answers other than 200 and 486: {dict(storm.finals)}")
    if storm.peak_legs > plan.capacity:
        faults.append(f"{storm.peak_legs} callers' channels up in Asterisk at once")
    results.faults += [f"free house: {text}" for text in faults]
    results.faults += book_faults(house, before, storm)
    _emptied(house, results)


def _emptied(house: House, results: Results) -> None:
    try:
        until(lambda: house.seats() == 0 and not house.channel_names(), 30, "an empty house")
    except RuntimeError as error:
        left = len(house.channel_names())
        results.faults.append(f"{error}: {house.seats()} seats, {left} channels left")


def report(plan: Plan, results: Results) -> None:
    """The table and the verdict."""
    columns = [
        ("quiet, full house", None),
        ("full house", results.full),
        ("free house", results.free),
    ]
    shown = [(name, storm) for name, storm in columns if storm or name.startswith("quiet")]
    table = Table("", *(name for name, _ in shown), title=f"Storm on {plan.capacity} seats")
    cells = [_quiet_cells(results), *(_cells(storm) for _, storm in shown if storm)]
    for row in cells[-1] if len(cells) > 1 else cells[0]:
        table.add_row(row, *(each.get(row, "") for each in cells))
    console.print(table)
    if results.steps:
        print_steps(console, "pln_ivr", results.steps)
        print_steps(console, "a dialplan alone", results.alone)
    for line in results.complaints[:5]:
        console.print(f"Asterisk's log: {line}", style="dim", highlight=False, markup=False)
    console.print(
        f"Load of the machine before: {results.load_before:.2f} on {os.cpu_count()} cores"
    )
    for fault in results.faults:
        console.print(f"DOES NOT HOLD: {fault}", style="red", highlight=False)
    if not results.faults and not plan.ramp:
        console.print("Every promise held.", style="green")


def _heard_cells(heard: Heard | None) -> dict[str, str]:
    if heard is None:
        return {}
    return {
        "talkers: largest gap": f"{heard.largest_gap_ms:.1f} ms "
        f"(sent up to {heard.own_lateness_ms:.1f} late)",
        "talkers: p99 gap": f"{heard.p99_gap_ms:.1f} ms",
        "talkers: packets missing": f"{heard.missing} of {heard.sent}",
    }


def _quiet_cells(results: Results) -> dict[str, str]:
    return {
        "event loop lag, p99": f"{results.quiet_lag_ms:.1f} ms",
        "processors": results.quiet_shares.text(),
        **_heard_cells(results.quiet_heard),
    }


def _cells(storm: Burst) -> dict[str, str]:
    finals = ", ".join(f"{count} x {status}" for status, count in sorted(storm.finals.items()))
    memory = "; ".join(
        f"{name} {before // 1024} to {after // 1024} MiB"
        for name, (before, after) in storm.memory_kb.items()
    )
    return {
        "calls": f"{storm.calls} at {storm.rate:g}/s, answered at {storm.answered_rate:.0f}/s",
        "final answers": finals,
        "without an answer": f"{storm.lost}",
        "SIPp's retransmissions": f"{storm.retransmissions}",
        "event loop lag, p99": f"{storm.lag_ms:.1f} ms",
        "processors": storm.shares.text(),
        "memory": memory,
        "peak of seats": f"{storm.peak_seats}",
        "peak of callers up in Asterisk": f"{storm.peak_legs}",
        "talkers: largest gap": "",
        "talkers: p99 gap": "",
        "talkers: packets missing": "",
        "load of the machine": f"{storm.load:.1f}",
        **_heard_cells(storm.heard),
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="tests/bench/storm", description=__doc__)
    parser.add_argument("--capacity", type=int, default=720, help="seats (default %(default)s)")
    parser.add_argument("--agents", type=int, default=10, help="conversations (%(default)s)")
    parser.add_argument("--rate", type=float, default=720, help="calls a second (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10, help="how long (%(default)s)")
    parser.add_argument("--ramp", action="store_true", help="raise the rate until it breaks")
    parser.add_argument("--no-free-house", action="store_true", help="only the full house")
    parser.add_argument("--keep", type=Path, default=None, help="folder for the logs")
    choice = parser.parse_args()
    plan = Plan(
        choice.capacity,
        min(choice.agents, choice.capacity),
        choice.rate,
        choice.seconds,
        choice.ramp,
        not choice.no_free_house,
    )
    try:
        results = run(plan, choice.keep)
    except (LauncherError, LoadError, RuntimeError) as error:
        print(f"storm: {error}", file=sys.stderr)
        return 1
    report(plan, results)
    return 1 if results.faults else 0


if __name__ == "__main__":
    sys.exit(main())
