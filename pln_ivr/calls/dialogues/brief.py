"""A brief visit: what a caller chooses from who has heard the statement and has no seat to stay in.
Pure.

Every visit ends: silences, keys that mean nothing and refusals are counted together. After so many
the caller stays if there is room by then, like anybody without a keypad; else goodbye is said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pln_ivr.calls.dialogues.menu import GOODBYE, INVALID
from pln_ivr.outcomes import BriefEnd

TO_REPORT, TO_BE_CALLED = "release-report", "release-callback"
TO_WAIT, NO_ROOM = "release-wait", "release-no-room"
PROMPTS = (TO_REPORT, TO_BE_CALLED, TO_WAIT, NO_ROOM)
"""What is said besides the menu's words: press one to report, two to be called back, zero to wait
for an agent; nobody else can wait at this moment."""

REPORT, CALLBACK, WAIT = "1", "2", "0"


@dataclass(frozen=True, slots=True)
class Brief:
    """Where a caller is. `calls_back`: a callback can be had. `refused`: the caller wanted to wait,
    and there was no room."""

    tries: int
    calls_back: bool
    said: int = 1
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Listen:
    """Say these words, and wait for a key."""

    at: Brief
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Have the caller report an outage; `reported` tells what comes after it."""

    at: Brief


@dataclass(frozen=True, slots=True)
class CallBack:
    """Have the caller be called back; `asked_back` tells what comes after it."""

    at: Brief


@dataclass(frozen=True, slots=True)
class Leave:
    """The brief visit is over, and these words are said. Its end WAITS: the caller stays."""

    end: BriefEnd
    words: tuple[str, ...] = ()


Step = Listen | Report | CallBack | Leave


def begin(tries: int, calls_back: bool) -> Listen:
    """What is said first, after the statement."""
    at = Brief(tries, calls_back)
    return Listen(at, _choices(at))


def follow(at: Brief, key: str | None, room: bool) -> Step:
    """What comes after this key, or after none in time (None). `room`: the caller may stay."""
    if key == REPORT:
        return Report(at)
    if key == CALLBACK and at.calls_back:
        return CallBack(at)
    if key == WAIT:
        return _wait(at, room)
    return _again(at, () if key is None else (INVALID,), room)


def reported(at: Brief, registered: bool, to_agent: bool, room: bool) -> Step:
    """What comes after a report, or after what did not become one; `to_agent`: the caller wants
    one still, or needs one."""
    if to_agent and (room or not registered):
        return _wait(at, room)
    if registered:
        return Leave(BriefEnd.REPORTED, (*((NO_ROOM,) if to_agent else ()), GOODBYE))
    return _again(at, (), room)


def asked_back(at: Brief, noted: bool, room: bool) -> Step:
    """What comes after the wish to be called back; not `noted`: it came to nothing, and is not
    offered again."""
    if noted:
        return Leave(BriefEnd.CALLBACK, (GOODBYE,))
    return _again(replace(at, calls_back=False), (), room)


def out_of_time(at: Brief, room: bool, called_back: bool = False) -> Leave:
    """The end of a visit that has taken too long, or in which nothing was chosen. `called_back`: a
    callback was noted already, and was only being spoken of."""
    if called_back:
        return Leave(BriefEnd.CALLBACK, (GOODBYE,))
    if room:
        return Leave(BriefEnd.WAITS)
    return Leave(BriefEnd.NO_ROOM if at.refused else BriefEnd.ANNOUNCED, (GOODBYE,))


def _wait(at: Brief, room: bool) -> Step:
    if room:
        return Leave(BriefEnd.WAITS)
    return _again(replace(at, refused=True), (NO_ROOM,), room)


def _again(at: Brief, words: tuple[str, ...], room: bool) -> Step:
    if at.said >= at.tries:
        end = out_of_time(at, room)
        return end if end.end is BriefEnd.WAITS else replace(end, words=(*words, *end.words))
    at = replace(at, said=at.said + 1)
    return Listen(at, (*words, *_choices(at)))


def _choices(at: Brief) -> tuple[str, ...]:
    return (TO_REPORT, *((TO_BE_CALLED,) if at.calls_back else ()), TO_WAIT)
