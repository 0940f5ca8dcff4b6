"""What the crowd wants, and how its telephones ask for it: keys as RTP events.

Each caller has one wish, drawn from a seed: the same one whatever there is to be had. Who cannot
have it waits for an agent. The shares are assumptions.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from native.phones import keys_of

from .day import TICK_MS, Day

SLACK_SECONDS = 1.5
"""After the statement's end: how late the program may be to listen."""
KEYING_SECONDS = 0.25
"""For each key, as SIPp sends them."""
LAST_WORDS_SECONDS = 6.0
"""After the last key, until who has reported hangs up."""
AREA = "51"
"""Begins every customer number."""


class Wish(StrEnum):
    """What somebody calls for."""

    TOLD = "told"  # content to hear that it is known
    REPORT = "report"
    CALLBACK = "callback"
    AGENT = "agent"


SHARES = {Wish.TOLD: 0.3, Wish.REPORT: 0.2, Wish.CALLBACK: 0.1, Wish.AGENT: 0.4}


@dataclass(frozen=True, slots=True)
class Offered:
    """What there is to be had on one day, and how long a caller listens before choosing."""

    name: str
    statement: bool = False
    reports: bool = False
    callbacks: bool = False
    share: float = 0.0
    """See release.share."""

    @property
    def keys(self) -> dict[Wish, str]:
        """What callers press, after the number of the report."""
        if not self.reports:
            return {}
        keys = {Wish.REPORT: "1", Wish.CALLBACK: "0", Wish.AGENT: "0"}
        return keys | ({Wish.CALLBACK: "21"} if self.callbacks else {})


def wishes(day: Day) -> list[Wish]:
    """Each caller's."""
    dice = random.Random(day.seed + 1)
    return dice.choices(list(SHARES), list(SHARES.values()), k=day.calls)


def fields(day: Day, offered: Offered, listened: float, longest: float) -> list[str]:
    """A line for each caller: the crowd's, and in how many ticks which keys are pressed.

    `listened` are the seconds of notice and statement. Nobody has more patience than `longest`.
    """
    lines = []
    for number, (line, wish) in enumerate(zip(day.callers(), wishes(day), strict=True)):
        caller, ticks, redials, pause = line.split(";")
        patience = min(int(ticks), _ticks(longest))
        at, keys = 0, offered.keys.get(wish, "")
        if keys:
            at = _ticks(listened + SLACK_SECONDS)
            if wish is Wish.REPORT:
                keys += f"{AREA}{number:010d}#1"
                done = at + _ticks(KEYING_SECONDS * len(keys) + LAST_WORDS_SECONDS)
                patience = min(patience, done) if patience < at else done
            elif wish is Wish.CALLBACK and offered.callbacks:
                patience = (
                    max(patience, at + _ticks(LAST_WORDS_SECONDS)) if patience >= at else patience
                )
        if wish is Wish.TOLD and offered.statement:
            patience = min(patience, _ticks(listened + SLACK_SECONDS))
        lines.append(f"{caller};{patience};{redials};{pause};{at};{keys}")
    return lines


def words() -> dict[str, str]:
    """What scenarios/crowd.xml needs to press them."""
    begin = (
        '<nop><action><assignstr assign_to="words" value="[field4]"/>'
        '<todouble assign_to="until_keys" variable="words"/></action></nop>'
    )
    press = (
        '<nop><action><subtract assign_to="until_keys" value="1"/>'
        '<test assign_to="not_now" variable="until_keys" compare="not_equal" value="0"/>'
        '</action></nop><nop next="no_keys" test="not_now"/>'
        '<nop><action><log message="pressed [field0] [clock_tick]"/>'
        '<exec play_dtmf="[field5]"/></action></nop><label id="no_keys"/>'
    )
    return {**keys_of("1"), "wishes": begin, "keys": press, "audio_port": "[media_port]"}


def counts(day: Day) -> Counter[Wish]:
    """How many callers wish what."""
    return Counter(wishes(day))


def _ticks(seconds: float) -> int:
    return max(1, round(seconds * 1000 / TICK_MS))
