"""The outages' section of the settings: what statements and callers' reports may be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pln_ivr.config.section import Section

AreaName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9 .'-]{0,39}$")]


Prefix = Annotated[str, Field(pattern=r"^[0-9]{1,12}$")]


class Outages(Section):
    """Statements on outages, and reports of them."""

    areas: tuple[AreaName, ...] = ()
    """The areas that a statement may be about, as they are spoken; none: any name will do."""
    zone: Literal["Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"] = "Asia/Jakarta"
    """The time zone of the times that are spoken."""
    longest_hours: Annotated[float, Field(gt=0, le=168)] = 24.0
    """A statement is over after this time at the latest, unless it is renewed."""
    poll_seconds: Annotated[float, Field(ge=0.1, le=60)] = 1.0
    """How often each node looks for what has gone live or has been withdrawn."""
    prefixes: dict[Prefix, AreaName] = Field(default={})
    """The area of a customer by the first digits of the customer number (IDPEL), the longest that
    fits; with it a number that none fits counts as keyed wrong. Empty: any number will do."""
    report_hours: Annotated[float, Field(gt=0, le=168)] = 24.0
    """A report without a restoration is over after this time: what is reported then is another
    outage."""
    cluster_reports: Annotated[int, Field(ge=2)] = 10
    """So many reports from one area within `cluster_minutes` are a cluster: there is an alarm."""
    cluster_minutes: Annotated[float, Field(gt=0, le=1440)] = 30.0
    """See `cluster_reports`."""

    @model_validator(mode="after")
    def _known_areas(self) -> Outages:
        for prefix, area in self.prefixes.items():
            if self.areas and area not in self.areas:
                raise ValueError(
                    f"prefixes.{prefix}: {area!r} is not among areas: {', '.join(self.areas)}"
                )
        return self
