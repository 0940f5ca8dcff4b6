"""How a telephone tells of its keys: as events in RTP (RFC 4733), by SIP INFO, or as tones."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path

from native.tones import RATE, alaw

KEYS = "0123456789*#ABCD"
"""In the order of their numbers as events (RFC 4733, section 3.2)."""

FRAME = 160
"""Samples in 20 ms."""
_LOW, _HIGH = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
_PAD = ("123A", "456B", "789C", "*0#D")
_EVENT = struct.Struct("!BBH")
_HELD_FRAMES, _ENDS = 6, 3


def events(key: str) -> Iterator[tuple[bytes, bool]]:
    """The payloads that one key is told with, 20 ms apart; and whether the RTP marker is set."""
    number = KEYS.index(key)
    for frame in range(_HELD_FRAMES):
        yield _EVENT.pack(number, 10, FRAME * (frame + 1)), frame == 0
    for _ in range(_ENDS):
        yield _EVENT.pack(number, 0x80 | 10, FRAME * _HELD_FRAMES), False


def write_tones(path: Path, keys: str, after: float = 1.0, silence: float = 60.0) -> Path:
    """Write the keys' tones as raw alaw, for phones that know no other way: `after` seconds of
    silence, each key for 120 ms with 120 ms between, then `silence`. Returns its path."""
    sound = alaw([0] * int(after * RATE))
    for key in keys:
        row = next(number for number, row in enumerate(_PAD) if key in row)
        pair = (_LOW[row], _HIGH[_PAD[row].index(key)])
        sound += alaw(
            int(6000 * sum(math.sin(2 * math.pi * hertz * n / RATE) for hertz in pair))
            for n in range(RATE * 120 // 1000)
        )
        sound += alaw([0] * (RATE * 120 // 1000))
    path.write_bytes(sound + alaw([0] * int(silence * RATE)))
    return path
