"""The callbacks' section of the settings, and what one key of it cannot know of the others."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pln_ivr.config.agents import Agents, Outbound
from pln_ivr.config.menu import Menu
from pln_ivr.config.section import Digit, Name, Seconds, Section

Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Callbacks(Section):
    """Callers who are called back, and those who are told that power is back. It takes
    outbound.gateway."""

    offer_after_seconds: Annotated[float, Field(ge=0)] = 180.0
    """Who waits is offered to be called back when the expected wait is above this; 0: only the
    menu offers it."""
    key: Digit = "1"
    """What is pressed then."""
    first: Literal["agent", "customer"] = "agent"
    """agent: an agent is rung, then the customer. customer: who is next in the line is dialled,
    presses 1, and has the next agent."""
    begins: Clock = "08:00"
    """Nobody is called before this time of the day, in outages.zone."""
    ends: Clock = "20:00"
    """Nor from this time on."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """So often the customer is called: busy, no answer, an answering machine. What is no doing of
    the customer's does not count."""
    pause_minutes: Annotated[float, Field(gt=0, le=1440)] = 15.0
    """Between two attempts."""
    expire_hours: Annotated[float, Field(gt=0, le=168)] = 24.0
    """Nobody is called back later than this after having asked for it."""
    reserve_share: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """This share of the seats stays for callers: nobody is called back into the last ones."""
    dialled: Literal["national", "international"] = "national"
    """How the trunk takes numbers: 0812… or +62812…."""
    machine_disposition: Name | Literal[""] = "mesin-penjawab"
    """The agent's word (agents.dispositions) for an answering machine; empty: there is none."""
    machine_seconds: Seconds = 15.0
    """An agent who hangs up on the customer within this time, and gives no other disposition, has
    met an answering machine."""
    restored_per_minute: Annotated[float, Field(gt=0, le=6000)] = 30.0
    """At most so many are called each minute and told that power is back."""
    restored_attempts: Annotated[int, Field(ge=1, le=20)] = 2
    """So often each of these."""

    @model_validator(mode="after")
    def _some_time(self) -> Callbacks:
        if self.begins >= self.ends:
            raise ValueError(f"ends: {self.ends} must be later in the day than begins")
        return self


def callback_faults(
    callbacks: Callbacks, outbound: Outbound, agents: Agents, menu: Menu
) -> list[str]:
    """What is wrong with it beside other sections, a line for each."""
    faults = []
    word, words = callbacks.machine_disposition, agents.dispositions.values()
    if word and "machine_disposition" in callbacks.model_fields_set and word not in words:
        faults.append(
            f"callbacks.machine_disposition: {word!r} is not among agents.dispositions:"
            f" {_listed(words)}"
        )
    keyed = [
        f"menu.menus.{name}.keys.{key}"
        for name, page in menu.menus.items()
        for key, meaning in page.keys.items()
        if meaning.do == "callback"
    ]
    if not outbound.gateway and menu.entry:
        faults += [f"{key}: nobody can be called back without outbound.gateway" for key in keyed]
    return faults


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"
