"""What journeys share, and what one may begin with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from pln_ivr.ari import Channel, Client
from pln_ivr.calls.admission import Seats
from pln_ivr.calls.announcing import Announcing
from pln_ivr.calls.call import Call
from pln_ivr.calls.conversation import Means
from pln_ivr.calls.dialogues.callbacks import Callbacks
from pln_ivr.calls.dialogues.releasing import Releasing
from pln_ivr.calls.dialogues.walk import MenuWalk
from pln_ivr.calls.outbound.callout import Trunk
from pln_ivr.calls.partner import Partners
from pln_ivr.calls.prompts import Prompts
from pln_ivr.calls.room import WaitingRoom
from pln_ivr.journal import RecordingPauseRow
from pln_ivr.outcomes import Outcome, Reason
from pln_ivr.queues.callback_store import CallbackStore
from pln_ivr.queues.desk import Desk
from pln_ivr.queues.lines import Returning
from pln_ivr.queues.offer import Offer
from pln_ivr.recordings.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Rules:
    """Which line a call joins: by the number that was dialled, else `entry`."""

    entry: str
    dialled: Mapping[str, str]

    def queue(self, dialled: str) -> str:
        """The queue for a call to this number, unless the caller chooses another one."""
        return self.dialled.get(dialled, self.entry)

    def may_choose(self, dialled: str) -> bool:
        """Whether a caller of this number hears the menu: who dialled a line has chosen."""
        return dialled not in self.dialled


@dataclass(frozen=True, slots=True)
class House:
    """The parts that journeys share."""

    ari: Client
    prompts: Prompts
    room: WaitingRoom
    desk: Desk
    partners: Partners
    recorder: Recorder
    announcing: Announcing
    menu: MenuWalk | None
    """None: callers join their line at once."""
    callbacks: Callbacks | None
    """None: nobody can be called back."""
    callback_store: CallbackStore
    releasing: Releasing
    returning: Returning
    means: Means
    seats: Seats
    trunk: Trunk
    tell: Callable[[Call], None]
    """Called when a call's story has grown: journal and metrics."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation that goes on from an earlier run of the program."""

    offer: Offer
    recording: str
    pauses: Sequence[RecordingPauseRow] = ()
    """Of the recording, as far as the journal knows."""


@dataclass(frozen=True, slots=True)
class Errand:
    """An agent, bound by this offer, who is to call the customer."""

    offer: Offer
    greeting: tuple[str, ...] = ()
    """Said to the customer before the notice."""
    hindered: Callable[[], Reason | None] = lambda: None
    """Why the customer is not to be dialled after all, asked when the agent is there."""


@dataclass(frozen=True, slots=True)
class Approach:
    """A customer whom we call before an agent is there. `meet` dials them, and says how that ended;
    None if they are to have an agent. It raises Gone and AriError."""

    meet: Callable[[Call, Channel], Awaitable[Outcome | None]]


Start = Talk | Errand | Approach
"""What a call that does not begin with a caller's arrival begins with."""
