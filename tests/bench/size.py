"""What a house needs, measured beside what docs/operations.md says it needs.

Fills a house with callers who hear music and with recorded conversations, looks at files, RTP
ports, memory, processor time and the recordings' growth, and compares them with the formula of
`pln_ivr.resources`. Exit code 1 if more was used than the formula says.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from native.root import LauncherError
from pln_ivr.resources import LEG_FILES, RECORDING_BYTES_PER_SECOND, needs
from tests.hardening.ports import listening

from .bursts import holders_at, talkers_at
from .house import House, open_house
from .load import LoadError
from .machine import rss_kb
from .watch import CpuWatch

WINDOW_SECONDS = 15.0
PROMPTS_FASTER = 4.0
CONNECTIONS = 64
"""ari.connections by default."""
BLACKOUT = (720, 105)
"""The house that the last column is for: seats, agents."""

console = Console()


@dataclass(frozen=True, slots=True)
class Used:
    """What a house used with so many calls in it."""

    files: dict[str, int]
    rtp_ports: int
    memory_kb: dict[str, int]
    shares: dict[str, float]
    """Per cent of a core."""
    recording_bytes: float
    """A second, in the spool."""


def look(house: House) -> Used:
    """Over `WINDOW_SECONDS`."""
    pids = house.pids
    first, last = house.pbx.settings.rtp
    cpu = CpuWatch({name: [pid] for name, pid in pids.items()})
    before, begun = _spool_bytes(house), time.monotonic()
    time.sleep(WINDOW_SECONDS)
    grown = (_spool_bytes(house) - before) / (time.monotonic() - begun)
    # Asterisk's RTP sockets take both versions of IP.
    ports = [port for kind, _, port in listening([pids["asterisk"]]) if kind == "udp6"]
    return Used(
        files={name: len(list(Path(f"/proc/{pid}/fd").iterdir())) for name, pid in pids.items()},
        rtp_ports=sum(first <= port <= last for port in ports),
        memory_kb={name: rss_kb(pid) for name, pid in pids.items()},
        shares=cpu.shares().by_name,
        recording_bytes=grown,
    )


def _spool_bytes(house: House) -> int:
    return sum(file.stat().st_size for file in house.pbx.monitor_dir.rglob("*.raw"))


def measure(waiting: int, talking: int) -> tuple[Used, Used, Used]:
    """The empty house, with the waiting callers, and with the conversations besides."""
    with open_house("size", waiting + talking, talking, PROMPTS_FASTER) as house:
        empty = look(house)
        with talkers_at(house, talking):
            talks = look(house)
            with holders_at(house, waiting, lambda: None):
                return empty, talks, look(house)


def report(waiting: int, talking: int, empty: Used, talks: Used, full: Used) -> bool:
    """Print it; whether nothing took more than the formula says."""
    wanted = needs(waiting + talking, talking, CONNECTIONS)
    pairs = [
        ("open files of Asterisk", full.files["asterisk"], wanted["OPEN_FILES"].needed),
        ("open files of pln-ivr", full.files["app"], wanted["OWN_FILES"].needed),
        ("RTP ports", full.rtp_ports, wanted["RTP_PORTS"].needed),
        (
            "recordings, KiB a second",
            round(full.recording_bytes / 1024),
            talking * RECORDING_BYTES_PER_SECOND // 1024,
        ),
    ]
    table = Table("", "measured", "by the formula", title=f"{waiting} waiting, {talking} talking")
    for name, measured, formula in pairs:
        table.add_row(name, f"{measured}", f"{formula}")
    console.print(table)
    per_leg = (full.files["asterisk"] - talks.files["asterisk"]) / waiting
    console.print(f"Files of a waiting caller: {per_leg:.1f}, by the formula {LEG_FILES + 1}")
    _print_rates(waiting, talking, empty, talks, full)
    # The spool is written in blocks, and its growth is read at two moments.
    slack = {"recordings, KiB a second": 1.1}
    return all(measured <= formula * slack.get(name, 1.0) for name, measured, formula in pairs)


def _print_rates(waiting: int, talking: int, empty: Used, talks: Used, full: Used) -> None:
    """What the formula has no constant for, because it is this machine's."""
    seats, agents = BLACKOUT
    table = Table("", "a waiting caller", "a conversation", f"{seats} seats, {agents} agents")
    for name in ("asterisk", "app"):
        rows = [
            ("share of a core, %", {k: v.shares[name] for k, v in _of(empty, talks, full)}),
            ("memory, KiB", {k: float(v.memory_kb[name]) for k, v in _of(empty, talks, full)}),
        ]
        for what, at in rows:
            one, other = (at["full"] - at["talks"]) / waiting, (at["talks"] - at["empty"]) / talking
            whole = at["empty"] + (seats - agents) * one + agents * other
            table.add_row(f"{name}: {what}", f"{one:.2f}", f"{other:.2f}", f"{whole:.0f}")
    console.print(table)


def _of(empty: Used, talks: Used, full: Used) -> list[tuple[str, Used]]:
    return [("empty", empty), ("talks", talks), ("full", full)]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="tests/bench/size", description=__doc__)
    parser.add_argument("--waiting", type=int, default=200, help="callers (default %(default)s)")
    parser.add_argument("--talking", type=int, default=20, help="conversations (%(default)s)")
    choice = parser.parse_args()
    if choice.waiting < 1 or choice.talking < 1:
        parser.error("--waiting and --talking must be at least 1")
    try:
        held = report(choice.waiting, choice.talking, *measure(choice.waiting, choice.talking))
    except (LauncherError, LoadError, RuntimeError) as error:
        print(f"size: {error}", file=sys.stderr)
        return 1
    if not held:
        console.print("MORE WAS USED THAN THE FORMULA SAYS", style="red")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
