"""Phones that remember what they said and heard: the referee of a recording.

Each conversation and each side has a tone of its own, so that what was heard tells whose it was,
and a recording's seconds of a tone can be compared with those that the other phone heard.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from native.root import LauncherError
from native.tones import tone
from pln_ivr.recordings.forms import Codec
from pln_ivr.recordings.sound import Samples, decode, encode
from tests.archiving import raw_of
from tests.asterisk.softphone import Message, Softphone
from tests.asterisk.sound import RATE, from_alaw

WINDOW = RATE // 25
"""40 ms: where a packet came late, the tone's phase leaps, and one window does not count."""
SHARE = 0.5
"""Of a window's energy: more than this at one frequency is that tone."""

PROMPTS_HERTZ = 200
"""Of all that callers hear before they talk: nobody's tone."""

LOWEST, HIGHEST, STEP = 300, 3300, 12
"""Hertz. Two tones at once in one bridge are further apart than a window can mistake: they are
given out in another order."""

_ALAW = np.array(from_alaw(bytes(range(256))), np.int16)


SURVIVING_SECONDS, LOST_SECONDS = 8.0, 0.1


def survives(hertz: int, folder: Path) -> bool:
    """Whether the archive keeps this tone for what it is, on either side: Opus, made for speech,
    does not keep every pure tone, and every third second of some sounds like another."""
    mine, other = (decoded(tone(one) * round(SURVIVING_SECONDS)) for one in (hertz, PROMPTS_HERTZ))
    raw = folder / "tone.raw"
    for side, sides in enumerate(((mine, other), (other, mine))):
        raw.write_bytes(raw_of(*sides))
        kept = decode(encode(raw, Codec.OPUS).content)[:, side]
        if seconds_of(kept, hertz) < SURVIVING_SECONDS - LOST_SECONDS:
            return False
    return True


class Tones:
    """Gives out tones that survive the archive, each once."""

    def __init__(self, folder: Path, count: int | None = None) -> None:
        """`folder` is for passing files; `count` how many are looked for, all if it is None."""
        there = [LOWEST + STEP * number for number in range((HIGHEST - LOWEST) // STEP)]
        spread = (there[number * 67 % len(there)] for number in range(len(there)))
        self._left = list(islice((one for one in spread if survives(one, folder)), count))
        if not self._left:
            raise LauncherError(
                "no tone survives the archive: are its sides in the wrong channels?"
            )
        self._lock = threading.Lock()
        self._given = 0

    def next(self) -> int:
        """The next one. After all have been given, the first again: long over by then."""
        with self._lock:
            self._given += 1
            return self._left[(self._given - 1) % len(self._left)]


def decoded(alaw: bytes) -> Samples:
    """A-law to 16 bit, many at once."""
    return _ALAW[np.frombuffer(alaw, np.uint8)]


def seconds_of(samples: Samples, hertz: float) -> float:
    """For how long this tone dominates, by windows."""
    windows = samples[: len(samples) // WINDOW * WINDOW].astype(np.float64).reshape(-1, WINDOW)
    energy = (windows**2).sum(axis=1)
    wave = np.exp(-2j * np.pi * hertz * np.arange(WINDOW) / RATE)
    power = np.abs(windows @ wave) ** 2 * 2 / WINDOW
    return float((power > SHARE * np.maximum(energy, 1.0)).sum()) * WINDOW / RATE


@dataclass(frozen=True, slots=True)
class Visit:
    """One call as one phone had it."""

    hertz: int
    """What the phone sounded."""
    heard: Samples


class Witness(Softphone):
    """An agent's phone: a new tone at every call, and the memory of each."""

    def __init__(self, name: str, sip_port: int, port: int, tones: Tones) -> None:
        super().__init__(name, sip_port, LOWEST, port)
        self._tones = tones
        self.hertz = 0
        """Of the call that there is, or was last."""
        self.visits: list[Visit] = []

    def note(self) -> None:
        """Remember the call that is over. Idempotent."""
        if self.hertz and self.answered.is_set():
            self.visits.append(Visit(self.hertz, heard_by(self)))
        self.answered.clear()

    def _ring(self, invite: Message) -> None:
        self.note()
        self.hertz = self._tones.next()
        self._sound.tone = tone(self.hertz)
        super()._ring(invite)

    def _end_of(self, message: Message) -> None:
        super()._end_of(message)
        self.note()


def heard_by(phone: Softphone) -> Samples:
    """All that a phone has heard in its call."""
    return decoded(b"".join(payload for _, payload in tuple(phone._sound.heard)))


def partner_of(phone: Softphone, agents: Callable[[], list[Witness]]) -> Witness | None:
    """Whose tone this phone hears now."""
    for agent in agents():
        shares = phone.shares(agent.hertz, seconds=0.3) if agent.hertz else []
        if shares and shares[0] > SHARE:
            return agent
    return None
