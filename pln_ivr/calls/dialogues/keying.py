"""Keying a number: asked for, keyed, read back and confirmed, in so many attempts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from pln_ivr.ari import Channel
from pln_ivr.calls.dialogues.asking import Asking
from pln_ivr.calls.dialogues.customer_number import Fault
from pln_ivr.calls.dialogues.menu import NO_INPUT

YES, AGENT = "1", "0"
"""The answers to a number that was read back; all others are no."""

WHOLE_SECONDS = 2.0
"""How long a hash, or one digit too many, may follow the last digit."""

LEASE_SECONDS = 60.0
"""How much longer than one key's time a caller may be keying a number."""


class NoNumber(StrEnum):
    """Why there is no number; words of ReportEnd, BillEnd and CallbackEnd."""

    AGENT = "agent"  # the caller would rather talk with somebody
    NO_INPUT = "no_input"  # pressed nothing
    INVALID = "invalid"  # keyed no such number, so many times


@dataclass(frozen=True, slots=True)
class Patience:
    """The menu's: see the settings' section."""

    key_seconds: float
    no_input_tries: int
    invalid_tries: int


Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class NumberKind(Generic[Entry]):
    """A kind of number."""

    ask: str
    """Asks for it."""
    wrong: str
    """Said of what is no such number."""
    nothing: Entry
    """Before the first key."""
    press: Callable[[Entry, str | None], Entry | str | Fault]
    """What is keyed after this key, or after none in time; the number once it is whole."""
    whole: Callable[[Entry], bool]
    """Whether only a hash, or a key too many, may follow."""
    read_back: Callable[[str], tuple[str, ...]]
    """Says it, and asks whether it is right."""


class Keying:
    """Asks callers for numbers."""

    def __init__(self, asking: Asking, patience: Patience) -> None:
        self._asking = asking
        self._patience = patience

    async def keyed(
        self,
        caller: Channel,
        kind: NumberKind[Entry],
        refused: Callable[[str], str | None] = lambda _: None,
    ) -> str | NoNumber:
        """The number that the caller keys and says is right. `refused` gives what is said of a
        number that cannot be. Raises Gone and AriError; safe to cancel."""
        patience = self._patience
        words: tuple[str, ...] = (kind.ask,)
        silences = wrong = 0
        while silences < patience.no_input_tries and wrong < patience.invalid_tries:
            keyed = await self._enter(caller, kind, words)
            if keyed is Fault.AGENT:
                return NoNumber.AGENT
            if isinstance(keyed, Fault):
                caller.party.forget_keys()  # what was pressed with it belongs to no number
            if keyed is Fault.NOTHING:
                silences, words = silences + 1, (NO_INPUT, kind.ask)
            elif isinstance(keyed, Fault):
                wrong, words = wrong + 1, (kind.wrong, kind.ask)
            elif why := refused(keyed):
                wrong, words = wrong + 1, (why, kind.ask)
            else:
                answer = await self.confirmed(caller, kind, keyed)
                if answer is not None:
                    return answer
                wrong, words = wrong + 1, (kind.ask,)
        return NoNumber.INVALID if wrong >= patience.invalid_tries else NoNumber.NO_INPUT

    async def confirmed(
        self, caller: Channel, kind: NumberKind[Entry], number: str
    ) -> str | NoNumber | None:
        """The number if the caller says that it is right; None if it is another one."""
        words = kind.read_back(number)
        key = await self._asking.confirm(caller, words, self._patience.key_seconds)
        return {YES: number, AGENT: NoNumber.AGENT}.get(key or "")

    async def _enter(
        self, caller: Channel, kind: NumberKind[Entry], words: tuple[str, ...]
    ) -> str | Fault:
        """One attempt at a number."""
        seconds = self._patience.key_seconds
        key = await self._asking.ask(caller, words, seconds, LEASE_SECONDS)
        keyed = kind.press(kind.nothing, key)
        while not isinstance(keyed, str):  # a fault is one, too
            pause = min(seconds, WHOLE_SECONDS) if kind.whole(keyed) else seconds
            keyed = kind.press(keyed, await caller.next_key_within(pause))
        return keyed
