"""What Asterisk's manager interface costs each call, though nobody listens to its events.

Two Asterisks with the same dialplan, one with the interface as it is configured for pausing
recordings, one without it, take the same bursts in turn. Prints the ratio of processor time.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from native.root import LauncherError, find_asterisk
from native.tones import write_tone
from tests.asterisk.world import REPO

from .machine import median
from .sides import DialplanSide, write_prompts
from .signalling import accept

console = Console(soft_wrap=True)


def _check(side: DialplanSide, wanted: bool) -> None:
    """Whether Asterisk itself says that it has the interface. Raises LauncherError."""
    said = side.pbx.cli("manager show settings")
    there = re.search(r"Manager \(AMI\):\s+(Yes|No)", said)
    if there is None or (there[1] == "Yes") != wanted:
        raise LauncherError(f"the manager interface is not as the bench wants it: {said}")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="tests/bench/manager", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="default %(default)s")
    parser.add_argument("--calls", type=int, default=320, help="in each, default %(default)s")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="manager-") as name:
        folder = Path(name)
        sides: list[DialplanSide] = []
        try:
            install, prompts = find_asterisk(REPO / ".cache"), write_prompts(folder / "prompts")
            for kind in ("with", "without"):
                home = folder / f"{folder.name}-{kind}"
                home.mkdir()
                sides.append(DialplanSide(install, prompts, home, 0, manager=kind == "with"))
                sides[-1].name = kind
                sides[-1].set_capacity(720)
                _check(sides[-1], kind == "with")
            tone = write_tone(folder / "caller.alaw", 440)
            costs = accept(sides, asked.rounds, asked.calls, tone)
        except LauncherError as error:
            print(f"manager: {error}", file=sys.stderr)
            return 1
        finally:
            for side in sides:
                side.stop()
    rounds = zip(costs["with"].asterisk_ms, costs["without"].asterisk_ms, strict=True)
    ratios = sorted(one / other for one, other in rounds)
    for kind, cost in costs.items():
        console.print(f"{kind}: {median(cost.asterisk_ms):.2f} ms a call")
    console.print(
        f"with / without: x {median(ratios):.3f}"
        f" ({ratios[0]:.3f} to {ratios[-1]:.3f} in {len(ratios)} rounds)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
