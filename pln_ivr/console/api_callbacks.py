"""The API: customers who are to be called back."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from pln_ivr.console import examples
from pln_ivr.console.auth import May
from pln_ivr.console.callbacks import CallbackView
from pln_ivr.console.routes import Asked, Done, Input, Nothing, Route


class CallbackFilters(Input, frozen=True):
    """Which ones."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    waiting: Annotated[
        bool, Meta(description="Only those that are not over, in the order of their places.")
    ] = False


async def callbacks(asked: Asked[CallbackFilters]) -> list[CallbackView]:
    """Who is to be called back, and who has been."""
    return await asked.api.callbacks.callbacks(asked.input.limit, asked.input.waiting)


async def cancel(asked: Asked[Nothing]) -> Done:
    """Have somebody called back no more; a call that is under way goes on."""
    await asked.api.callbacks.cancel(asked.path["callback_id"], asked.principal.name)
    return Done()


CALLBACK_ROUTES: tuple[Route[Any], ...] = (
    Route("GET", "/callbacks", May.SUPERVISORS, CallbackFilters, callbacks, [examples.CALLBACK]),
    Route("DELETE", "/callbacks/{callback_id}", May.SUPERVISORS, Nothing, cancel, Done()),
)
