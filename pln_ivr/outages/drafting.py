"""Drafting a statement: what is wrong with it, how it reads, and how it sounds.

It is spoken when it is drafted, so that who approves it can hear what callers will.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pln_ivr.errors import PlnIvrError
from pln_ivr.journal.statements import StatementRow, draft_statement
from pln_ivr.outcomes import StatementStatus
from pln_ivr.speech import BYTES_PER_SECOND, Voice, recorded, spoken
from pln_ivr.wording import listed, spoken_moment

LONGEST_SECONDS = 60.0
"""Of what callers hear: everybody hears it, and a waiting caller's lease is 90 s."""

LONGEST_CAUSE, LONGEST_TEXT = 200, 1000
FURTHEST_RESTORATION = timedelta(days=30)


class DraftError(PlnIvrError):
    """A draft that makes no sense; `field` is the part that it is about."""

    def __init__(self, text: str, field: str) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What somebody wants callers to be told. `text` empty: it is made of the rest."""

    areas: tuple[str, ...] = ()
    cause: str
    restoration_at: datetime | None = None
    expires_at: datetime
    text: str = ""
    recording: Path | None = None


@dataclass(frozen=True, slots=True)
class DraftRules:
    """The settings' part: see config.outages."""

    areas: tuple[str, ...]
    zone: ZoneInfo
    longest: timedelta
    voice: Callable[[], Voice]
    """Reads the voice of the prompts; may raise PromptError."""


def latest_expiry(rules: DraftRules, now: datetime) -> datetime:
    """Until when something may be live that goes live, or is renewed, now. Pure."""
    return now + rules.longest


def check(draft: Draft, rules: DraftRules, now: datetime) -> None:
    """Raises DraftError for the first thing that cannot be so. Pure."""
    for area in draft.areas:
        if rules.areas and area not in rules.areas:
            raise DraftError(
                f"there is no area {area!r}; there are: {', '.join(rules.areas)}", "areas"
            )
        _check_words(area, 40, "areas")
    if len(set(draft.areas)) < len(draft.areas):
        raise DraftError("an area is named twice", "areas")
    _check_words(draft.cause, LONGEST_CAUSE, "cause")
    if draft.text:
        _check_words(draft.text, LONGEST_TEXT, "text")
    if draft.recording and not draft.text:
        raise DraftError("a recording needs its words as a text, for agents to read", "text")
    if draft.expires_at <= now:
        raise DraftError("it would be over already: that time is past", "expires_at")
    if draft.expires_at > latest_expiry(rules, now):
        hours = rules.longest / timedelta(hours=1)
        raise DraftError(
            f"it may be live for {hours:g} hours at most, and be renewed then", "expires_at"
        )
    if draft.restoration_at is None:
        return
    if draft.restoration_at <= now:
        raise DraftError("power cannot be expected back at a time that is past", "restoration_at")
    if draft.restoration_at > now + FURTHEST_RESTORATION:
        raise DraftError(
            f"power is expected back within {FURTHEST_RESTORATION.days} days, or it is not known",
            "restoration_at",
        )


def _check_words(text: str, most: int, field: str) -> None:
    if not text.strip() or not text.isprintable() or len(text) > most:
        raise DraftError(f"must be words on one line, {most} letters at most", field)


def words_of(draft: Draft, zone: ZoneInfo) -> str:
    """What callers hear and agents read, in Indonesian. Pure."""
    if draft.text:
        return " ".join(draft.text.split())
    where = f"di {listed(draft.areas)}" if draft.areas else "di seluruh wilayah pelayanan"
    back = "Waktu pulihnya listrik belum dapat kami perkirakan."
    if draft.restoration_at:
        moment = spoken_moment(draft.restoration_at, zone)
        back = f"Listrik diperkirakan menyala kembali pada {moment}."
    return (
        f"Pengumuman dari PLN. Saat ini terjadi gangguan listrik {where}."
        f" Penyebabnya {draft.cause.strip().rstrip('.')}. {back}"
        " Kami mohon maaf atas ketidaknyamanan ini."
    )


def make_draft(url: str, draft: Draft, rules: DraftRules, by: str, now: datetime) -> StatementRow:
    """Speak it and store it. Blocking, a second or so.

    Raises DraftError, PromptError (the recording is no audio, or there is no voice), EntryError
    and JournalError.
    """
    check(draft, rules, now)
    text = words_of(draft, rules.zone)
    if draft.recording:
        audio = recorded(draft.recording)
    else:
        audio = spoken("the statement", text, rules.voice())
    seconds = len(audio) / BYTES_PER_SECOND
    if seconds > LONGEST_SECONDS:
        raise DraftError(
            f"it takes {seconds:.0f} s to say, and may take {LONGEST_SECONDS:.0f}",
            "recording" if draft.recording else "text",
        )
    row = StatementRow(
        version=0,
        status=StatementStatus.DRAFT,
        areas=draft.areas,
        cause=draft.cause.strip(),
        restoration_at=draft.restoration_at,
        expires_at=draft.expires_at,
        text=text,
        recorded=draft.recording is not None,
        drafted_by=by,
        drafted_at=now,
    )
    return draft_statement(url, row, audio)
