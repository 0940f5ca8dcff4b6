"""A caller's way through the menu: what the pure menu says is said, and keys are listened for."""

from __future__ import annotations

from collections.abc import Callable

from pln_ivr.ari import Channel
from pln_ivr.calls.call import Call
from pln_ivr.calls.dialogues.asking import Asking
from pln_ivr.calls.dialogues.billing import Billing
from pln_ivr.calls.dialogues.callbacks import Callbacks
from pln_ivr.calls.dialogues.menu import (
    CallBack,
    Leave,
    Listen,
    LookUp,
    Menu,
    Report,
    Step,
    asked_back,
    begin,
    follow,
    looked_up,
    reported,
)
from pln_ivr.calls.dialogues.reporting import Reporting
from pln_ivr.outcomes import MenuEnd


class MenuWalk:
    """Leads callers through the menu."""

    def __init__(
        self,
        menu: Menu,
        asking: Asking,
        reporting: Reporting,
        billing: Billing,
        callbacks: Callbacks | None,
        line_of: Callable[[str], str],
        on_choice: Callable[[str, str], None],
    ) -> None:
        """`callbacks` may be None in a menu that has no such key. `line_of` tells the line of a
        number that was dialled. `on_choice` is told of a page's name and of the word for what was
        chosen there."""
        self._menu = menu
        self._asking = asking
        self._reporting = reporting
        self._callbacks = callbacks
        self._line_of = line_of
        self._billing = billing
        self._on_choice = on_choice

    async def lead(self, call: Call, caller: Channel) -> Leave:
        """From the first menu to the caller's leaving it. What is chosen is noted in the call.

        Keys that were pressed before count: who knows the menu need not hear it. What is said is
        said again after a lost connection. Raises Gone, AriError. Safe to cancel.
        """
        call.menu_path, call.menu_end = "", None
        step: Step = begin(self._menu)
        while not isinstance(step, Leave):
            step = await self._next(call, caller, step)
            call.menu_path = "/".join(step.path)
        call.menu_end = step.end
        await self._asking.tell(caller, step.words)
        caller.party.forget_keys()
        return step

    async def _next(
        self, call: Call, caller: Channel, step: Listen | Report | LookUp | CallBack
    ) -> Step:
        match step:
            case Report(at):
                reported_end, to_agent = await self._reporting.take(call, caller)
                return reported(self._menu, at, reported_end, to_agent)
            case LookUp(at):
                bill_end, words = await self._billing.take(call, caller)
                return looked_up(self._menu, at, bill_end, words)
            case CallBack(at, queue):
                callbacks, line = self._callbacks, queue or self._line_of(call.dialled)
                noted = callbacks is not None and await callbacks.offer(call, caller, line)
                return asked_back(self._menu, at, noted)
            case Listen(at, words):
                page = self._menu.pages[at.page]
                caller.language = call.language = page.language
                key = await self._asking.ask(caller, words, self._menu.no_input_seconds)
                after = follow(self._menu, at, key)
                self._on_choice(page.name, after.path[-1])
                if after.path[-1] == MenuEnd.INVALID:
                    caller.party.forget_keys()  # what was pressed with it was no choice either
                return after
