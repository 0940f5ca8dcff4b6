"""How a request reaches Asterisk: over pooled HTTP, or over the event WebSocket.

Asterisk serves a WebSocket's requests one after the other in one thread, so a request
that waits for a channel's thread (addChannel) may stall every other one: those go over
HTTP. Over the WebSocket go those that are carried out at once (hang up, play, originate,
the answer of a channel that has just come): there a request costs half the processor
time or less, see tests/bench. If one is not answered in time all the same, the
WebSocket carries no more requests until it is a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import msgspec

from pln_ivr.errors import AriRefused, AriTimeout, AriUnavailable, Gone


@dataclass(frozen=True, slots=True)
class Request:
    """One ARI request. `path` is below /ari/, without a leading slash."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        """Method and path without the query, which may hold a caller's number."""
        return f"{self.method} {self.path}"


class Transport(Protocol):
    """The seam: send one request, return the body of a 2xx answer."""

    name: str

    async def send(self, request: Request, seconds: float) -> bytes:
        """Raises Gone, AriRefused, AriTimeout, AriUnavailable.

        After a cancellation or a timeout the request may or may not have been carried out.
        """


GONE_TEXTS = (
    "channel not found",
    "channel not in stasis",
    "originator channel was not found",
    "failed to execute function",
)
"""What Asterisk says, with 400, 422 or 500, when a channel is gone (resource_*.c)."""


def check(request: Request, status: int, body: str | bytes) -> None:
    """Raise what a status means: nothing for 2xx, Gone, or AriRefused.

    404 not found, 409 not in the application, 412 not in a state for it: in a telephone
    system the caller has hung up. So do some 400, 422 and 500, told apart by their text.
    """
    if 200 <= status < 300:
        return
    message = _message(body)
    gone = status in (404, 409, 412) or any(text in message.lower() for text in GONE_TEXTS)
    if gone or (status == 500 and request.path.endswith("/answer")):
        raise Gone(f"{request}: {status} {message}")
    raise AriRefused(status, str(request), message)


def _message(body: str | bytes) -> str:
    try:
        value = msgspec.json.decode(body)
    except msgspec.MsgspecError:
        return body[:200].decode(errors="replace") if isinstance(body, bytes) else body[:200]
    text = value.get("message", value.get("error", "")) if isinstance(value, dict) else ""
    return str(text)[:200]


class HttpTransport:
    """Requests over a pool of kept-alive HTTP/1.1 connections."""

    name = "http"

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._base = f"{url}/ari/"

    async def send(self, request: Request, seconds: float) -> bytes:
        """See Transport. A connection that Asterisk closed while idle is tried once more:
        every request carries the ids of what it makes, so twice is as good as once."""
        try:
            async with asyncio.timeout(seconds):
                try:
                    return await self._send(request)
                except aiohttp.ServerDisconnectedError:
                    return await self._send(request)
        except TimeoutError:
            raise AriTimeout(f"{request}: no answer within {seconds:g} s") from None
        except aiohttp.ClientError as error:
            raise AriUnavailable(f"{request}: {error}") from None

    async def _send(self, request: Request) -> bytes:
        body = msgspec.json.encode(request.body) if request.body is not None else None
        async with self._session.request(
            request.method,
            self._base + request.path,
            params=request.query,
            data=body,
            headers={"Content-Type": "application/json"} if body else None,
        ) as response:
            answer = await response.read()
            check(request, response.status, answer)
            return answer
