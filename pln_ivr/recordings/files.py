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


def file_recording(raw: Path, wav: Path) -> Filed:
    """Turn `raw` into `wav` and remove `raw`; never leaves half a file under the final name.

    A conversation in which neither side ever sent sound gives a file of no length. Raises
    RecordingError if `raw` still grows (then it is left for another try) or the disk
    refuses. Running it again after any failure is safe.
    """
    part = wav.with_suffix(".part")
    try:
        wav.parent.mkdir(parents=True, exist_ok=True)
        frames = _convert(raw, part)
        if raw.stat().st_size // FRAME_BYTES != frames:
            raise RecordingError(f"{raw}: the recording is still being written")
        os.replace(part, wav)
        _sync_folder(wav.parent)
        raw.unlink()
    except OSError as error:
        raise RecordingError(f"{raw}: cannot be filed as {wav}: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    _remove_empty_folders(raw.parent)
    return Filed(wav, frames / RATE)


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


def _remove_empty_folders(folder: Path) -> None:
    """The call's own folder goes with its last file; the day's stays, it is shared."""
    with suppress(OSError):
        folder.rmdir()
