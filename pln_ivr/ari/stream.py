"""The WebSocket: events in, requests out, one connection at a time.

The reader does nothing but decode and hand on. A slow reader would make Asterisk close
the socket, and long before that drop new calls (its taskprocessor for our application
fills up, and above 500 entries PJSIP ignores INVITEs).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count

import aiohttp
import msgspec

from pln_ivr.ari import events
from pln_ivr.ari.transport import Request, check
from pln_ivr.errors import AriTimeout, AriUnavailable

OUTBOX_REQUESTS = 5000
"""Requests that may wait for a full socket: some seconds of a storm. Then HTTP has to do."""

_encode = msgspec.json.Encoder().encode


class Stream:
    """One open WebSocket. It is a Transport too: ARI's REST over WebSocket (Asterisk 22.4)."""

    name = "websocket"

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._outbox: asyncio.Queue[str] = asyncio.Queue(OUTBOX_REQUESTS)
        self.stalled = False
        """A request was not answered in time. Those behind it in Asterisk's one thread would
        not be either: from now on requests are better sent another way."""
        self._answers: dict[str, asyncio.Future[events.RESTResponse]] = {}

    async def read(
        self, on_event: Callable[[events.Event], None], on_broken: Callable[[str], None]
    ) -> None:
        """Hand every event to `on_event` until the socket ends; never raises for its content.

        `on_broken` is told of messages that could not be decoded.
        """
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            try:
                event = events.decode(message.data)
            except ValueError as error:
                on_broken(str(error))
                continue
            if isinstance(event, events.RESTResponse):
                self._settle(event)
            else:
                on_event(event)

    async def write(self) -> None:
        """Send requests in order until cancelled. Raises AriUnavailable if the socket breaks.

        The one writer: senders that wait for a full socket side by side, as aiohttp has them
        do, are all cancelled when one of them is.
        """
        try:
            while True:
                await self._socket.send_str(await self._outbox.get())
        except (aiohttp.ClientError, ConnectionError) as error:
            raise AriUnavailable(f"the WebSocket broke: {error}") from None

    async def send(self, request: Request, seconds: float) -> bytes:
        """See Transport."""
        number = str(next(self._numbers))
        message = {
            "type": "RESTRequest",
            "transaction_id": number,
            "request_id": number,
            "method": request.method,
            "uri": request.path,
            "query_strings": [{"name": k, "value": v} for k, v in request.query.items()],
        }
        if request.body is not None:
            message["content_type"] = "application/json"
            message["message_body"] = _encode(request.body).decode()
        answer: asyncio.Future[events.RESTResponse] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self._outbox.put_nowait(_encode(message).decode())
            async with asyncio.timeout(seconds):
                response = await answer
        except asyncio.QueueFull:
            self.stalled = True
            raise AriUnavailable(f"{request}: Asterisk takes no more requests") from None
        except TimeoutError:
            self.stalled = True
            raise AriTimeout(f"{request}: no answer within {seconds:g} s") from None
        finally:
            self._answers.pop(number, None)
        check(request, response.status_code, response.message_body)
        return response.message_body.encode()

    def _settle(self, response: events.RESTResponse) -> None:
        answer = self._answers.get(response.request_id)
        if answer and not answer.done():
            answer.set_result(response)

    def fail_requests(self) -> None:
        """Tell every request under way that the connection broke."""
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(AriUnavailable("the connection to Asterisk broke"))


@asynccontextmanager
async def open_stream(
    session: aiohttp.ClientSession, url: str, app: str, seconds: float
) -> AsyncIterator[Stream]:
    """Connect the application's WebSocket. Raises AriUnavailable, AriTimeout.

    subscribeAll stays false: with it Asterisk loses the StasisEnd of calls that outlive a
    reconnection. No compression: it is loopback.
    """
    try:
        async with asyncio.timeout(seconds):
            socket = await session.ws_connect(
                f"{url}/ari/events",
                params={"app": app, "subscribeAll": "false"},
                autoping=True,
                max_msg_size=4 * 1024 * 1024,
            )
    except TimeoutError:
        raise AriTimeout(f"{url}: the WebSocket did not open within {seconds:g} s") from None
    except (aiohttp.ClientError, OSError) as error:
        raise AriUnavailable(_explain(url, error)) from None
    stream = Stream(socket)
    try:
        yield stream
    finally:
        stream.fail_requests()
        try:
            async with asyncio.timeout(1):
                await socket.close()
        except TimeoutError:
            pass


def _explain(url: str, error: Exception) -> str:
    """A cure for what an operator can get wrong."""
    if isinstance(error, aiohttp.WSServerHandshakeError):
        if error.status == 401:
            return f"{url}: wrong password: ari.user and ari.password must match ari.conf"
        return f"{url}: no ARI there (HTTP {error.status}); is res_ari loaded and ari.url right?"
    return f"{url}: cannot connect; is Asterisk running and ari.url right? ({error})"
