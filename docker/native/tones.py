"""Generated tones as raw alaw, the voice of scripted phones."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

RATE = 8000
_SEGMENT_ENDS = (0x1F, 0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF, 0xFFF)


def alaw(samples: Iterable[int]) -> bytes:
    """16-bit samples as G.711 A-law."""
    return bytes(_encode(sample) for sample in samples)


def _encode(sample: int) -> int:
    value = sample >> 3
    mask = 0xD5
    if value < 0:
        mask, value = 0x55, -value - 1
    for segment, end in enumerate(_SEGMENT_ENDS):
        if value <= end:
            low = value >> (1 if segment < 2 else segment)
            return ((segment << 4) | (low & 0x0F)) ^ mask
    return 0x7F ^ mask


def tone(hertz: float, seconds: float = 1.0, level: float = 0.25) -> bytes:
    """A sine of whole periods as alaw, so that it loops without a click; `level` of full scale."""
    scale, step = 32767 * level, 2 * math.pi * hertz / RATE
    return alaw(int(scale * math.sin(step * n)) for n in range(int(RATE * seconds)))


def write_tone(path: Path, hertz: int, seconds: float = 1.0, level: float = 0.25) -> Path:
    """Write a `tone`; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tone(hertz, seconds, level))
    return path
