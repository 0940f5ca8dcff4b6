"""The sound itself: from Asterisk's raw samples to a compressed file, measured on the way.

Asterisk writes 16-bit samples at 8 kHz, two channels, agent left and customer right,
without a header: a crash of anything leaves a file that can be read up to that moment.
The archive's file has the customer left, as design and listeners expect. This is the only
user of PyAV (FFmpeg's libraries: Opus, FLAC) and NumPy.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.audio.stream import AudioStream

from pln_ivr.errors import RecordingError
from pln_ivr.recordings.forms import Codec, Side
from pln_ivr.recordings.ogg import name_sides, pre_skip_seconds

RATE = 8000
FRAME_BYTES = 4  # two channels of 16 bits
BYTES_PER_SECOND = RATE * FRAME_BYTES
BLOCK_FRAMES = RATE * 10

OPUS_BITS_PER_SECOND = 32_000
"""Of both sides."""

OPUS_COMPLEXITY = 1
"""Of 0 to 10. Higher ones cost twice the processor time and make the file no smaller: as there."""

WINDOW = RATE // 10
LOUD = 184.0
"""A window's root mean square above this is sound: -45 dB of full scale, between a quiet talker
(-35) and a room's noise in a telephone (-55)."""

TOLERANCE_SECONDS = 0.04
"""Two of Opus's frames: what encoding may add or cut."""

NOTHING = 16
"""No sample beyond this: nothing at all comes from that side, not even noise. A-law's and
mu-law's own zeros are 8 and 0."""

Samples = np.ndarray[tuple[int, ...], np.dtype[np.int16]]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A recording in its archive's form."""

    content: bytes
    seconds: float
    """As the file itself says."""
    customer: Side
    agent: Side


Places = Sequence[tuple[float, float]]
"""Of a recording: from, to, in seconds."""


def encode(
    raw: Path, codec: Codec, paused: Callable[[float], Places] = lambda _seconds: ()
) -> Encoded:
    """Turn Asterisk's raw file into the archive's form. The content is held in memory: 4 KB a
    second at most in Opus, 20 in FLAC. `paused` tells where there should be silence, once it is
    known how long the recording is.

    Raises OSError if `raw` cannot be read, RecordingError if what was made is not as long as
    what was recorded.
    """
    meter, target = _Meter(), io.BytesIO()
    frames = 0
    with _Encoder(target, codec) as encoder:
        for block in _blocks(raw):
            encoder.add(block)
            meter.add(block)
            frames += len(block)
        if not frames:  # neither form can be empty
            encoder.add(np.zeros((WINDOW, 2), np.int16))
    content = target.getvalue()
    if codec is Codec.OPUS:
        content = name_sides(content)
    seconds = length_seconds(content)
    if abs(seconds - (frames or WINDOW) / RATE) > TOLERANCE_SECONDS:
        raise RecordingError(
            f"{raw}: {frames / RATE:.2f} s were recorded, but the {codec} made of it has"
            f" {seconds:.2f} s"
        )
    customer, agent = meter.sides(paused(frames / RATE))
    return Encoded(content, seconds if frames else 0.0, customer, agent)


def to_wav(content: bytes) -> bytes:
    """A recording's file as WAV, customer left. Raises RecordingError if it is none."""
    samples = decode(content)
    made = io.BytesIO()
    with wave.open(made, "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.astype("<i2").tobytes())
    return made.getvalue()


def length_seconds(content: bytes) -> float:
    """How long a recording's file plays, by its own account. Raises RecordingError if it is
    none."""
    try:
        with av.open(io.BytesIO(content), "r") as file:
            stream = file.streams.audio[0]
            if stream.duration is None or stream.time_base is None:
                raise RecordingError("a file without a length is no recording")
            seconds = float(stream.duration * stream.time_base)
            return seconds - pre_skip_seconds(stream.codec_context.extradata)
    except (av.FFmpegError, IndexError) as error:
        raise RecordingError(f"not a recording: {error}") from None


def decode(content: bytes) -> Samples:
    """The samples of a recording's file, 8 kHz, customer left. Raises RecordingError."""
    parts: list[Samples] = []
    try:
        with av.open(io.BytesIO(content), "r") as file:
            resampler = av.AudioResampler("s16", "stereo", RATE)
            for frame in [*file.decode(audio=0), None]:
                parts += map(_samples, resampler.resample(frame))
    except (av.FFmpegError, IndexError) as error:
        raise RecordingError(f"not a recording: {error}") from None
    return np.concatenate(parts) if parts else np.zeros((0, 2), np.int16)


def _samples(frame: av.AudioFrame) -> Samples:
    return cast(Samples, frame.to_ndarray().reshape(-1, 2))


def _blocks(raw: Path) -> Iterator[Samples]:
    """The raw file's samples with the customer left; half a frame at its end is left out."""
    with raw.open("rb") as file:
        while data := file.read(BLOCK_FRAMES * FRAME_BYTES):
            whole = len(data) - len(data) % FRAME_BYTES
            if whole:
                yield np.frombuffer(data[:whole], "<i2").reshape(-1, 2)[:, ::-1].astype(np.int16)


class _Encoder:
    """Writes one file. A context manager: the file is whole when it has been left."""

    def __init__(self, target: io.BytesIO, codec: Codec) -> None:
        opus = codec is Codec.OPUS
        self._file: Any = av.open(target, "w", format="ogg" if opus else "flac")
        self._stream = self._open_stream(opus)
        self._at = 0

    def _open_stream(self, opus: bool) -> AudioStream:
        # voip: made for speech; 8 kHz stays 8 kHz. Family 255: each side by itself, see `ogg`.
        options = {
            "application": "voip",
            "compression_level": str(OPUS_COMPLEXITY),
            "mapping_family": "255",
        }
        stream = self._file.add_stream(
            "libopus" if opus else "flac", rate=RATE, options=options if opus else {}
        )
        stream.layout = "stereo"
        stream.codec_context.thread_count = 1  # one core at most is taken from live calls
        if opus:
            stream.bit_rate = OPUS_BITS_PER_SECOND
        return cast(AudioStream, stream)

    def __enter__(self) -> _Encoder:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if error is None:
            self._write(None)
        self._file.close()

    def add(self, samples: Samples) -> None:
        frame = av.AudioFrame("s16", "stereo", len(samples))
        frame.planes[0].update(np.ascontiguousarray(samples).tobytes())
        frame.rate = RATE
        frame.pts = self._at
        frame.time_base = Fraction(1, RATE)
        self._at += len(samples)
        self._write(frame)

    def _write(self, frame: av.AudioFrame | None) -> None:
        for packet in self._stream.encode(frame):
            self._file.mux(packet)


class _Meter:
    """Listens to both sides while they are encoded."""

    def __init__(self) -> None:
        self._loud: list[Any] = []
        self._nothing: list[Any] = []

    def add(self, block: Samples) -> None:
        """Blocks are whole windows, but for the last one."""
        for start in range(0, len(block), BLOCK_FRAMES):
            part = block[start : start + BLOCK_FRAMES]
            whole = len(part) // WINDOW * WINDOW
            if not whole:
                continue
            windows = part[:whole].astype(np.int32).reshape(-1, WINDOW, 2)
            power = np.sqrt((windows.astype(np.float64) ** 2).mean(axis=1))
            self._loud.append(power > LOUD)
            self._nothing.append(np.abs(windows).max(axis=1) <= NOTHING)

    def sides(self, paused: Places) -> tuple[Side, Side]:
        """The customer and the agent."""
        if not self._loud:
            return Side(0.0, 0.0, 0.0), Side(0.0, 0.0, 0.0)
        loud, nothing = np.concatenate(self._loud), np.concatenate(self._nothing)
        return _side(loud, nothing, 0, paused), _side(loud, nothing, 1, paused)


def _side(loud: Any, nothing: Any, which: int, paused: Places) -> Side:
    windows = RATE / WINDOW
    silent = [slice(round(begin * windows), round(end * windows)) for begin, end in paused]
    something = np.flatnonzero(~nothing[:, which])
    since = int(something[-1]) + 1 if len(something) else 0
    seconds = WINDOW / RATE
    return Side(
        sound_seconds=float(loud[:, which].sum() * seconds),
        nothing_seconds=float((len(loud) - since) * seconds),
        sound_meanwhile=float(loud[since:, 1 - which].sum() * seconds),
        pause_seconds=float(sum(loud[part, which].sum() for part in silent) * seconds),
    )
