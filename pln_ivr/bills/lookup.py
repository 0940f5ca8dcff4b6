"""The lookup: asks for a bill over HTTP, and remembers what it was told for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import aiohttp

from pln_ivr.bills.answer import Bill, Circuit, read_answer
from pln_ivr.errors import LookupFailed

CUSTOMER = "{customer}"
"""Stands in the URL for the customer number."""

MOST_BYTES = 16 * 1024
"""Of an answer: a bill is a line."""

MOST_REMEMBERED = 20_000
"""Customers whose bill is remembered; the oldest is forgotten first."""


class Verdict(StrEnum):
    """What one question came to."""

    TOLD = "told"
    REMEMBERED = "remembered"  # told a short time ago
    UNKNOWN = "unknown"  # there is no such customer
    FAILED = "failed"  # no answer in time, or none that is a bill
    SPARED = "spared"  # not asked: too many have failed just before


@dataclass(frozen=True, slots=True)
class Source:
    """Where bills are kept, see the settings' section. `url` empty: nowhere."""

    url: str
    token: str
    seconds: float
    at_once: int
    remembered_seconds: float


class Bills:
    """Looks bills up. Its owner runs `run` as a task; before and after it every lookup fails."""

    def __init__(
        self,
        source: Source,
        on_verdict: Callable[[Verdict], None],
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives seconds."""
        self._source = source
        self._on_verdict = on_verdict
        self._clock = clock
        self._circuit = Circuit()
        self._turns = asyncio.Semaphore(source.at_once)
        self._remembered: OrderedDict[str, tuple[float, Bill]] = OrderedDict()
        self._session: aiohttp.ClientSession | None = None

    async def run(self) -> None:
        """Keep the connections, until cancelled; returns at once if there is nobody to ask."""
        if not self._source.url:
            return
        token = self._source.token
        headers = {"Accept": "application/json"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        async with aiohttp.ClientSession(headers=headers) as self._session:
            try:
                await asyncio.Event().wait()
            finally:
                self._session = None

    async def of(self, customer: str) -> Bill | None:
        """The bill of this customer; None if there is no such customer.

        Raises LookupFailed, within `Source.seconds`, all waiting included. Safe to cancel.
        """
        bill = self._recall(customer)
        if bill:
            self._on_verdict(Verdict.REMEMBERED)
            return bill
        if not self._circuit.admits(self._clock()):
            self._on_verdict(Verdict.SPARED)
            raise LookupFailed("it has failed too often just before")
        try:
            bill = await self._ask(customer)
        except LookupFailed:
            self._circuit.told(True, self._clock())
            self._on_verdict(Verdict.FAILED)
            raise
        self._circuit.told(False, self._clock())
        self._on_verdict(Verdict.TOLD if bill else Verdict.UNKNOWN)
        if bill:
            self._remember(customer, bill)
        return bill

    async def _ask(self, customer: str) -> Bill | None:
        session, seconds = self._session, self._source.seconds
        if session is None:
            raise LookupFailed("nobody is asked at this moment")
        url = self._source.url.replace(CUSTOMER, customer)
        try:
            async with (
                asyncio.timeout(seconds),
                self._turns,
                session.get(url, allow_redirects=False) as answer,
            ):
                body = await _read(answer)
        except TimeoutError:
            raise LookupFailed(f"no answer within {seconds:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise LookupFailed(f"no answer: {type(error).__name__}") from None
        return read_answer(answer.status, body)

    def _recall(self, customer: str) -> Bill | None:
        until, bill = self._remembered.get(customer, (0.0, None))
        return bill if self._clock() < until else None

    def _remember(self, customer: str, bill: Bill) -> None:
        self._remembered.pop(customer, None)
        self._remembered[customer] = self._clock() + self._source.remembered_seconds, bill
        while len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > MOST_BYTES:
            raise LookupFailed(f"an answer of more than {MOST_BYTES} bytes")
    return body
