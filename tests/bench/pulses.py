"""Pulses that two phones sound at the same moments, and how far apart a recording has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from native.tones import alaw, tone
from pln_ivr.recordings.sound import RATE, Samples

PERIOD_SECONDS = 2.0
"""From one pulse to the next: what is half of it apart could not be told from a pulse too few."""

PULSE_SECONDS = 0.06
PULSE_HZ = 1000.0
LOUD = 2000
"""A pulse's samples go to 8000; nothing else is sent."""

QUIET = RATE // 5
"""So many samples below LOUD come before a pulse: within one there are fewer."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """How far apart the two sides' pulses are, in milliseconds; above 0: the second is later."""

    offsets: Sequence[float]
    places: Sequence[float] = ()
    """Where the first side's pulses are, in seconds."""

    @property
    def largest(self) -> float:
        """The largest, in either direction; there must be one."""
        return max(map(abs, self.offsets))

    @property
    def drift(self) -> float:
        """By how much the last quarter's middle differs from the first quarter's."""
        quarter = max(1, len(self.offsets) // 4)
        first, last = self.offsets[:quarter], self.offsets[-quarter:]
        return float(np.median(last) - np.median(first))


def write_pulses(path: Path) -> Path:
    """The sound of an `Ear` that keeps time: raw alaw, one pulse to be looped."""
    pulse = tone(PULSE_HZ, PULSE_SECONDS)
    rest = round(PERIOD_SECONDS * RATE) - len(pulse)
    path.write_bytes(pulse + alaw([0]) * rest)
    return path


def onsets(samples: Samples) -> list[int]:
    """Where pulses begin, by sample."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > LOUD)
    if not len(loud):
        return []
    begins = np.flatnonzero(np.diff(loud, prepend=-QUIET - 1) > QUIET)
    return [int(loud[begin]) for begin in begins]


def aligned(first: Samples, second: Samples) -> Aligned:
    """Each pulse of the one side against the nearest of the other. The first and the last may be
    cut."""
    here, there = onsets(first), np.array(onsets(second))
    if len(here) < 3 or len(there) < 3:
        return Aligned(())
    nearest = [there[np.abs(there - at).argmin()] for at in here[1:-1]]
    return Aligned(
        tuple(float(far - at) * 1000 / RATE for at, far in zip(here[1:-1], nearest, strict=True)),
        tuple(at / RATE for at in here[1:-1]),
    )
