"""What is said of a recording's form and sound, for those who need not open it: the libraries that
do take memory and time to load, which only the worker processes and a few commands pay."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Codec(StrEnum):
    """In which form recordings are archived. The word ends the file's name."""

    OPUS = "opus"  # in Ogg: a ninth of the size, what browsers play
    FLAC = "flac"  # half the size, every sample as it was


@dataclass(frozen=True, slots=True)
class Side:
    """What was heard of one party."""

    sound_seconds: float
    """For how long it was louder than LOUD."""
    nothing_seconds: float
    """For how long nothing at all had come when the recording ended."""
    sound_meanwhile: float
    """For how long, within that, the other side was loud."""
    pause_seconds: float = 0.0
    """For how long it was loud where the recording was paused, but for the edges."""
