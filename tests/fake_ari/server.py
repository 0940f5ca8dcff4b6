"""A small fake ARI on a real socket: events, REST over WebSocket and HTTP, and faults on demand.

It knows just enough of channels, bridges and prompts to take a call through. What a real
Asterisk will not do on command is a `Fault` here: an error, silence, a cut connection. The
real one is the judge of everything else, in tests/asterisk.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from aiohttp import web

USER, PASSWORD, APP = "pln_ivr", "fake-password", "pln_ivr"
Json = dict[str, Any]


@dataclass
class Asked:
    """One request as it arrived. `number` counts from the latest `FakeAri.count_from_here`."""

    number: int
    transport: str
    method: str
    path: str
    query: dict[str, str]
    body: Json

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request: at most one of these.

    `status`: refused with it, nothing done. `silent`: no answer ever; `done` says whether
    it was carried out all the same. `cut`: the connection breaks; `reset` by RST.
    """

    status: int = 0
    message: str = "Channel not found"
    silent: bool = False
    done: bool = False
    cut: bool = False
    reset: bool = False
    body: str | None = None
    """Answered 200 with this text."""


@dataclass
class FakeChannel:
    """A channel, as far as anybody looks at it."""

    id: str
    state: str
    caller: str = ""
    app_data: str = ""
    """Arguments of Stasis() with the application's name; empty: not in the application."""
    playing: str = ""
    bridge: str = ""
    variables: dict[str, str] = field(default_factory=dict)

    def json(self) -> Json:
        return {
            "id": self.id,
            "name": f"PJSIP/fake-{self.id[:8]}",
            "state": self.state,
            "protocol_id": "fake",
            "caller": {"name": "", "number": self.caller},
            "connected": {"name": "", "number": ""},
            "accountcode": "",
            "dialplan": {
                "context": "from-trunk",
                "exten": "123",
                "priority": 1,
                "app_name": "Stasis" if self.app_data else "AppDial2",
                "app_data": self.app_data,
            },
            "creationtime": "2026-11-23T12:00:00.000+0700",
            "language": "id",
        }


def _no_fault(asked: Asked) -> Fault | None:
    return None


def _nothing(asked: Asked) -> None:
    return None


class FakeAri:
    """The fake. Made by `fake_ari`; everything is for tests to read and to set."""

    def __init__(self) -> None:
        self.port = 0
        self.fault: Callable[[Asked], Fault | None] = _no_fault
        self.before: Callable[[Asked], None] = _nothing
        """Called before a request is carried out."""
        self.carried_out: Callable[[Asked], None] = _nothing
        """Called after it was carried out and before its answer is sent."""
        self.answered: Callable[[Asked], None] = _nothing
        """Called after its answer was sent."""
        self.on_event: Callable[[int, Json], None] = lambda number, event: None
        """Called after each event was queued for sending."""
        self.on_originate: Callable[[FakeChannel], None] = lambda channel: None
        self.refuses_websocket = False
        self.prompts_end = True
        self.requests: list[Asked] = []
        self.events: list[Json] = []
        self.filters: list[set[str]] = []
        self.connections = 0
        self.sockets: list[web.WebSocketResponse] = []
        self.mute_events = False
        self.channels: dict[str, FakeChannel] = {}
        self.ever: set[str] = set()
        """Ids of all channels that ever were."""
        self.bridges: dict[str, str] = {}
        self.endpoints: dict[str, str] = {}
        self.objects: set[tuple[str, str]] = set()
        self.globals: dict[str, str] = {}
        self._first_request = 0
        self._first_event = 0
        self._outbox: asyncio.Queue[tuple[web.WebSocketResponse, str]] = asyncio.Queue()
        self._filter: set[str] | None = None
        self._lost: asyncio.Event = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count_from_here(self) -> None:
        """Requests and events get numbers from 0 again."""
        self._first_request, self._first_event = len(self.requests), len(self.events)

    # -- what happens at the phones ------------------------------------------------------

    def call(self, channel_id: str = "caller-1", number: str = "081234567890") -> FakeChannel:
        """Somebody dials 123."""
        channel = FakeChannel(channel_id, "Ring", caller=number)
        self._add(channel)
        self.enter_app(channel, "call", "123")
        return channel

    def enter_app(self, channel: FakeChannel, *args: str) -> None:
        """The dialplan hands a channel to the application."""
        channel.app_data = ",".join((APP, *args))
        self.send("StasisStart", channel=channel.json(), args=list(args))

    def ringing(self, channel: FakeChannel) -> None:
        channel.state = "Ringing"
        self.send("ChannelStateChange", channel=channel.json())

    def answer(self, channel: FakeChannel) -> None:
        """A phone answers, and its dialplan hands it to the application."""
        channel.state = "Up"
        self.send("ChannelStateChange", channel=channel.json())
        self.enter_app(channel, "agent", "/spool/file.raw")

    def hang_up(self, channel_id: str, cause: int = 16, tech_cause: int = 0) -> None:
        """The party at the phone ends it. Nothing if it has ended already."""
        self._end(channel_id, {"cause": cause}, cause, tech_cause)

    def lose(self, channel_id: str) -> None:
        """A channel ends and nobody is told."""
        del self.channels[channel_id]

    def cut(self) -> None:
        """Break every WebSocket, as a crash would."""
        for socket in self.sockets:
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()

    def close_sockets(self) -> asyncio.Future[Any]:
        """Close every WebSocket politely."""
        return asyncio.gather(*(socket.close() for socket in self.sockets))

    def _add(self, channel: FakeChannel) -> None:
        self.channels[channel.id] = channel
        self.ever.add(channel.id)

    def _end(self, channel_id: str, request: Json, cause: int, tech_cause: int = 0) -> None:
        channel = self.channels.pop(channel_id, None)
        if channel is None:
            return
        said = channel.json()
        self.send("ChannelHangupRequest", channel=said, **request)
        self._leave_bridge(channel)
        if channel.app_data:
            self.send("StasisEnd", channel=said)
        self.send(
            "ChannelDestroyed", channel=said, cause=cause, cause_txt="", tech_cause=tech_cause
        )

    # -- events --------------------------------------------------------------------------

    def send(self, type_: str, **fields: Any) -> None:
        """Send an event to the application, if it wants this type."""
        event = {
            "type": type_,
            "application": APP,
            "timestamp": "2026-11-23T12:00:00.000+0700",
            "asterisk_id": "00:00:00:00:00:00",
            **fields,
        }
        if self._filter is not None and type_ not in self._filter:
            return
        self.events.append(event)
        self.send_raw(json.dumps(event))
        self.on_event(len(self.events) - 1 - self._first_event, event)

    def send_raw(self, text: str) -> None:
        """Send any text at all."""
        if self.sockets and not self.mute_events:
            self._outbox.put_nowait((self.sockets[-1], text))

    async def write(self) -> None:
        """The one writer: events and answers leave in the order in which they were made."""
        while True:
            socket, text = await self._outbox.get()
            try:
                await socket.send_str(text)
            except (ConnectionError, RuntimeError):
                continue

    # -- requests ------------------------------------------------------------------------

    async def http(self, request: web.Request) -> web.StreamResponse:
        """One HTTP request."""
        credentials = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {credentials}":
            return web.json_response({"message": "Authentication required"}, status=401)
        path = unquote(request.raw_path.partition("?")[0].removeprefix("/ari/"))
        if path == "events" and "upgrade" in request.headers.get("Connection", "").lower():
            return await self._websocket(request)
        text = await request.text()
        asked = self._note("http", request.method, path, dict(request.query), text)
        fault = self.fault(asked)
        if fault and fault.cut and request.transport:
            if fault.reset:
                request.transport.abort()
            else:
                request.transport.close()
            return web.Response()
        answer = self._carry_out(asked, fault)
        if answer is None:
            await self._lost.wait()
            return web.Response()
        status, body = answer
        response = web.Response(status=status, text=body or None, content_type="application/json")
        await response.prepare(request)
        await response.write_eof()
        self.answered(asked)
        return response

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if self.refuses_websocket:
            return web.Response(status=503)
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        self.connections += 1
        self.sockets.append(socket)
        self._filter = None
        async for message in socket:
            if isinstance(message.data, str):
                self._rest_over_websocket(socket, json.loads(message.data))
        self.sockets.remove(socket)
        return socket

    def _rest_over_websocket(self, socket: web.WebSocketResponse, message: Json) -> None:
        assert message["type"] == "RESTRequest"
        query = {item["name"]: item["value"] for item in message["query_strings"]}
        asked = self._note(
            "websocket", message["method"], message["uri"], query, message.get("message_body", "")
        )
        fault = self.fault(asked)
        if fault and fault.cut:
            self.cut()
            return
        answer = self._carry_out(asked, fault)
        if answer is None:
            return
        self.answer_websocket(socket, message["request_id"], *answer)
        self.answered(asked)

    def answer_websocket(
        self, socket: web.WebSocketResponse, request_id: str, status: int, body: str
    ) -> None:
        """Answer one request of a WebSocket."""
        response = {
            "type": "RESTResponse",
            "transaction_id": request_id,
            "request_id": request_id,
            "status_code": status,
            "reason_phrase": "",
            "uri": "",
            "message_body": body,
        }
        if self._filter is None or "RESTResponse" in self._filter:
            self._outbox.put_nowait((socket, json.dumps(response)))

    def _note(
        self, transport: str, method: str, path: str, query: dict[str, str], body: str
    ) -> Asked:
        number = len(self.requests) - self._first_request
        asked = Asked(
            number, transport, method, unquote(path), query, json.loads(body) if body else {}
        )
        self.requests.append(asked)
        return asked

    def _carry_out(self, asked: Asked, fault: Fault | None) -> tuple[int, str] | None:
        """Status and body, or None for no answer."""
        self.before(asked)
        if fault and fault.status:
            answer: tuple[int, str] | None = fault.status, json.dumps({"message": fault.message})
        elif fault and fault.body is not None:
            answer = 200, fault.body
        elif fault and fault.silent and not fault.done:
            answer = None
        else:
            status, value = self._do(asked)
            answer = None if fault and fault.silent else (status, json.dumps(value))
        self.carried_out(asked)
        return answer

    def _do(self, asked: Asked) -> tuple[int, Any]:
        match asked.method, asked.path.split("/"):
            case "GET", ["channels"]:
                return 200, [channel.json() for channel in self.channels.values()]
            case "GET", ["bridges"]:
                return 200, [self._bridge_json(bridge) for bridge in self.bridges]
            case "GET", ["endpoints", "PJSIP"]:
                return 200, [
                    {"technology": "PJSIP", "resource": name, "state": state, "channel_ids": []}
                    for name, state in self.endpoints.items()
                ]
            case "GET", ["asterisk", "info"]:
                return 200, {"system": {"version": "22.10.1", "entity_id": "fake"}}
            case "POST", ["asterisk", "variable"]:
                self.globals[asked.query["variable"]] = asked.query["value"]
                return 204, None
            case method, ["asterisk", "config", "dynamic", "res_pjsip", kind, name]:
                return self._object(method, kind, name)
            case "PUT", ["applications", _, "eventFilter"]:
                self._filter = {allowed["type"] for allowed in asked.body["allowed"]}
                self.filters.append(self._filter)
                return 200, {}
            case "POST", ["applications", _, "subscription"]:
                return 200, {}
            case "POST", ["events", "user", name]:
                self.send("ChannelUserevent", eventname=name, userevent={})
                return 204, None
            case method, ["channels", channel_id, *rest]:
                return self._channel(method, channel_id, rest, asked)
            case method, ["bridges", bridge, *rest]:
                return self._bridge(method, bridge, rest, asked)
            case "DELETE", ["playbacks", playback]:
                return self._stop_playback(playback)
        return 404, {"message": "Resource not found"}

    def _object(self, method: str, kind: str, name: str) -> tuple[int, Any]:
        if method == "PUT":
            self.objects.add((kind, name))
            if kind == "endpoint":
                self.endpoints.setdefault(name, "online")
            return 200, []
        if (kind, name) not in self.objects:
            return 404, {"message": "Object not found"}
        self.objects.remove((kind, name))
        if kind == "endpoint":
            del self.endpoints[name]
        return 204, None

    def _channel(
        self, method: str, channel_id: str, rest: list[str], asked: Asked
    ) -> tuple[int, Any]:
        if method == "POST" and not rest:
            return self._originate(channel_id, asked)
        channel = self.channels.get(channel_id)
        if channel is None:
            return 404, {"message": "Channel not found"}
        match method, rest:
            case "DELETE", []:
                cause = int(asked.query.get("reason_code", "16"))
                self._end(channel_id, {"cause": 32, "soft": True}, cause)
            case "POST", ["answer"]:
                channel.state = "Up"
                self.send("ChannelStateChange", channel=channel.json())
            case "POST", ["play", playback]:
                channel.playing = playback
                if self.prompts_end:
                    asyncio.get_running_loop().call_soon(self.end_prompt, channel_id, "done")
                return 201, {"id": playback}
            case "POST", ["continue"]:
                channel.app_data = ""
                self.send("StasisEnd", channel=channel.json())
            case _:
                return 404, {"message": "Resource not found"}
        return 204, None

    def end_prompt(self, channel_id: str, state: str) -> None:
        """The prompt that a channel is playing ends; nothing if there is none."""
        channel = self.channels.get(channel_id)
        if channel and channel.playing:
            playback, channel.playing = channel.playing, ""
            said = {
                "id": playback,
                "media_uri": "sound:pln/x",
                "target_uri": f"channel:{channel_id}",
                "language": "id",
                "state": state,
            }
            self.send("PlaybackFinished", playback=said)

    def _stop_playback(self, playback: str) -> tuple[int, Any]:
        for channel in list(self.channels.values()):
            if channel.playing == playback:
                self.end_prompt(channel.id, "cancelled")
                return 204, None
        return 404, {"message": "Playback not found"}

    def _originate(self, channel_id: str, asked: Asked) -> tuple[int, Any]:
        originator = asked.query["originator"]
        if originator not in self.channels:
            return 400, {"message": "Provided originator channel was not found"}
        if self.endpoints.get(asked.query["endpoint"].removeprefix("PJSIP/")) != "online":
            return 500, {"message": "Allocation failed"}
        channel = FakeChannel(channel_id, "Down", variables=asked.body["variables"])
        self._add(channel)
        asyncio.get_running_loop().call_soon(self._dialled, channel)
        return 200, channel.json()

    def _dialled(self, channel: FakeChannel) -> None:
        if channel.id in self.channels:
            self.on_originate(channel)

    def _bridge(self, method: str, bridge: str, rest: list[str], asked: Asked) -> tuple[int, Any]:
        if method == "POST" and not rest:
            if bridge in self.bridges:
                return 409, {"message": "Bridge with this id exists"}
            self.bridges[bridge] = asked.query["type"]
            return 200, self._bridge_json(bridge)
        if bridge not in self.bridges:
            return 404, {"message": "Bridge not found"}
        match method, rest:
            case "DELETE", []:
                for channel in list(self.channels.values()):
                    if channel.bridge == bridge:
                        self._leave_bridge(channel)
                del self.bridges[bridge]
            case "POST", ["addChannel"]:
                return self._join(bridge, asked.query["channel"].split(","))
        return 204, None

    def _join(self, bridge: str, members: list[str]) -> tuple[int, Any]:
        if any(member not in self.channels for member in members):
            return 400, {"message": "Channel not found"}
        for member in members:
            channel = self.channels.get(member)  # who heard of the first may be gone by now
            if channel:
                self._leave_bridge(channel)
                channel.bridge = bridge
                self.send(
                    "ChannelEnteredBridge", bridge=self._bridge_json(bridge), channel=channel.json()
                )
        return 204, None

    def _leave_bridge(self, channel: FakeChannel) -> None:
        bridge, channel.bridge = channel.bridge, ""
        if bridge:
            self.send("ChannelLeftBridge", bridge=self._bridge_json(bridge), channel=channel.json())

    def _bridge_json(self, bridge: str) -> Json:
        members = [channel.id for channel in self.channels.values() if channel.bridge == bridge]
        return {
            "id": bridge,
            "technology": "simple_bridge",
            "bridge_type": self.bridges[bridge],
            "bridge_class": "stasis",
            "name": "",
            "channels": members,
        }

    def stop(self) -> None:
        """Let go of everybody who waits for an answer."""
        self._lost.set()


@asynccontextmanager
async def fake_ari(port: int = 0) -> AsyncIterator[FakeAri]:
    """A fake that listens on loopback for the body's duration."""
    fake = FakeAri()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.http)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    fake.port = runner.addresses[0][1]
    writer = asyncio.create_task(fake.write())
    try:
        yield fake
    finally:
        fake.stop()
        fake.cut()
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
        await runner.cleanup()
