"""Every second of every conversation is in a recording, in the right channel: the phones are the
referee. `tests/bench/proof` has a hundred conversations, more faults, and a closer look."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.asterisk.world import World
from tests.bench.proof import House, account, run
from tests.bench.sides import write_prompts
from tests.bench.witness import PROMPTS_HERTZ, Tones

LACK_SECONDS = 1.5
"""Of one side of a conversation: packets are late where other tests run beside."""


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """A tone that is nobody's."""
    return write_prompts(tmp_path / "prompts", PROMPTS_HERTZ, 0)


def test_every_second_is_in_a_recording_though_the_program_is_killed(
    make_world: Callable[..., World], tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    world = make_world(
        ["101", "102", "103"], RECORDINGS__FOLDER=str(archive), AGENTS__WRAP_UP_SECONDS="0"
    )
    with ExitStack() as stack:
        house = House(world, stack, Tones(tmp_path, 30))
        found, verified = run(house, 6, [house.kill_app])
        sums = account(house, found, archive)
    assert sum(one.conversations for one in sums.values()) == 6
    assert {what: verified[what] for what in ("missing", "stray", "altered")} == {
        "missing": 0,
        "stray": 0,
        "altered": 0,
    }
    for kind, one in sums.items():
        assert one.without_file == 0, kind
        assert one.flagged == [], kind
        assert one.largest < LACK_SECONDS, one.unaccounted
    assert sum(one.recorded for one in sums.values()) > 6 * 2 * 0.8 * 8
