"""What the fake ARI knows of a PBX: channels, bridges, prompts and phones, and no sockets."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

APP = "pln_ivr"
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
    id: str = ""
    """Of a request over the WebSocket."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


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
    context: str = "from-trunk"
    """Where in the dialplan it is, or was when it came to the application."""
    name: str = ""
    """As Asterisk names it; empty: made up."""
    variables: dict[str, str] = field(default_factory=dict)

    def json(self) -> Json:
        return {
            "id": self.id,
            "name": self.name or f"PJSIP/fake-{self.id[:8]}",
            "state": self.state,
            "protocol_id": "fake",
            "caller": {"name": "", "number": self.caller},
            "connected": {"name": "", "number": ""},
            "accountcode": "",
            "dialplan": {
                "context": self.context,
                "exten": "123",
                "priority": 1,
                "app_name": "Stasis" if self.app_data else "AppDial2",
                "app_data": self.app_data,
            },
            "creationtime": "2026-11-23T12:00:00.000+0700",
            "language": "id",
        }


class FakePbx(ABC):
    """The state that requests change, and what happens at the phones."""

    def __init__(self) -> None:
        self.on_originate: Callable[[FakeChannel], None] = lambda _: None
        """Called once a leg is being dialled."""
        self.prompts_end = True
        self.startup_time = "2026-11-23T12:00:00.000+0700"
        self.channels: dict[str, FakeChannel] = {}
        self.ever: set[str] = set()
        """Ids of all channels that ever were."""
        self.bridges: dict[str, str] = {}
        self.endpoints: dict[str, str] = {}
        self.objects: set[tuple[str, str]] = set()
        self.globals: dict[str, str] = {}
        self._pressed = 0
        self.filters: list[set[str]] = []
        self.filter: set[str] | None = None
        """Types of events that are sent; None: all."""

    @abstractmethod
    def send(self, type_: str, **fields: Any) -> None:
        """Send an event to the application, if it wants this type."""

    def call(
        self, channel_id: str = "caller-1", number: str = "081234567890", dialled: str = "123"
    ) -> FakeChannel:
        """Somebody dials 123, or another number that means it."""
        channel = FakeChannel(channel_id, "Ring", caller=number)
        self.add(channel)
        self.enter_app(channel, "call", dialled)
        return channel

    def dial_code(self, channel_id: str, code: str, endpoint: str) -> None:
        """An agent dials a short code."""
        channel = FakeChannel(channel_id, "Ring")
        self.add(channel)
        self.enter_app(channel, "code", code, endpoint)

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

    def press(self, channel_id: str, keys: str) -> None:
        """The party at a phone presses keys."""
        for key in keys:
            self._pressed += 1
            self.send(
                "ChannelDtmfReceived",
                channel=self.channels[channel_id].json(),
                digit=key,
                duration_ms=100,
                timestamp=str(self._pressed),
            )

    def hang_up(self, channel_id: str, cause: int = 16, tech_cause: int = 0) -> None:
        """The party at the phone ends it. Nothing if it has ended already."""
        self._end(channel_id, {"cause": cause}, cause, tech_cause)

    def lose(self, channel_id: str) -> None:
        """A channel ends and nobody is told."""
        del self.channels[channel_id]

    def lease_expires(self, channel_id: str) -> None:
        """The dialplan takes a caller back whom the application has kept for too long."""
        channel = self.channels[channel_id]
        self._leave_bridge(channel)
        channel.app_data, channel.context = "", "fallback"
        self.send("StasisEnd", channel=channel.json())

    def add(self, channel: FakeChannel) -> None:
        """A channel comes into being."""
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

    def carry_out(self, asked: Asked) -> tuple[int, Any]:
        """Do what was asked; returns HTTP status and body."""
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
                return 200, {
                    "system": {"version": "22.10.1", "entity_id": "fake"},
                    "status": {"startup_time": self.startup_time},
                }
            case "GET", ["asterisk", "variable"]:
                return 200, {"value": self.globals.get(asked.query["variable"], "")}
            case "POST", ["asterisk", "variable"]:
                self.globals[asked.query["variable"]] = asked.query["value"]
                return 204, None
            case method, ["asterisk", "config", "dynamic", "res_pjsip", kind, name]:
                return self._object(method, kind, name)
            case "PUT", ["applications", _, "eventFilter"]:
                self.filter = {allowed["type"] for allowed in asked.body["allowed"]}
                self.filters.append(self.filter)
                return 200, {}
            case "POST", ["applications", _, "subscription"]:
                return self._subscribe(*asked.query["eventSource"].split(":"))
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

    def _subscribe(self, kind: str, name: str) -> tuple[int, Any]:
        if kind == "channel":
            if name not in self.channels:
                return 422, {"message": "Event source does not exist"}
            if name.startswith("out-"):
                asyncio.get_running_loop().call_soon(self._dialled, self.channels[name])
        return 200, {}

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
            case "GET", []:
                return 200, channel.json()
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
            case (("POST" | "DELETE"), ["ring"]):
                pass
            case "POST", ["variable"]:
                channel.variables[asked.query["variable"]] = asked.query["value"]
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
        originator = asked.query.get("originator", "")
        if originator and originator not in self.channels:
            return 400, {"message": "Provided originator channel was not found"}
        endpoint = asked.query["endpoint"].removeprefix("PJSIP/").partition("/")[0]
        if self.endpoints.get(endpoint) != "online":
            return 500, {"message": "Allocation failed"}
        channel = FakeChannel(channel_id, "Down", variables=asked.body["variables"])
        self.add(channel)
        if not channel_id.startswith("out-"):  # else nobody would be told before the subscription
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
