"""From Asterisk's raw recording to the archive's WAV file. Plain file work, no asyncio.

Asterisk writes 16-bit samples at 8 kHz, two channels, agent left and customer right,
without a header: a crash of anything leaves a file that can be read up to that moment.
The archive's file has the customer left, as design and listeners expect.
"""

from __future__ import annotations

import os
import wave
from array import array
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pln_ivr.errors import RecordingError

RATE = 8000
FRAME_BYTES = 4  # two channels of 16 bits
BYTES_PER_SECOND = RATE * FRAME_BYTES
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Filed:
    """A recording in the archive."""

    path: Path
    seconds: float


def file_recording(raw: Path, wav: Path, at_least_seconds: float = 0.0) -> Filed:
    """Turn `raw` into `wav` and remove `raw`; never leaves half a file under the final name.

    Raises RecordingError, and leaves `raw` for another try, if it still grows or is shorter
    than `at_least_seconds` (Asterisk may not have written its end yet), or if the disk
    refuses. Running it again after any failure is safe.
    """
    part = wav.with_suffix(".part")
    try:
        wav.parent.mkdir(parents=True, exist_ok=True)
        seconds = raw.stat().st_size / BYTES_PER_SECOND
        if seconds < at_least_seconds:  # before converting all of it in vain
            raise RecordingError(
                f"{raw}: {seconds:.1f} s recorded of {at_least_seconds:.1f} s or more"
            )
        frames = _convert(raw, part)
        if raw.stat().st_size // FRAME_BYTES != frames:
            raise RecordingError(f"{raw}: the recording is still being written")
        os.replace(part, wav)
        _sync_folder(wav.parent)
        remove_raw(raw)
    except OSError as error:
        raise RecordingError(f"{raw}: cannot be filed as {wav}: {error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return Filed(wav, frames / RATE)


def remove_raw(raw: Path) -> None:
    """Remove a raw recording, and its call's folder if that is empty now. Raises OSError."""
    raw.unlink(missing_ok=True)
    with suppress(OSError):  # missing, or another recording of the call is in it
        raw.parent.rmdir()


def _convert(raw: Path, part: Path) -> int:
    frames = 0
    with raw.open("rb") as source, part.open("wb") as target:
        with wave.open(target, "wb") as out:
            out.setnchannels(2)
            out.setsampwidth(2)
            out.setframerate(RATE)
            while block := source.read(_BLOCK_BYTES):
                samples = array("h", block[: len(block) - len(block) % FRAME_BYTES])
                samples[0::2], samples[1::2] = samples[1::2], samples[0::2]
                out.writeframesraw(samples.tobytes())
                frames += len(samples) // 2
        target.flush()
        os.fsync(target.fileno())
    return frames


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
