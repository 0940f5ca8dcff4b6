"""Looking into recordings: which tone is in which channel, and for how long."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from pathlib import Path

from pln_ivr.recordings.sound import length_seconds
from tests.archiving import samples_of

RATE = 8000
WINDOW = RATE // 10


def power(samples: array[int], hertz: float) -> float:
    """How much of a window's energy is at one frequency, 0 to 1 (Goertzel's filter)."""
    total = sum(sample * sample for sample in samples)
    if not total:
        return 0.0
    turn = 2 * math.cos(2 * math.pi * hertz / RATE)
    last = before = 0.0
    for sample in samples:
        last, before = sample + turn * last - before, last
    return (last * last + before * before - turn * last * before) / (total * len(samples) / 2)


def seconds_of_tone(samples: array[int], hertz: float) -> float:
    """For how long this tone dominates, in windows of a tenth of a second."""
    windows = range(0, len(samples) - WINDOW + 1, WINDOW)
    return sum(power(samples[at : at + WINDOW], hertz) > 0.8 for at in windows) / 10


def channels(path: Path) -> tuple[array[int], array[int]]:
    """The left and the right channel of a recording."""
    left, right = samples_of(path)
    return array("h", left.tobytes()), array("h", right.tobytes())


def seconds_of(path: Path) -> float:
    """How long a recording is."""
    return length_seconds(path.read_bytes())


def both_tones(path: Path, *, left: float, right: float, seconds: float) -> None:
    """Assert that each side's tone is in its own channel, for most of the conversation."""
    customer, agent = channels(path)
    assert abs(len(customer) / RATE - seconds) < 1.0
    assert seconds_of_tone(customer, left) > 0.8 * seconds
    assert seconds_of_tone(agent, right) > 0.8 * seconds
    assert seconds_of_tone(customer, right) == 0
    assert seconds_of_tone(agent, left) == 0


def from_alaw(alaw: bytes | bytearray) -> array[int]:
    """A-law to 16 bit."""
    out = array("h")
    for byte in alaw:
        value = byte ^ 0x55
        segment, sample = (value & 0x70) >> 4, (value & 0x0F) << 4
        sample += 8 if segment == 0 else 0x108
        sample <<= max(0, segment - 1)
        out.append(sample if value & 0x80 else -sample)
    return out


def loudness(samples: Sequence[int]) -> float:
    """Root mean square of the samples."""
    return math.sqrt(sum(s * s for s in samples) / max(1, len(samples)))
