"""The API: agents, what they are doing and what they can be told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from pln_ivr.console import examples
from pln_ivr.console.auth import May
from pln_ivr.console.routes import Asked, Done, Input, Nothing, Route, Unfit, Word
from pln_ivr.console.views import AgentView
from pln_ivr.errors import OrderRefused, RefusalKind


class Wish(Input, frozen=True):
    """What an agent wants when there is no work at hand."""

    wish: Literal["ready", "paused", "logged_out"]
    pause: Annotated[
        str, Meta(max_length=64, description="Why paused, in a word of agents.pauses.")
    ] = ""


class WrapUp(Input, frozen=True):
    """The last conversation is dealt with."""

    disposition: Annotated[
        Word | None, Meta(description="What it came to, in a word of agents.dispositions.")
    ] = None


class Hold(Input, frozen=True):
    """Whether the customer is to hear music."""

    on: bool


class RecordingPause(Input, frozen=True):
    """Whether what is said is to stay out of the recording."""

    on: bool


class Transfer(Input, frozen=True):
    """Where the caller is to go."""

    target_kind: Literal["agent", "queue"]
    target: Annotated[Word, Meta(description="The agent's extension, or the queue's name.")]
    attended: Annotated[
        bool, Meta(description="Talk with that agent first, while the caller hears music.")
    ] = False


class CallPlaced(Struct, frozen=True):
    """The call is under way."""

    call_id: str


class Raised(Struct, frozen=True):
    """The flag is up."""

    flag_id: str


async def agents(asked: Asked[Nothing]) -> list[AgentView]:
    """Every agent, and what they are doing."""
    return asked.api.floor.agents()


async def agent(asked: Asked[Nothing]) -> AgentView:
    """One agent.

    Raises OrderRefused if there is none.
    """
    for found in asked.api.floor.agents():
        if found.extension == asked.extension:
            return found
    raise OrderRefused(RefusalKind.NOT_FOUND, "there is no agent of this extension")


async def set_wish(asked: Asked[Wish]) -> Done:
    """Ready, paused or logged out, as by *11, *12 and *10.

    Raises Unfit and OrderRefused.
    """
    wish = asked.input
    if wish.pause and wish.wish != "paused":
        raise Unfit("pause belongs to the wish paused only", "pause")
    await asked.api.floor.set_wish(asked.extension, wish.wish, wish.pause, asked.principal.name)
    return Done()


async def wrap_up(asked: Asked[WrapUp]) -> Done:
    """The last conversation is dealt with: the wrap-up ends."""
    disposition = asked.input.disposition
    await asked.api.floor.wrap_up(asked.extension, disposition, asked.principal.name)
    return Done()


async def call_out(asked: Asked[Nothing]) -> CallPlaced:
    """Call the customer of the agent's last conversation, as by *14: the agent's phone rings
    first.

    Raises OrderRefused.
    """
    return CallPlaced(await asked.api.floor.call_out(asked.extension))


async def hold(asked: Asked[Hold]) -> Done:
    """Let the customer hear music, or the agent again."""
    await asked.api.floor.hold(asked.extension, asked.input.on)
    return Done()


async def pause_recording(asked: Asked[RecordingPause]) -> Done:
    """Pause the recording of the agent's conversation, while a secret is said, or let it go on, as
    by *6. It goes on by itself after recordings.pause_seconds.

    Raises OrderRefused.
    """
    by = asked.principal.name
    await asked.api.floor.pause_recording(asked.extension, asked.input.on, by)
    return Done()


async def transfer(asked: Asked[Transfer]) -> Done:
    """Send the caller on, or begin to consult an agent about it."""
    to = asked.input
    await asked.api.floor.transfer(asked.extension, to.target_kind, to.target, to.attended)
    return Done()


async def complete_transfer(asked: Asked[Nothing]) -> Done:
    """Leave the caller with the agent who is consulted."""
    await asked.api.floor.complete_transfer(asked.extension)
    return Done()


async def cancel_transfer(asked: Asked[Nothing]) -> Done:
    """End the consultation and go back to the caller."""
    await asked.api.floor.cancel_transfer(asked.extension)
    return Done()


async def raise_flag(asked: Asked[Nothing]) -> Raised:
    """Raise the white flag: the agent needs help."""
    return Raised(await asked.api.floor.raise_flag(asked.extension))


async def lower_flag(asked: Asked[Nothing]) -> Done:
    """Lower the white flag."""
    await asked.api.floor.lower_flag(asked.extension)
    return Done()


_ONE = "/agents/{extension}"
_PAUSE = f"{_ONE}/recording-pause"
AGENT_ROUTES: tuple[Route[Any], ...] = (
    Route("GET", "/agents", May.SUPERVISORS, Nothing, agents, [examples.AGENT]),
    Route("GET", _ONE, May.OWN_OR_SUPERVISORS, Nothing, agent, examples.AGENT),
    Route("PUT", f"{_ONE}/wish", May.OWN_OR_SUPERVISORS, Wish, set_wish, Done()),
    Route("POST", f"{_ONE}/wrap-up", May.OWN_OR_SUPERVISORS, WrapUp, wrap_up, Done()),
    Route("POST", f"{_ONE}/call-out", May.OWN, Nothing, call_out, CallPlaced(examples.CALL_ID)),
    Route("PUT", f"{_ONE}/hold", May.OWN, Hold, hold, Done()),
    Route("PUT", _PAUSE, May.OWN_OR_SUPERVISORS, RecordingPause, pause_recording, Done()),
    Route("POST", f"{_ONE}/transfer", May.OWN, Transfer, transfer, Done()),
    Route("POST", f"{_ONE}/transfer/complete", May.OWN, Nothing, complete_transfer, Done()),
    Route("POST", f"{_ONE}/transfer/cancel", May.OWN, Nothing, cancel_transfer, Done()),
    Route("POST", f"{_ONE}/flag", May.OWN, Nothing, raise_flag, Raised(examples.FLAG_ID)),
    Route("DELETE", f"{_ONE}/flag", May.OWN, Nothing, lower_flag, Done()),
)
