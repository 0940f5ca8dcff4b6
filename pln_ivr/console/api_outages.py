"""The API: outages that callers have reported, and power that is back."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from pln_ivr.console import examples
from pln_ivr.console.auth import May
from pln_ivr.console.routes import Asked, Input, Nothing, Route, Unfit, Word
from pln_ivr.console.views import OutageView


class Restoration(Input, frozen=True):
    """Power is back, the field says."""

    areas: Annotated[
        list[Word],
        Meta(max_length=100, description="All reports of these areas; all: of those without."),
    ] = []  # noqa: RUF012 (msgspec copies it)
    reports: Annotated[
        list[Word], Meta(max_length=500, description="The report_id of each, as dispatched.")
    ] = []  # noqa: RUF012


class Restored(Struct, frozen=True):
    """How many reports that were open it ended."""

    restored: int


async def outages(asked: Asked[Nothing]) -> list[OutageView]:
    """The areas from which outages are reported that are not over."""
    return asked.api.outages.outages()


async def restore(asked: Asked[Restoration]) -> Restored:
    """Mark reports as restored, by area or one by one; again does no harm."""
    areas, reports = asked.input.areas, asked.input.reports
    if not areas and not reports:
        raise Unfit("name areas, or reports, where power is back", "areas")
    return Restored(await asked.api.outages.restore(areas, reports, asked.principal.name))


OUTAGE_ROUTES: tuple[Route[Any], ...] = (
    Route("GET", "/outages", May.ANYBODY, Nothing, outages, [examples.OUTAGE]),
    Route("POST", "/outages/restorations", May.SUPERVISORS, Restoration, restore, Restored(212)),
)
