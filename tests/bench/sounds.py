"""What comes from a customer's telephone: speech at several levels, noise, hum, silence.

A sound is a list of RTP packets, 20 ms each, and of which of them hold speech. Levels are in dBov:
0 is the loudest square wave that fits; speech on a telephone is at -18 to -35.
"""

from __future__ import annotations

import math
import random
import shutil
import subprocess
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from native.root import LauncherError
from native.tones import RATE, alaw
from tests.asterisk.sound import loudness

FRAME = 160
"""Samples in 20 ms."""
ALAW, COMFORT_NOISE = 8, 13
"""RTP payload types: G.711 A-law, and RFC 3389."""
DIGITAL_SILENCE = b"\xd5" * FRAME
SAID = (
    "Selamat pagi, saya mau melaporkan listrik padam di rumah saya.",
    "Alamatnya di Jalan Merdeka nomor dua belas, Bandung.",
    "Sudah sejak tadi malam, tetangga saya juga padam.",
    "Nomor pelanggannya lima tiga tujuh satu, nol delapan sembilan.",
)
PAUSES = (0.6, 1.6, 3.6, 1.6)
"""Seconds after each sentence."""
VOICES = ("id", "id+f3", "id", "id+f3")
_BAND = ("rate", "-h", str(RATE), "highpass", "300", "lowpass", "3400")
_SPOKEN = 0.06
"""A frame holds speech if it is at least this part as loud as speech on average: -24 dB."""


class Kind(Enum):
    """What a sound tells about a detector."""

    SPEECH = "speech"
    """Speech with pauses, over some background."""
    NOISE = "noise"
    """Nobody speaks."""
    DROPPED = "dropped"
    """Speech, then a telephone that sends no more audio: no setting can notice the end."""


@dataclass(frozen=True, slots=True)
class Packet:
    """What is sent in one 20 ms: a payload type and its bytes."""

    kind: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Sound:
    """One thing that customers sound like."""

    name: str
    kind: Kind
    packets: tuple[Packet | None, ...]
    """None: nothing is sent."""
    spoken: tuple[bool, ...]
    """Whether there is speech in each."""


def all_sounds() -> list[Sound]:
    """Every sound of the bench. Takes some seconds; raises LauncherError without espeak-ng, sox."""
    sentences = [_say(text, voice) for text, voice in zip(SAID, VOICES, strict=True)]
    dice = random.Random(3389)
    return [
        *(_speech(sentences, level, None, dice) for level in (-18, -26, -34, -40)),
        *(_speech(sentences, -26, noise, dice) for noise in (-50, -42)),
        _noise("silence (digital)", [0] * (6 * RATE)),
        *(_noise(f"white noise {level}", _white(level, 6, dice)) for level in (-65, -50, -46)),
        *(_noise(f"white noise {level}", _white(level, 6, dice)) for level in (-42, -38)),
        *(_noise(f"hum {level}", _hum(level, 6)) for level in (-50, -40)),
        _dropped(sentences[0], "then RFC 3389", Packet(COMFORT_NOISE, bytes([65]))),
        _dropped(sentences[2], "then no RTP", None),
    ]


def rest(seconds: float) -> list[Packet | None]:
    """Digital silence between two sounds, in which every detector comes to rest."""
    return [Packet(ALAW, DIGITAL_SILENCE)] * round(seconds * RATE / FRAME)


def _say(text: str, voice: str) -> array[int]:
    """A sentence in the telephone's band, without silence around it, at level 0."""
    for program in ("espeak-ng", "sox"):
        if shutil.which(program) is None:
            raise LauncherError(f"{program} is missing: apt-get install {program}")
    spoken = _run(["espeak-ng", "-v", voice, "-s", "145", "--stdout", text])
    raw = ("-t", "raw", "-e", "signed", "-b", "16", "-c", "1")
    cut = ("silence", "1", "0.02", "1%", "reverse")
    # By standard output espeak-ng gives no length: sox is to read on.
    source = ("--ignore-length", "-t", "wav", "-")
    sound = array("h", _run(["sox", "-R", *source, *raw, "-", *_BAND, *cut, *cut], spoken))
    return array("h", sound[: len(sound) // FRAME * FRAME])


def _run(command: Sequence[str], given: bytes = b"") -> bytes:
    done = subprocess.run(command, input=given, capture_output=True, timeout=60)
    if done.returncode != 0 or not done.stdout:
        raise LauncherError(f"{command[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _rms(level: float) -> float:
    return 32768.0 * math.pow(10.0, level / 20)


def _frames(samples: Sequence[int]) -> Iterable[Sequence[int]]:
    return (samples[at : at + FRAME] for at in range(0, len(samples), FRAME))


def _spoken(sentence: Sequence[int]) -> list[bool]:
    """Which frames hold speech."""
    least = _SPOKEN * loudness(sentence)
    return [loudness(frame) > least for frame in _frames(sentence)]


def _at(level: float, sentence: Sequence[int]) -> list[float]:
    """The sentence at that level, measured where it is spoken."""
    heard = [
        sample
        for frame, spoken in zip(_frames(sentence), _spoken(sentence), strict=True)
        if spoken
        for sample in frame
    ]
    scale = _rms(level) / loudness(heard)
    return [sample * scale for sample in sentence]


def _speech(
    sentences: Sequence[array[int]], level: float, noise: float | None, dice: random.Random
) -> Sound:
    samples: list[float] = []
    spoken: list[bool] = []
    for sentence, pause in zip(sentences, PAUSES, strict=True):
        quiet = round(pause * RATE / FRAME)
        samples += [*_at(level, sentence), *([0.0] * (quiet * FRAME))]
        spoken += [*_spoken(sentence), *([False] * quiet)]
    # A telephone line is never quite silent.
    background = -65 if noise is None else noise
    sigma = _rms(background)
    name = f"speech {level:g}" + ("" if noise is None else f" in noise {noise:g}")
    mixed = [round(sample + dice.gauss(0, sigma)) for sample in samples]
    return Sound(name, Kind.SPEECH, _packets(mixed), tuple(spoken))


def _dropped(sentence: array[int], how: str, last: Packet | None) -> Sound:
    """A sentence, then a packet of its own kind, then nothing for six seconds."""
    packets = _packets([round(sample) for sample in _at(-26, sentence)])
    silent = round(6 * RATE / FRAME)
    spoken = [*_spoken(sentence), *([False] * silent)]
    gone = (last, *([None] * (silent - 1)))
    return Sound(f"speech -26, {how}", Kind.DROPPED, (*packets, *gone), tuple(spoken))


def _noise(name: str, samples: Sequence[int]) -> Sound:
    packets = _packets(samples)
    return Sound(name, Kind.NOISE, packets, (False,) * len(packets))


def _white(level: float, seconds: float, dice: random.Random) -> list[int]:
    sigma = _rms(level)
    return [round(dice.gauss(0, sigma)) for _ in range(round(seconds * RATE))]


def _hum(level: float, seconds: float) -> list[int]:
    """The mains and its third and fifth harmonic."""
    parts = ((50, 0.8), (150, 0.5), (250, 0.33))
    peak = _rms(level) * math.sqrt(2)
    return [
        round(peak * sum(a * math.sin(2 * math.pi * hertz * n / RATE) for hertz, a in parts))
        for n in range(round(seconds * RATE))
    ]


def _packets(samples: Sequence[int]) -> tuple[Packet, ...]:
    return tuple(
        Packet(ALAW, alaw(max(-32768, min(32767, sample)) for sample in frame))
        for frame in _frames(samples)
    )
