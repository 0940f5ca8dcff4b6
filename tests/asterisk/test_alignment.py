"""Both sides of a recording lie at the same place in time, also in the archive's form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.asterisk.world import World
from tests.bench.alignment import EXACT_MS, LIMIT_MS, measure
from tests.bench.pulses import PERIOD_SECONDS, write_pulses

SECONDS = 20.0


def test_what_both_say_at_once_is_at_one_place(
    make_world: Callable[..., World], tmp_path: Path
) -> None:
    found = measure(make_world(["101"]), write_pulses(tmp_path / "pulses.alaw"), SECONDS)
    assert len(found.own.offsets) >= SECONDS / PERIOD_SECONDS - 4
    assert found.own.largest <= LIMIT_MS + EXACT_MS, (found.recorded.offsets, found.latest_ms)
