"""Who asks, and whether they may: bearer tokens with roles.

A refusal says nothing about the tokens there are: one that is missing and one that nobody
has are answered alike.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, StrEnum

from pln_ivr.errors import PlnIvrError
from pln_ivr.journal.tokens import Role, Tokens

REMEMBER_SECONDS = 5.0
"""How long a token that was revoked may still be used."""
REMEMBERED_TOKENS = 1024
FAILURES, FAILURE_SECONDS = 20, 60.0
"""So many failures of one address within this time, and it gets no answer any more."""
REMEMBERED_ADDRESSES = 4096
"""Beyond that the address that failed longest ago is forgotten."""

_BEARER = re.compile(r"[Bb]earer +([A-Za-z0-9._~+/=-]{1,256})")


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose token it is."""

    name: str
    role: Role
    extension: str | None = None
    """Their phone; None for a program, or a person without one."""


class May(Enum):
    """Who may call a route: from which role on at all, from which for everybody's extension."""

    ANYBODY = (Role.AGENT, Role.AGENT)
    SUPERVISORS = (Role.SUPERVISOR, Role.SUPERVISOR)
    OWN_OR_SUPERVISORS = (Role.AGENT, Role.SUPERVISOR)
    OWN = (Role.AGENT, Role.OPERATOR)
    OWN_SUPERVISOR = (Role.SUPERVISOR, Role.OPERATOR)

    def allows(self, principal: Principal, extension: str | None) -> bool:
        """Whether this token may, for this extension if it is about one."""
        least, free = self.value
        if not _includes(principal.role, least):
            return False
        return _includes(principal.role, free) or (
            extension is not None and extension == principal.extension
        )

    @property
    def roles(self) -> str:
        """The same in words."""
        least, free = self.value
        return ", ".join(
            role if _includes(role, free) else f"{role} (their own extension)"
            for role in Role
            if _includes(role, least)
        )


def _includes(role: Role, least: Role) -> bool:
    """Whether this role may all that `least` may: the later in Role, the more."""
    order = list(Role)
    return order.index(role) >= order.index(least)


class Denial(StrEnum):
    """Why somebody got no answer; a metric's label."""

    MISSING = "missing"  # no token, or not in the form "Authorization: Bearer TOKEN"
    UNKNOWN = "unknown"  # a token that nobody has
    FORBIDDEN = "forbidden"  # a token whose role may not, or not for this extension
    LIMITED = "limited"  # not looked at: too many failures of this address


class Denied(PlnIvrError):
    """Whoever asks may not. `denial` says why."""

    def __init__(self, denial: Denial, text: str) -> None:
        super().__init__(text)
        self.denial = denial


Find = Callable[[str], Awaitable[Principal | None]]
"""Whose token this is, None if nobody's. May raise JournalError."""


def finder(tokens: Tokens) -> Find:
    """Looks tokens up in the journal, in a thread."""

    async def find(token: str) -> Principal | None:
        row = await asyncio.to_thread(tokens.find, token)
        return Principal(row.name, row.role, row.extension) if row else None

    return find


class Guard:
    """Finds out who asks. Remembers tokens, by their digest, and addresses that failed."""

    def __init__(
        self,
        find: Find,
        on_denied: Callable[[Denial], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_denied` hears of everybody who was turned away."""
        self._find = find
        self._on_denied = on_denied
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, Principal | None]] = OrderedDict()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    async def who(self, authorization: str, address: str) -> Principal:
        """Whoever shows this header from this address. Raises Denied, and what `find` raises.

        A known token that may not do what it asks for is no failure of its address: nobody
        guesses there, and an address may be many people's.
        """
        if self._too_many(address):
            raise self.denied(Denial.LIMITED)
        shown = _BEARER.fullmatch(authorization)
        principal = await self._principal(shown[1]) if shown else None
        if principal is None:
            self._failed(address)
            raise self.denied(Denial.UNKNOWN if authorization else Denial.MISSING)
        return principal

    async def still(self, authorization: str, before: Principal) -> bool:
        """Whether a header that was good is as good as it was. Raises what `find` raises."""
        shown = _BEARER.fullmatch(authorization)
        return shown is not None and await self._principal(shown[1]) == before

    def denied(self, denial: Denial) -> Denied:
        """The refusal to raise, counted."""
        self._on_denied(denial)
        return Denied(denial, _TEXTS[denial])

    async def _principal(self, token: str) -> Principal | None:
        digest, now = hashlib.sha256(token.encode()).digest(), self._clock()
        until, principal = self._known.get(digest, (now, None))
        if now < until:
            self._known.move_to_end(digest)
            return principal
        principal = await self._find(token)
        self._known[digest] = (now + REMEMBER_SECONDS, principal)
        self._known.move_to_end(digest)
        while len(self._known) > REMEMBERED_TOKENS:
            self._known.popitem(last=False)
        return principal

    def _too_many(self, address: str) -> bool:
        failures = self._failures.get(address)
        if failures is None or len(failures) < FAILURES:
            return False
        return self._clock() - failures[0] < FAILURE_SECONDS

    def _failed(self, address: str) -> None:
        """The latest FAILURES of them are all that is needed."""
        failures = self._failures.setdefault(address, deque(maxlen=FAILURES))
        failures.append(self._clock())
        self._failures.move_to_end(address)
        while len(self._failures) > REMEMBERED_ADDRESSES:
            self._failures.popitem(last=False)


_SHOW = "show a valid token in the header, Authorization: Bearer TOKEN"
_TEXTS = {
    Denial.MISSING: _SHOW,
    Denial.UNKNOWN: _SHOW,
    Denial.FORBIDDEN: "this token may not do that",
    Denial.LIMITED: f"too many failures from your address; wait {FAILURE_SECONDS:.0f} seconds",
}
