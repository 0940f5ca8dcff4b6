"""Do the two sides of a long recording stay together? Through a real Asterisk, the program and its
archive.

Both phones sound a pulse at the same moment every two seconds. In the archive's file, decoded, each
pulse of the customer is compared with the agent's: they may be 40 ms apart, and must not drift.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from native.ear import Ear
from native.root import LauncherError, find_asterisk
from pln_ivr.journal import CallRow
from tests.archiving import samples_of
from tests.asterisk.sound import seconds_of
from tests.asterisk.world import REPO, World

from .pulses import PERIOD_SECONDS, Aligned, aligned, write_pulses
from .sides import write_prompts

LIMIT_MS = 40.0
EXACT_MS = 1.0
"""How exactly it is known when a phone's packet left."""
FRAME_SECONDS = 0.02
PARTS = 10
"""The table shows so many parts of the conversation."""

console = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Measured:
    """A recording's alignment, and what of it is the phones' own."""

    recorded: Aligned
    own: Aligned
    """Without what the phones were late by: what the way from the phones to the file has added."""
    latest_ms: float
    """How late a phone was at worst."""


def record(world: World, ears: tuple[Ear, Ear], seconds: float) -> CallRow:
    """Have a customer and agent 101 pulse for so long."""
    port = world.make_ready("101")
    patience = seconds + 60
    with (
        ears[0] as caller_ear,
        ears[1] as agent_ear,
        world.phones.answer(
            "ag-101", port, after=0.2, talk=seconds, sound=agent_ear, timeout=patience
        ) as agent,
        world.phones.caller(hold=patience, sound=caller_ear, timeout=patience) as caller,
    ):
        caller.wait(patience + 10)
        agent.stop()
    (row,) = world.ended(1)
    return row


def measure(world: World, pulses: Path, seconds: float) -> Measured:
    """How far apart the sides of such a recording are."""
    caller, agent = (Ear(pulses, in_time=True, keep=False) for _ in range(2))
    row = record(world, (caller, agent), seconds)
    path = world.recording(row)
    found = aligned(*samples_of(path))
    assert row.ended_at
    # The clock of the phones when the file began.
    began = row.ended_at.timestamp() - seconds_of(path) - (time.time() - time.monotonic())
    own = [
        offset - _late_ms(agent, began + place) + _late_ms(caller, began + place)
        for place, offset in zip(found.places, found.offsets, strict=True)
    ]
    latest = max((*caller.late.values(), *agent.late.values()), default=0.0)
    return Measured(found, Aligned(tuple(own), found.places), latest * 1000)


def _late_ms(ear: Ear, moment: float) -> float:
    """By how much this phone's pulse nearest to this moment was late."""
    nearest = min(ear.late, key=lambda tick: abs(tick * FRAME_SECONDS - moment))
    return ear.late[nearest] * 1000


def table(found: Measured) -> list[str]:
    """Markdown: the offsets over the conversation."""
    lines = [
        "| minute | pulses | earliest | latest | of these the recording's own |",
        "| --- | --- | --- | --- | --- |",
    ]
    count = len(found.own.offsets)
    share = max(1, -(-count // PARTS))
    for start in range(0, count, share):
        part = found.recorded.offsets[start : start + share]
        own = found.own.offsets[start : start + share]
        begins, ends = (at * PERIOD_SECONDS / 60 for at in (start, start + len(part)))
        lines.append(
            f"| {begins:.1f} to {ends:.1f} | {len(part)} | {min(part):+.1f} ms |"
            f" {max(part):+.1f} ms | {min(own):+.1f} to {max(own):+.1f} ms |"
        )
    return lines


def main() -> int:
    """The command; 1 if the sides are further apart than they may be."""
    parser = argparse.ArgumentParser(prog="tests/bench/alignment", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="default %(default)s")
    choice = parser.parse_args()
    seconds = choice.minutes * 60
    with tempfile.TemporaryDirectory(prefix="alignment-") as temporary:
        folder = Path(temporary)
        home = folder / folder.name  # its name is the instance's in Asterisk's root
        home.mkdir()
        world = World(
            find_asterisk(REPO / ".cache"), write_prompts(folder / "prompts"), home, ["101"]
        )
        try:
            world.start()
            console.print(f"two pulse for {choice.minutes:g} minutes ...", style="dim")
            found = measure(world, write_pulses(folder / "pulses.alaw"), seconds)
        except (AssertionError, LauncherError) as error:
            print(f"alignment: {error}", file=sys.stderr)
            return 1
        finally:
            world.stop()
    count, fewest = len(found.own.offsets), seconds / PERIOD_SECONDS * 0.95 - 3
    if count < fewest:
        print(f"alignment: only {count} pulses were recorded", file=sys.stderr)
        return 1
    print("\n".join(table(found)))
    over = sum(abs(offset) > LIMIT_MS + EXACT_MS for offset in found.own.offsets)
    print(
        f"\nof {count} pulses {over} further apart than {LIMIT_MS:g} ms by the recording's doing;"
    )
    print(f"largest {found.own.largest:.1f} ms, drift {found.own.drift:+.1f} ms", end="; ")
    print("above 0: the agent's side is later.")
    print(f"The phones themselves, on this machine, were late by up to {found.latest_ms:.0f} ms.")
    return 0 if over == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
