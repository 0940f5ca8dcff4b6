"""The outages' section of the settings: what management's statements may be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pln_ivr.sections import Section

AreaName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9 .'-]{0,39}$")]


class Outages(Section):
    """Statements on outages."""

    areas: tuple[AreaName, ...] = ()
    """The areas that a statement may be about, as they are spoken; none: any name will do."""
    zone: Literal["Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"] = "Asia/Jakarta"
    """The time zone of the times that are spoken."""
    longest_hours: Annotated[float, Field(gt=0, le=168)] = 24.0
    """A statement is over after this time at the latest, unless it is renewed."""
    poll_seconds: Annotated[float, Field(ge=0.1, le=60)] = 1.0
    """How often each node looks for what has gone live or has been withdrawn."""
