"""The head of an Ogg Opus file (RFC 7845): which of its streams is whose side.

libopus codes two channels together and lets a part of one side be heard on the other: -26 dB, as
`tests/bench/archive` has it. So each side is a stream of its own, which FFmpeg only writes
as family 255, channels without a meaning. Family 1 says left and right of the same two
streams, and every player knows it.
"""

from __future__ import annotations

from pln_ivr.errors import RecordingError

_MAGIC = b"OpusHead"
_FAMILY = 18  # where in the head: after magic, version, channels, pre-skip, rate, gain
_TWO_STREAMS = bytes([2, 0, 0, 1])  # two, none of them coupled; left is the first
_DISCRETE, _NAMED = 255, 1
_CHECKSUM = slice(22, 26)  # of an Ogg page (RFC 3533 §6)
_POLYNOMIAL = 0x04C11DB7
CLOCK = 48_000
"""In which Opus counts, whatever the sound's rate."""


def name_sides(content: bytes) -> bytes:
    """The same file with its two streams called left and right. Raises RecordingError if it does
    not begin with such a head."""
    segments = 27 + content[26] if content[:4] == b"OggS" else 0
    end = segments + sum(content[27:segments])
    head = content[segments:end]
    told = head[_FAMILY:] == bytes([_DISCRETE, *_TWO_STREAMS])
    if not (told and head.startswith(_MAGIC)):
        raise RecordingError("the encoder did not make two streams of the two sides")
    page = bytearray(content[:end])
    page[segments + _FAMILY] = _NAMED
    page[_CHECKSUM] = bytes(4)
    page[_CHECKSUM] = _checksum(page).to_bytes(4, "little")
    return bytes(page) + content[end:]


def pre_skip_seconds(head: bytes | None) -> float:
    """What a decoder throws away at the beginning; 0 of what is no Opus."""
    if not head or not head.startswith(_MAGIC):
        return 0.0
    return int.from_bytes(head[10:12], "little") / CLOCK


def _checksum(page: bytes | bytearray) -> int:
    """Ogg's, a CRC of 32 bits without reflection. Of one page only: it is slow."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (_POLYNOMIAL if crc & 0x80000000 else 0)
        crc &= 0xFFFFFFFF
    return crc
