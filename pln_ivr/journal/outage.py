"""What callers were told in an outage, and what they did then. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pln_ivr.journal.counting import Choice, Hearers
from pln_ivr.outcomes import Reason, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFigures:
    """What became of the callers who heard one version. `heard` is the sum of all from
    `answered` to `others`."""

    version: int
    heard: int
    whole: int  # to its last word
    answered: int
    in_statement: int  # hung up while they heard a statement
    in_menu: int
    in_line: int  # gave up waiting, or while it rang
    informed: int  # keyed that they knew enough, or on a brief visit, let go without a wish left
    released: int  # let go for another reason
    others: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuFigures:
    """What callers who came to the menu made of it."""

    came: int
    hung_up: int  # in it: no choice, no end. Calls that are in it now are among them.
    choices: Sequence[Choice]
    """Without those who hung up, the commonest first."""

    @property
    def abandonment(self) -> float | None:
        """The share that hung up in it."""
        return self.hung_up / self.came if self.came else None


def version_figures(version: int, hearers: Iterable[Hearers]) -> VersionFigures:
    """Of one version."""
    mine = [one for one in hearers if one.version == version]

    def of(*ends: tuple[str, str | None]) -> int:
        return sum(
            one.calls
            for one in mine
            if any(one.outcome == end and why in (None, one.reason) for end, why in ends)
        )

    abandoned = Result.ABANDONED
    informed = of(
        *((Result.RELEASED, why) for why in (Reason.INFORMED, Reason.ANNOUNCED, Reason.REPORTED))
    )
    parts = {
        "answered": of((Result.ANSWERED, None)),
        "in_statement": of((abandoned, Reason.IN_STATEMENT)),
        "in_menu": of((abandoned, Reason.IN_MENU), (abandoned, Reason.IN_RELEASE)),
        "in_line": of((abandoned, Reason.IN_WAITING), (abandoned, Reason.IN_RINGING)),
        "informed": informed,
        "released": of((Result.RELEASED, None)) - informed,
    }
    heard = sum(one.calls for one in mine)
    return VersionFigures(
        version=version,
        heard=heard,
        whole=sum(one.whole for one in mine),
        others=heard - sum(parts.values()),
        **parts,
    )


def menu_figures(choices: Iterable[Choice]) -> MenuFigures:
    """Of all callers who came to the menu."""
    every = list(choices)
    made = [choice for choice in every if choice.end]
    came = sum(choice.calls for choice in every)
    return MenuFigures(
        came=came,
        hung_up=came - sum(choice.calls for choice in made),
        choices=sorted(made, key=lambda one: (-one.calls, one.path, one.end, one.statement or 0)),
    )
