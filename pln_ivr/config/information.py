"""The information's section of the settings: what callers can be told without an agent."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from pln_ivr.config.section import Name, Section

ENGLISH = "en"
_HOURS = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")


def _in_order(hours: str) -> str:
    found = _HOURS.fullmatch(hours)
    if hours and found:
        opens, closes = _minutes(found[1], found[2]), _minutes(found[3], found[4])
        if not (opens < closes <= 24 * 60 and int(found[2]) < 60 and int(found[4]) < 60):
            raise ValueError("give the hours of a day, from the earlier to the later")
    elif hours:
        raise ValueError('write it like "08:00-16:00", or "" for a day that is closed')
    return hours


def _minutes(hours: str, minutes: str) -> int:
    return int(hours) * 60 + int(minutes)


DayHours = Annotated[str, AfterValidator(_in_order)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]


class Translated(Section):
    """A text to be spoken, in the language of prompts.texts and in others."""

    text: Text
    translations: dict[Name, Text] = Field(default={})
    """By languages of prompts.languages; who chose one that is not here hears `text`."""


class Hours(Translated):
    """When an office is open; `text` begins it, and the week follows in words, which there are
    in Indonesian and English."""

    monday: DayHours = ""
    tuesday: DayHours = ""
    wednesday: DayHours = ""
    thursday: DayHours = ""
    friday: DayHours = ""
    saturday: DayHours = ""
    sunday: DayHours = ""

    @property
    def week(self) -> tuple[tuple[int, int] | None, ...]:
        """Each day from Monday on: minutes of the day from opening to closing, None if closed."""
        days = (
            self.monday,
            self.tuesday,
            self.wednesday,
            self.thursday,
            self.friday,
            self.saturday,
            self.sunday,
        )
        found = (_HOURS.fullmatch(day) for day in days)
        return tuple(
            (_minutes(day[1], day[2]), _minutes(day[3], day[4])) if day else None for day in found
        )


class Information(Section):
    """What a menu can say besides the prompts' texts: NAME is the prompt info-NAME."""

    texts: dict[Name, Translated] = Field(default={})
    hours: dict[Name, Hours] = Field(default={})


def information_faults(information: Information, languages: tuple[str, ...]) -> list[str]:
    """What is wrong with it, a line for each."""
    faults = [
        f"information.hours.{name}: information.texts has this name as well; give it another one"
        for name in information.hours
        if name in information.texts
    ]
    entries = {f"texts.{name}": entry for name, entry in information.texts.items()}
    entries |= {f"hours.{name}": entry for name, entry in information.hours.items()}
    faults += [
        f"information.hours.{name}.translations.{language}: the week can be said in en only besides"
        " Indonesian; write a text instead, in information.texts"
        for name, entry in information.hours.items()
        for language in entry.translations.keys() - {ENGLISH}
    ]
    known = ", ".join(sorted(languages)) or "none"
    return faults + [
        f"information.{where}.translations.{language}: not among prompts.languages: {known}"
        for where, entry in entries.items()
        for language in entry.translations
        if language not in languages
    ]
