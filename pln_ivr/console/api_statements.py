"""The API: statements on outages. Who drafts, approves and so on is the token's name."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from pln_ivr.console import examples
from pln_ivr.console.auth import May
from pln_ivr.console.routes import Asked, Input, Nothing, Route, Unfit
from pln_ivr.console.views import StatementDraft, StatementView


class Approval(Input, frozen=True):
    """Somebody stands for a draft of somebody else's."""

    publish: Annotated[bool, Meta(description="And puts it live.")] = False


class Renewal(Input, frozen=True):
    """A statement is to stay live."""

    until: Annotated[datetime, Meta(tz=True)]


class Withdrawal(Input, frozen=True):
    """A statement is to be heard no more."""

    note: Annotated[str, Meta(max_length=2000, description="Why.")] = ""


class Last(Input, frozen=True):
    """How many."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="The newest.")] = 20


async def live(asked: Asked[Nothing]) -> list[StatementView]:
    """What callers hear now, in their words, the oldest first."""
    return await asked.api.statements.live()


async def statements(asked: Asked[Last]) -> list[StatementView]:
    """The last statements, the newest first."""
    return await asked.api.statements.last(asked.input.limit)


async def statement(asked: Asked[Nothing]) -> StatementView:
    """One statement."""
    return await asked.api.statements.one(_version(asked))


async def draft(asked: Asked[StatementDraft]) -> StatementView:
    """Write a statement, and have it spoken; nobody hears it yet."""
    return await asked.api.statements.draft(asked.input, asked.principal.name)


async def approve(asked: Asked[Approval]) -> StatementView:
    """Stand for a draft of somebody else's."""
    version, by = _version(asked), asked.principal.name
    approved = await asked.api.statements.approve(version, by)
    return await asked.api.statements.publish(version, by) if asked.input.publish else approved


async def publish(asked: Asked[Nothing]) -> StatementView:
    """Have every caller hear an approved statement, those who wait at once."""
    return await asked.api.statements.publish(_version(asked), asked.principal.name)


async def renew(asked: Asked[Renewal]) -> StatementView:
    """Have a live statement go on, in the same words."""
    return await asked.api.statements.renew(
        _version(asked), asked.input.until, asked.principal.name
    )


async def withdraw(asked: Asked[Withdrawal]) -> StatementView:
    """Have nobody hear a statement from now on; a draft is given up."""
    return await asked.api.statements.withdraw(
        _version(asked), asked.input.note.strip(), asked.principal.name
    )


def _version(asked: Asked[Any]) -> int:
    text = asked.path["version"]
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise Unfit("a statement's version is a number", "version")
    return int(text)


_ONE, _SHOWN = "/statements/{version}", examples.STATEMENT
STATEMENT_ROUTES: tuple[Route[Any], ...] = (
    Route("GET", "/statements/live", May.ANYBODY, Nothing, live, [_SHOWN]),
    Route("GET", "/statements", May.SUPERVISORS, Last, statements, [_SHOWN]),
    Route("GET", _ONE, May.SUPERVISORS, Nothing, statement, _SHOWN),
    Route("POST", "/statements", May.SUPERVISORS, StatementDraft, draft, _SHOWN),
    Route("POST", f"{_ONE}/approval", May.SUPERVISORS, Approval, approve, _SHOWN),
    Route("POST", f"{_ONE}/publication", May.SUPERVISORS, Nothing, publish, _SHOWN),
    Route("POST", f"{_ONE}/renewal", May.SUPERVISORS, Renewal, renew, _SHOWN),
    Route("POST", f"{_ONE}/withdrawal", May.SUPERVISORS, Withdrawal, withdraw, _SHOWN),
)
