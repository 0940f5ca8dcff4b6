"""The command: start both sides, run every scenario in turns, print, write, clean up."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from rich.console import Console

from native.root import LauncherError, find_asterisk
from native.tones import write_tone
from tests.asterisk.world import REPO

from . import media, report, signalling, soak, transports
from .load import LoadError
from .sides import AppSide, DialplanSide, Side, idle_shares, write_prompts

console = Console()
FULL_HOUSE = 720


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything."""

    rounds: int
    rejects: int
    accepts: int
    agents: int
    talk_rounds: int
    held: int
    windows: int
    window_seconds: float
    soak: int
    requests: int
    transport_rounds: int


WHOLE = Plan(5, 3000, 320, 40, 3, FULL_HOUSE, 3, 8.0, 20_000, 200, 4)
QUICK = Plan(2, 1200, 160, 16, 2, 240, 2, 5.0, 12_000, 80, 2)


class Bench:
    """Both sides, and the scenarios on them."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._caller = write_tone(folder / "caller.alaw", 440)
        self._agent = write_tone(folder / "agent.alaw", 660)
        self._sides: list[Side] = []
        self._idle: dict[str, list[float]] = {}
        install = find_asterisk(REPO / ".cache")
        prompts = write_prompts(folder / "prompts")
        try:
            self.app = AppSide(install, prompts, _made(folder, "app"), plan.agents)
            self._sides.append(self.app)
            self.plain = DialplanSide(install, prompts, _made(folder, "plain"), plan.agents)
            self._sides.append(self.plain)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End both sides and remove what they wrote."""
        for side in self._sides:
            side.stop()

    def scenarios(self) -> dict[str, Callable[[], object]]:
        """In the order in which they must run: memory of held calls needs fresh processes."""
        return {
            "idle": self._measure_idle,
            "held": self._held,
            "reject": self._reject,
            "accept": self._accept,
            "conversation": self._conversation,
            "memory": self._memory,
            "transports": self._transports,
        }

    def _measure_idle(self) -> object:
        self._idle = {side.name: idle_shares(side, 6.0) for side in self._sides}
        return self._idle

    def _held(self) -> object:
        plan = self._plan
        found = {name: media.Held() for name in media.HELD_NUMBER}
        much = (plan.held, plan.windows, plan.window_seconds)
        media.hold(self.app, "pln_ivr", *much, found["pln_ivr"])
        media.hold(self.plain, "dialplan", *much, found["dialplan"])
        self.plain.pbx.restart()  # its memory must be as fresh for the reference
        media.hold_by_ari(self.plain, *much, found["bare ARI"])
        media.hold(self.app, "pln_ivr", *much, found["pln_ivr"])
        return {name: held.figures() for name, held in found.items()}

    def _reject(self) -> object:
        self._set_capacity(0)
        costs = signalling.reject(self._sides, self._plan.rounds, self._plan.rejects)
        return {name: cost.figures() for name, cost in costs.items()}

    def _accept(self) -> object:
        self._set_capacity(FULL_HOUSE)
        costs = signalling.accept(self._sides, self._plan.rounds, self._plan.accepts, self._caller)
        return {name: cost.figures() for name, cost in costs.items()}

    def _conversation(self) -> object:
        self._set_capacity(FULL_HOUSE)
        self.app.make_agents_ready()
        found = media.conversations(
            self._sides,
            self._idle,
            rounds=self._plan.talk_rounds,
            calls=self._plan.agents,
            talk=10.0,
            tones=(self._caller, self._agent),
        )
        return {name: talk.figures() for name, talk in found.items()}

    def _memory(self) -> object:
        self._set_capacity(soak.CAPACITY)
        return {side.name: soak.soak(side, self._plan.soak).figures() for side in self._sides}

    def _transports(self) -> object:
        found = transports.compare(self.plain, self._plan.transport_rounds, self._plan.requests)
        return {
            what: {way: measured.figures() for way, measured in ways.items()}
            for what, ways in found.items()
        }

    def _set_capacity(self, capacity: int) -> None:
        for side in self._sides:
            side.set_capacity(capacity)


def _made(folder: Path, name: str) -> Path:
    """A folder for one side. Its name is that of the instance too, so it is this run's own."""
    made = folder / f"{folder.name}-{name}"
    made.mkdir()
    return made


def main() -> int:
    """Run it; the exit code is 1 if the bench itself failed, never for a missed target."""
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer calls: a look, not a verdict")
    parser.add_argument("--json", type=Path, default=REPO / ".cache/bench.json", metavar="FILE")
    parser.add_argument("--only", default="", metavar="NAMES", help="e.g. reject,accept")
    choice = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    only = set(filter(None, choice.only.split(",")))
    plan = QUICK if choice.quick else WHOLE
    results: report.Results = {
        "quick": choice.quick,
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "choices": transports.choices(),
    }
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        try:
            bench = Bench(plan, Path(folder))
        except LauncherError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
        try:
            for name, scenario in bench.scenarios().items():
                if only and name not in only | {"idle"}:
                    continue
                began = time.monotonic()
                results[name] = scenario()
                console.print(f"{name}: measured in {time.monotonic() - began:.0f} s", style="dim")
        except (LauncherError, LoadError) as error:
            print(f"bench: {name}: {error}", file=sys.stderr)
            return 1
        finally:
            bench.stop()
            report.write_json(choice.json, results)
    report.print_all(console, results)
    console.print(f"All figures: {choice.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
