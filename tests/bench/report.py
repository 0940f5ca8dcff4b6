"""The figures against their targets, as tables and as one file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Results = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """One figure and the most that it should be."""

    name: str
    measured: float
    limit: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.measured <= self.limit


def targets(results: Results) -> list[Target]:
    """What is asked for, from what was measured."""
    found = []
    for name, ratio, python in (("reject", 1.15, 0.12), ("accept", 1.05, 0.5)):
        if name not in results:
            continue
        app, plain = results[name]["pln_ivr"], results[name]["dialplan"]
        share = app["asterisk_ms_per_call"] / plain["asterisk_ms_per_call"]
        found.append(Target(f"{name}: Asterisk against the dialplan", round(share, 3), ratio, "x"))
        found.append(Target(f"{name}: Python", app["python_ms_per_call"], python, "ms"))
    if "conversation" in results:
        app, plain = results["conversation"]["pln_ivr"], results["conversation"]["dialplan"]
        total = app["asterisk_ms_per_call"] + app["python_ms_per_call"]
        limit = plain["asterisk_ms_per_call"]
        found.append(Target("conversation: Asterisk", app["asterisk_ms_per_call"], limit, "ms"))
        found.append(Target("conversation: Asterisk and Python", round(total, 1), limit, "ms"))
    if "held" in results:
        app, bare = results["held"]["pln_ivr"], results["held"]["bare ARI"]
        # A holding bridge's own figure varies by this much from window to window.
        limit = round(bare["asterisk_share"] * 1.05, 1)
        found.append(
            Target("held: Asterisk against a bare bridge +5 %", app["asterisk_share"], limit, "%")
        )
    for process in ("asterisk", "python") if "memory" in results else ():
        of = results["memory"]["pln_ivr"][process]
        growth = 100 * (of["last_kb"] / of["settled_kb"] - 1)
        found.append(Target(f"memory: {process}'s growth once settled", round(growth, 2), 2.0, "%"))
    return found


def print_all(console: Console, results: Results) -> None:
    """Every table there is a measurement for."""
    for name in ("reject", "accept", "conversation", "held"):
        if name in results:
            _print_sides(console, name, results[name])
    if "memory" in results:
        _print_memory(console, results["memory"])
    if "transports" in results:
        _print_transports(console, results["transports"], results["choices"])
    table = Table("target", "measured", "at most", "", title="Targets")
    for target in targets(results):
        verdict = "met" if target.met else "[red]missed[/red]"
        unit = target.unit
        table.add_row(
            target.name, f"{target.measured:g} {unit}", f"{target.limit:g} {unit}", verdict
        )
    console.print(table)


_TITLES = {
    "reject": "Reject: a full house",
    "accept": "Accept: answer, one second of the notice, the caller hangs up",
    "conversation": "A recorded conversation",
    "held": "A full house of callers hearing music",
}


def _print_sides(console: Console, name: str, sides: Results) -> None:
    figures = [key for key in next(iter(sides.values())) if not _is_detail(key)]
    table = Table("", *sides, title=_TITLES[name])
    for figure in figures:
        table.add_row(figure.replace("_", " "), *(_text(side[figure]) for side in sides.values()))
    console.print(table)


def _is_detail(key: str) -> bool:
    return key.startswith(("rounds_", "windows_"))


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{number} x {status}" for status, number in value.items())
    return f"{value}"


def _print_memory(console: Console, sides: Results) -> None:
    table = Table("", "KiB at first", "settled", "at the end", "growth in 1000 calls")
    table.title = "Memory over many calls"
    for side, found in sides.items():
        for process in ("asterisk", "python"):
            if process in found:
                of = found[process]
                cells = (of["first_kb"], of["settled_kb"], of["last_kb"], of["kb_per_1000_calls"])
                table.add_row(f"{side}: {process}", *(f"{cell:g}" for cell in cells))
    console.print(table)


def _print_transports(console: Console, found: Results, chosen: dict[str, str]) -> None:
    table = Table("request", "over", "client µs", "Asterisk µs", "latency µs", "p99", "used")
    table.title = "Requests over HTTP and over the WebSocket, one at a time"
    for what, ways in found.items():
        for way, figures in ways.items():
            cells = ("client_us", "asterisk_us", "latency_us_median", "latency_us_p99")
            used = "yes" if chosen.get(what) == way else ""
            table.add_row(what, way, *(f"{figures[cell]}" for cell in cells), used)
    console.print(table)
    others = ", ".join(f"{what}: {way}" for what, way in chosen.items() if what not in found)
    console.print(f"Not measured, the client sends {others}")


def write_json(file: Path, results: Results) -> None:
    """All figures, rounds included."""
    verdicts = [{**asdict(target), "met": target.met} for target in targets(results)]
    file.write_text(json.dumps({**results, "targets": verdicts}, indent=2) + "\n")
