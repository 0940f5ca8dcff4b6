"""The API: queues, who waits, conversations, white flags, supervision."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from pln_ivr.console import examples
from pln_ivr.console.auth import Denial, May
from pln_ivr.console.routes import Asked, Done, Input, Nothing, Route, Unfit, Word
from pln_ivr.console.views import ConversationView, FlagView, QueueView, WaitingView
from pln_ivr.journal.tokens import Role
from pln_ivr.outcomes import Supervision

_Supervisor = Annotated[
    Word | None,
    Meta(description="Whose phone rings; the token's own if not set. Others: operators only."),
]


class Supervise(Input, frozen=True):
    """How to be at a conversation."""

    mode: Supervision
    supervisor: _Supervisor = None


class TakeFlag(Input, frozen=True):
    """Who comes to help."""

    supervisor: _Supervisor = None


async def queues(asked: Asked[Nothing]) -> list[QueueView]:
    """Every queue, and how it is doing."""
    return asked.api.floor.queues()


async def waiting(asked: Asked[Nothing]) -> list[WaitingView]:
    """The calls in all lines, in the order in which they will be served."""
    return asked.api.floor.waiting()


async def conversations(asked: Asked[Nothing]) -> list[ConversationView]:
    """The conversations that are going on."""
    return asked.api.floor.conversations()


async def supervise(asked: Asked[Supervise]) -> Done:
    """Listen to a conversation, whisper to its agent, barge in, or take it over.

    Raises Denied, Unfit, OrderRefused.
    """
    supervisor = _supervisor(asked, asked.input.supervisor)
    call_id, name = asked.path["call_id"], asked.principal.name
    await asked.api.floor.supervise(call_id, supervisor, asked.input.mode, name)
    return Done()


async def end_supervision(asked: Asked[Nothing]) -> Done:
    """Leave the conversation that one supervises."""
    await asked.api.floor.end_supervision(asked.extension, asked.principal.name)
    return Done()


async def flags(asked: Asked[Nothing]) -> list[FlagView]:
    """The white flags that are up, oldest first."""
    return asked.api.floor.flags()


async def take_flag(asked: Asked[TakeFlag]) -> Done:
    """Come to help: the supervisor's phone rings, and then the agent hears them.

    Raises Denied, Unfit, OrderRefused.
    """
    supervisor = _supervisor(asked, asked.input.supervisor)
    await asked.api.floor.take_flag(asked.path["flag_id"], supervisor, asked.principal.name)
    return Done()


def _supervisor(asked: Asked[Any], named: str | None) -> str:
    """Whose phone is to ring. Only operators may name another one than their own."""
    principal = asked.principal
    if named is None and principal.extension is None:
        raise Unfit("this token has no extension of its own: name the supervisor", "supervisor")
    if named is None or named == principal.extension or principal.role is Role.OPERATOR:
        return named or principal.extension or ""
    raise asked.guard.denied(Denial.FORBIDDEN)


_SUPERVISION = "/agents/{extension}/supervision"
_TALKS = "/conversations"
_SUPERVISE = f"{_TALKS}/{{call_id}}/supervision"
FLOOR_ROUTES: tuple[Route[Any], ...] = (
    Route("GET", "/queues", May.ANYBODY, Nothing, queues, [examples.QUEUE]),
    Route("GET", "/waiting", May.SUPERVISORS, Nothing, waiting, [examples.WAITING]),
    Route("GET", _TALKS, May.SUPERVISORS, Nothing, conversations, [examples.CONVERSATION]),
    Route("POST", _SUPERVISE, May.SUPERVISORS, Supervise, supervise, Done()),
    Route("DELETE", _SUPERVISION, May.OWN_SUPERVISOR, Nothing, end_supervision, Done()),
    Route("GET", "/flags", May.SUPERVISORS, Nothing, flags, [examples.FLAG]),
    Route("POST", "/flags/{flag_id}/take", May.SUPERVISORS, TakeFlag, take_flag, Done()),
)
