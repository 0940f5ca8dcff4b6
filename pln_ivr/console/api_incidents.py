"""The API: conduct incidents, and what a person makes of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from pln_ivr.console import examples
from pln_ivr.console.auth import May
from pln_ivr.console.routes import Asked, Input, Nothing, Route, Unfit
from pln_ivr.console.views import IncidentFilters, IncidentView
from pln_ivr.outcomes import Review


class Verdict(Input, frozen=True):
    """What a person made of an incident."""

    review: Literal["upheld", "dismissed"]
    note: Annotated[str, Meta(max_length=2000, description="A dismissal needs one.")] = ""
    again: Annotated[bool, Meta(description="Replace an earlier review.")] = False


async def incidents(asked: Asked[IncidentFilters]) -> list[IncidentView]:
    """Conduct incidents, the newest first."""
    return await asked.api.evidence.incidents(asked.input)


async def incident(asked: Asked[Nothing]) -> IncidentView:
    """One incident and its evidence."""
    return await asked.api.evidence.incident(asked.path["incident_id"])


async def review(asked: Asked[Verdict]) -> IncidentView:
    """Uphold or dismiss an incident; the reviewer is the token's name.

    Raises Unfit, OrderRefused and JournalError.
    """
    verdict, reviewer = asked.input, asked.principal.name
    review, note = Review(verdict.review), verdict.note.strip()
    if review is Review.DISMISSED and not note:
        raise Unfit("a dismissal needs a note that says why", "note")
    incident_id = asked.path["incident_id"]
    reviewed = await asked.api.evidence.review(incident_id, review, reviewer, note, verdict.again)
    asked.api.feed.publish("incident", reviewed)
    return reviewed


_ONE = "/incidents/{incident_id}"
INCIDENT_ROUTES: tuple[Route[Any], ...] = (
    Route("GET", "/incidents", May.SUPERVISORS, IncidentFilters, incidents, [examples.INCIDENT]),
    Route("GET", _ONE, May.SUPERVISORS, Nothing, incident, examples.INCIDENT),
    Route("POST", f"{_ONE}/review", May.SUPERVISORS, Verdict, review, examples.INCIDENT),
)
