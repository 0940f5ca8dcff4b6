"""The client: keeps the connection, hands events to whom they concern, sends requests."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Protocol

import aiohttp
import structlog

from pln_ivr.ari import events
from pln_ivr.ari.channel import Channel
from pln_ivr.ari.manager import Manager
from pln_ivr.ari.operations import Operations
from pln_ivr.ari.stream import Stream, open_stream
from pln_ivr.ari.transport import HttpTransport, Request, Transport
from pln_ivr.errors import AriError, AriTimeout, AriUnavailable

log = structlog.get_logger("pln_ivr.ari")

WATCHDOG = "ari_client_watchdog"
_TARGET_CHANNEL = "channel:"


class Handler(Protocol):
    """What the application does with what the client learns. None of it may block."""

    async def connected(self) -> None:
        """Called after each (re)connection, before the client counts as ready.

        Raising AriError makes the client reconnect.
        """

    def disconnected(self) -> None:
        """No more events come until `connected` is called again."""

    def started(self, event: events.StasisStart) -> None:
        """A channel that nobody follows entered the application."""

    def endpoint_changed(self, endpoint: events.EndpointInfo) -> None:
        """A phone became reachable or unreachable."""


class _Nobody:
    """The handler before `run`."""

    async def connected(self) -> None: ...

    def disconnected(self) -> None: ...

    def started(self, event: events.StasisStart) -> None: ...

    def endpoint_changed(self, endpoint: events.EndpointInfo) -> None: ...


class Meter(Protocol):
    """Counts, for whoever wants them. `type_` and `operation` are bounded sets of words."""

    def event(self, type_: str) -> None: ...

    def request(self, method: str, transport: str, result: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Timing:
    """Deadlines and pauses, in seconds."""

    request: float = 5.0
    watchdog: float = 5.0
    reconnect_max: float = 5.0


def backoff(longest: float, first: float = 0.1) -> Iterator[float]:
    """Pauses between attempts: doubling up to `longest`, each jittered by half."""
    pause = first
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(pause * 2, longest)


class Client(Operations):
    """One application's connection to one Asterisk. Make it with `connect`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        app: str,
        timing: Timing,
        meter: Meter,
        manager: Manager,
    ) -> None:
        self.app = app
        self._manager = manager
        self._ready = asyncio.Event()
        self.reconnections = 0
        self.broken_events = 0
        self._session = session
        self._url = url
        self._timing = timing
        self._handler: Handler = _Nobody()
        self._meter = meter
        self._http = HttpTransport(session, url)
        self._stream: Stream | None = None
        self._channels: dict[str, Channel] = {}
        self._marks: dict[str, asyncio.Event] = {}
        """User events of our own that are on their way back to us."""
        self._mark_numbers = count(1)
        self._startup_time = ""
        self.replaced = asyncio.Event()
        """Another process took the application's name; this one gets no more events."""

    @property
    def ready(self) -> bool:
        """Connected, and the handler's `connected` has done its work."""
        return self._ready.is_set()

    async def until_ready(self) -> None:
        """Wait, as long as it takes, until connected. Safe to cancel."""
        await self._ready.wait()

    # -- channels --------------------------------------------------------------------

    def channel(self, channel_id: str) -> Channel:
        """Follow a channel: its events go to the returned object until it is closed."""
        channel = self._channels.get(channel_id)
        if channel is None:
            channel = self._channels[channel_id] = Channel(channel_id, self._forget)
        return channel

    def follow_anew(self, left: Channel) -> Channel:
        """Follow a channel that has left the application until it comes back; it may be back."""
        left.close()
        channel = self.channel(left.id)
        channel.in_app, channel.args, channel.state = left.in_app, left.args, left.state
        return channel

    def follows(self, channel_id: str) -> bool:
        """True if somebody follows this channel."""
        return channel_id in self._channels

    def followed(self) -> frozenset[str]:
        """The channels that somebody follows."""
        return frozenset(self._channels)

    def _forget(self, channel_id: str) -> None:
        self._channels.pop(channel_id, None)

    async def catch_up(self, seconds: float) -> None:
        """Return once every event of what has happened until now has been read.

        Events come in order, so one of our own is sent round. Raises AriTimeout if it does
        not come back in time. Safe to cancel.
        """
        name = f"{WATCHDOG}_{next(self._mark_numbers)}"
        back = self._marks[name] = asyncio.Event()
        try:
            await self.send_user_event(name)
            async with asyncio.timeout(seconds):
                await back.wait()
        except TimeoutError:
            raise AriTimeout(f"events: more than {seconds:g} s behind") from None
        finally:
            del self._marks[name]

    # -- requests --------------------------------------------------------------------

    async def mute_recording(self, channel_id: str, on: bool) -> None:
        """Have what MixMonitor records of a channel be silence, or sound again: see `Manager`.

        Raises Gone, AriRefused, AriTimeout and AriUnavailable.
        """
        await self._manager.mute_recording(channel_id, on, self._timing.request)

    async def _hand_over(self, request: Request) -> bytes:
        stream = self._stream
        if stream is None or stream.stalled:
            return await self._send(self._http, request)
        return await self._send(stream, request)

    async def _wait(self, request: Request) -> bytes:
        return await self._send(self._http, request)

    async def _send(self, transport: Transport, request: Request) -> bytes:
        result = "ok"
        try:
            return await transport.send(request, self._timing.request)
        except AriError as error:
            result = type(error).__name__
            raise
        finally:
            self._meter.request(request.method, transport.name, result)

    # -- events ----------------------------------------------------------------------

    def _on_event(self, event: events.Event) -> None:
        kind = type(event).__name__
        self._meter.event(kind)
        try:
            self._route(event)
        except Exception:  # a bug in one call's handling must not stop everybody's events
            log.exception("event_handler_failed", type=kind)

    def _route(self, event: events.Event) -> None:
        match event:
            case events.StasisStart():
                channel = self._channels.get(event.channel.id)
                if channel:
                    channel.feed(event)
                else:
                    self._handler.started(event)
            case events.PlaybackFinished():
                self._feed(event.playback.target_uri.removeprefix(_TARGET_CHANNEL), event)
            case events.ChannelEvent():
                self._feed(event.channel.id, event)
            case events.EndpointStateChange():
                self._handler.endpoint_changed(event.endpoint)
            case events.ChannelUserevent(eventname=name):
                waiting = self._marks.get(name)
                if waiting is not None:
                    waiting.set()
            case events.ApplicationReplaced():
                self.replaced.set()

    def _feed(self, channel_id: str, event: events.Event) -> None:
        channel = self._channels.get(channel_id)
        if channel:
            channel.feed(event)

    def _on_broken(self, error: str) -> None:
        self.broken_events += 1
        log.warning("event_undecodable", error=error)

    # -- the connection --------------------------------------------------------------

    async def run(self, handler: Handler) -> None:
        """Stay connected until cancelled or replaced; reconnect with growing, jittered pauses."""
        self._handler = handler
        pauses = backoff(self._timing.reconnect_max)
        while not self.replaced.is_set():
            try:
                await self._one_connection()
                raise AriUnavailable("Asterisk closed the WebSocket")
            except AriError as error:
                if self.ready:
                    pauses = backoff(self._timing.reconnect_max)
                    self.reconnections += 1
                self._ready.clear()
                handler.disconnected()
                log.warning("ari_disconnected", error=str(error))
            await asyncio.sleep(next(pauses))
        self._ready.clear()
        log.warning("ari_replaced", cause="another process has connected with the same ari.app")

    async def _one_connection(self) -> None:
        async with open_stream(self._session, self._url, self.app, self._timing.request) as stream:
            self._stream = stream
            reader = asyncio.create_task(stream.read(self._on_event, self._on_broken))
            writer = asyncio.create_task(stream.write())
            keeper = asyncio.create_task(self._prepare_and_watch())
            tasks = (keeper, writer, reader)
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    if task.done():
                        task.result()
            finally:
                self._stream = None
                stream.fail_requests()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _prepare_and_watch(self) -> None:
        await self.filter_events(events.TYPES)
        await self._reconcile()
        await self._handler.connected()
        self._ready.set()
        log.info("ari_connected", app=self.app)
        while True:
            await asyncio.sleep(self._timing.watchdog)
            try:
                await self.catch_up(self._timing.watchdog)
            except AriTimeout:
                raise AriUnavailable("the event stream is silent: half-open or stalled") from None

    async def _reconcile(self) -> None:
        """Learn what happened while no events came: Asterisk's own lists are the truth."""
        startup_time = await self.startup_time()
        restarted = startup_time != self._startup_time
        self._startup_time = startup_time
        followed = {key: channel for key, channel in self._channels.items() if channel.state}
        alive = {channel.id: channel for channel in await self.list_channels()}
        for channel_id, channel in followed.items():
            if channel_id not in alive:
                channel.lose(restarted)
            elif channel.in_app and alive[channel_id].arguments(self.app) is None:
                channel.leave()
        members = {c: bridge.id for bridge in await self.list_bridges() for c in bridge.channels}
        for channel_id, channel in followed.items():
            channel.bridge_id = members.get(channel_id, channel.bridge_id)
            for playback_id in channel.playing():
                if not channel.gone and not await self.is_playing(playback_id):
                    channel.end_playback(playback_id)


@asynccontextmanager
async def connect(
    url: str,
    *,
    user: str,
    password: str,
    app: str,
    meter: Meter,
    timing: Timing | None = None,
    connections: int = 64,
) -> AsyncIterator[Client]:
    """A client for the body's duration. Its owner runs `Client.run` as a task."""
    credentials = f"{user}:{password}".encode()
    async with aiohttp.ClientSession(
        headers={"Authorization": "Basic " + base64.b64encode(credentials).decode()},
        # Asterisk closes an idle connection after 15 s (http.c): let go of it before.
        connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=10),
        timeout=aiohttp.ClientTimeout(total=None),  # deadlines are the transports' own
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        manager = Manager(session, url, user, password)
        yield Client(session, url, app, timing or Timing(), meter, manager)
