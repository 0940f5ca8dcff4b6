"""The bench's own measure of alignment finds what was put in."""

from __future__ import annotations

import numpy as np
import pytest

from pln_ivr.recordings.sound import Samples
from tests.archiving import tone
from tests.bench.pulses import PULSE_HZ, aligned, onsets

RATE = 8000


def pulsing(count: int, late: int = 0) -> Samples:
    """So many pulses, two seconds from each other, each so many samples late."""
    made = np.zeros(count * 2 * RATE + RATE, np.int16)
    pulse = tone(PULSE_HZ, 0.06)
    for number in range(count):
        at = number * 2 * RATE + 400 + late
        made[at : at + len(pulse)] = pulse
    return made


def test_each_pulse_is_found_where_it_begins() -> None:
    found = onsets(pulsing(4))
    assert len(found) == 4
    assert all(0 <= at - (number * 2 * RATE + 400) < 8 for number, at in enumerate(found))


@pytest.mark.parametrize("ms", [-120, -3, 0, 20, 45])
def test_the_offset_is_what_was_put_in(ms: int) -> None:
    found = aligned(pulsing(8), pulsing(8, late=ms * RATE // 1000))
    assert len(found.offsets) == 6
    assert all(offset == ms for offset in found.offsets)
    assert found.largest == abs(ms)
    assert found.drift == 0


def test_a_side_that_falls_behind_shows_as_drift() -> None:
    behind = np.concatenate([pulsing(6), pulsing(6, late=160)])
    found = aligned(np.concatenate([pulsing(6), pulsing(6)]), behind)
    assert found.drift == 20


def test_silence_is_not_aligned() -> None:
    assert aligned(pulsing(8), np.zeros(16 * RATE, np.int16)).offsets == ()
