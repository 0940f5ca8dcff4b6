"""The queues' section of the settings, and what one key of it cannot know of another."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field

from pln_ivr.config.section import Digit, Name, Seconds, Section


class Queue(Section):
    """A named line of waiting calls. Where 0 is allowed it means: no limit, or never."""

    skills: tuple[Name, ...] = ()
    """What an agent must be able to do to be offered its calls; none: the queue's own name."""
    digit: Digit | Literal[""] = ""
    """Keyed by an agent who sends a caller on to it."""
    priority: Annotated[int, Field(ge=0, le=9)] = 0
    """Its calls go before those of a queue of lower priority, see queues.ageing_seconds."""
    length: Annotated[int, Field(ge=0)] = 0
    """So many calls may wait in it."""
    longest_wait_seconds: Annotated[float, Field(ge=0)] = 0.0
    """So long a call may wait in it."""
    overflow: Name | Literal[""] = ""
    """The queue that takes callers whom this one cannot; empty: they are told that all
    agents are busy and let go."""
    music: Name = "default"
    """Class in musiconhold.conf that waiting callers hear."""
    announce_seconds: Annotated[float, Field(ge=0)] = 60.0
    """How often a waiting caller is told the place in the line and the expected wait."""
    service_seconds: Seconds = 20.0
    """The service level counts calls answered within this time."""
    service_share: Annotated[float, Field(gt=0, le=1)] = 0.8
    """The service level to reach."""
    retention_days: Annotated[int, Field(ge=0)] | None = None
    """How long its recordings are kept; 0: for ever. Without it recordings.retention_days."""


def _default_queues() -> dict[str, Queue]:
    """Outage, billing, new connection, complaints."""
    return {
        "gangguan": Queue(digit="1", priority=2),
        "tagihan": Queue(digit="2"),
        "pasang-baru": Queue(digit="3"),
        "keluhan": Queue(digit="4", priority=1),
    }


class Queues(Section):
    """The lines, and the one that a caller joins."""

    entry: Name = "gangguan"
    """The line of callers who chose none."""
    dialled: dict[Annotated[str, Field(pattern=r"^\+?[0-9]{1,20}$")], Name] = Field(default={})
    """Another queue than `entry` for callers who dialled this number (see PLN_DIDS)."""
    names: dict[Name, Queue] = Field(default_factory=_default_queues)
    ageing_seconds: Annotated[float, Field(ge=0)] = 120.0
    """So many seconds of waiting count as one priority more, so that nobody starves."""
    resume_seconds: Annotated[float, Field(ge=0)] = 60.0
    """Who is cut off and dials again within this time keeps the place in the line."""

    @property
    def skills(self) -> frozenset[str]:
        """Every skill that some queue asks for."""
        return frozenset(
            skill for name, queue in self.names.items() for skill in queue.skills or (name,)
        )


def queue_faults(queues: Queues) -> list[str]:
    """What one key cannot know of another."""
    known = ", ".join(sorted(queues.names))
    named = {"entry": queues.entry}
    named |= {f"dialled.{number}": name for number, name in queues.dialled.items()}
    named |= {
        f"names.{name}.overflow": queue.overflow
        for name, queue in queues.names.items()
        if queue.overflow
    }
    faults = [
        f"queues.{key}: there is no queue {name!r}; queues.names has: {known}"
        for key, name in named.items()
        if name not in queues.names
    ]
    digits = Counter(queue.digit for queue in queues.names.values() if queue.digit)
    faults += [f"queues: digit {digit} stands {n} times" for digit, n in digits.items() if n > 1]
    return faults or [
        f"queues.names.{name}.overflow: leads back to {name!r}; end the chain somewhere"
        for name in queues.names
        if _overflows_into_itself(queues, name)
    ]


def _overflows_into_itself(queues: Queues, name: str) -> bool:
    at, seen = queues.names[name].overflow, {name}
    while at and at not in seen:
        seen.add(at)
        at = queues.names[at].overflow
    return at == name
