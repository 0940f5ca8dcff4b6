"""What can be asked of Asterisk: one typed method for each ARI operation that is used.

Each says over which transport it goes and why, where that is not plain: `_hand_over` is
for operations that Asterisk carries out at once, `_wait` for those that may wait for a
channel's thread or whose answer may be long. A contract test compares
every method, path and parameter here with the api-docs that the running Asterisk serves.

Every method may raise Gone, AriRefused, AriTimeout and AriUnavailable.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from pln_ivr.ari import events
from pln_ivr.ari.transport import Request
from pln_ivr.errors import AriRefused, Gone

_T = TypeVar("_T")


class _System(msgspec.Struct):
    version: str


class _Info(msgspec.Struct):
    system: _System


class _Status(msgspec.Struct):
    startup_time: str


class _StatusInfo(msgspec.Struct):
    status: _Status


class _Variable(msgspec.Struct):
    value: str


class Operations(ABC):
    """The operations, over transports that a subclass supplies."""

    app: str

    @abstractmethod
    async def _hand_over(self, request: Request) -> bytes:
        """Send a request that Asterisk answers at once."""

    @abstractmethod
    async def _wait(self, request: Request) -> bytes:
        """Send a request that may wait, without holding up any other."""

    async def _read(self, request: Request, kind: type[_T]) -> _T:
        answer = await self._wait(request)
        try:
            return msgspec.json.decode(answer, type=kind)
        except msgspec.MsgspecError as error:
            raise AriRefused(200, str(request), f"unreadable answer: {error}") from None

    # -- channels --------------------------------------------------------------------

    async def answer(self, channel_id: str) -> None:
        """Answer the call: SIP 200.

        Waits for the channel's thread, which is idle when a channel has just arrived; must not
        meet one that plays a prompt.
        """
        await self._hand_over(Request("POST", f"channels/{quote(channel_id)}/answer", {}))

    async def hang_up(self, channel_id: str, cause: int = 16) -> None:
        """End a channel with a Q.850 cause; before answer it becomes a SIP status (17: 486).

        A channel that has ended already is no error.
        """
        query = {"reason_code": str(cause)}
        try:
            await self._hand_over(Request("DELETE", f"channels/{quote(channel_id)}", query))
        except Gone:
            return

    async def lease(self, channel_id: str, seconds: int) -> None:
        """Have the dialplan take the channel back after so long; 0: never.

        Sets TIMEOUT(absolute). Waits for the channel's thread: must not meet one that plays
        a prompt.
        """
        query = {"variable": "TIMEOUT(absolute)", "value": str(seconds)}
        await self._hand_over(Request("POST", f"channels/{quote(channel_id)}/variable", query))

    async def tie(self, channel_id: str, peer_id: str) -> None:
        """Have the dialplan hang up the peer soon after the channel's end, unless we do first.

        For two who talk: so that neither hears silence if this program is not there any more.
        """
        query = {"variable": "CHANNEL(hangup_handler_push)", "value": f"peer-left,s,1({peer_id})"}
        await self._hand_over(Request("POST", f"channels/{quote(channel_id)}/variable", query))

    async def untie(self, channel_id: str) -> None:
        """Take back `tie`: the channel's end is to mean nothing to the peer it had."""
        query = {"variable": "CHANNEL(hangup_handler_wipe)", "value": ""}
        await self._hand_over(Request("POST", f"channels/{quote(channel_id)}/variable", query))

    async def detect_talking(self, channel_id: str, silence_ms: int, threshold: int) -> None:
        """Have ChannelTalkingStarted and ChannelTalkingFinished told of what the channel's party
        says: finished after `silence_ms` of silence, which is what is below `threshold` (mean
        magnitude of the samples; func_talkdetect.c)."""
        query = {"variable": "TALK_DETECT(set)", "value": f"{silence_ms},{threshold}"}
        await self._hand_over(Request("POST", f"channels/{quote(channel_id)}/variable", query))

    async def snoop(self, channel_id: str, snoop_id: str, *, spy: str, whisper: str) -> None:
        """Make a channel that hears another one (`spy`: none, in, out, both) and is heard by it
        (`whisper`). It comes into the application at once and ends with the channel."""
        path = f"channels/{quote(channel_id)}/snoop/{quote(snoop_id)}"
        query = {"app": self.app, "spy": spy, "whisper": whisper, "appArgs": "snoop"}
        await self._wait(Request("POST", path, query))

    async def start_ringing(self, channel_id: str) -> None:
        """Have an answered channel hear that somebody else is being rung."""
        await self._hand_over(Request("POST", f"channels/{quote(channel_id)}/ring", {}))

    async def stop_ringing(self, channel_id: str) -> None:
        """End that."""
        await self._hand_over(Request("DELETE", f"channels/{quote(channel_id)}/ring", {}))

    async def start_channel_music(self, channel_id: str, music_class: str) -> None:
        """Have one channel hear music on hold, whatever bridge it is in."""
        query = {"mohClass": music_class}
        await self._hand_over(Request("POST", f"channels/{quote(channel_id)}/moh", query))

    async def stop_channel_music(self, channel_id: str) -> None:
        """End that music."""
        await self._hand_over(Request("DELETE", f"channels/{quote(channel_id)}/moh", {}))

    async def play(self, channel_id: str, media: str, playback_id: str) -> None:
        """Start a prompt. It ends with PlaybackFinished, or without a word if the channel does."""
        path = f"channels/{quote(channel_id)}/play/{quote(playback_id)}"
        await self._hand_over(Request("POST", path, {"media": media}))

    async def stop_playback(self, playback_id: str) -> None:
        """Cut a prompt short. One that has ended already is no error."""
        try:
            await self._hand_over(Request("DELETE", f"playbacks/{quote(playback_id)}", {}))
        except Gone:
            return

    async def is_playing(self, playback_id: str) -> bool:
        """Whether a prompt has not ended yet."""
        try:
            await self._wait(Request("GET", f"playbacks/{quote(playback_id)}", {}))
        except Gone:
            return False
        return True

    async def originate(
        self,
        channel_id: str,
        endpoint: str,
        *,
        context: str,
        extension: str,
        variables: Mapping[str, str],
        caller_id: str,
        originator: str,
        seconds: int,
    ) -> None:
        """Ring an endpoint; when it answers it runs the dialplan at `extension` in `context`.

        `originator`, unless empty, is the channel whose codecs and linked id the new one takes;
        `seconds` is Asterisk's own limit on the ringing. Raises AriRefused with status 500 if
        no channel can be made, e.g. to a phone that is not registered.
        """
        query = {
            "endpoint": endpoint,
            "context": context,
            "extension": extension,
            "priority": "1",
            "callerId": caller_id,
            "timeout": str(seconds),
        }
        if originator:
            query["originator"] = originator
        body = {"variables": dict(variables)}
        await self._hand_over(Request("POST", f"channels/{quote(channel_id)}", query, body))

    async def continue_in_dialplan(self, channel_id: str, context: str, extension: str) -> None:
        """Hand a channel back to the dialplan."""
        query = {"context": context, "extension": extension, "priority": "1"}
        await self._hand_over(Request("POST", f"channels/{quote(channel_id)}/continue", query))

    async def get_channel(self, channel_id: str) -> events.ChannelInfo | None:
        """One channel as it is now; None if there is none (any more)."""
        request = Request("GET", f"channels/{quote(channel_id)}", {})
        try:
            return await self._read(request, events.ChannelInfo)
        except Gone:
            return None

    async def list_channels(self) -> tuple[events.ChannelInfo, ...]:
        """Every channel of this Asterisk. Only over HTTP: a long list overruns its WebSocket."""
        return await self._read(Request("GET", "channels", {}), tuple[events.ChannelInfo, ...])

    # -- bridges ---------------------------------------------------------------------

    async def create_bridge(self, bridge_id: str, kind: str) -> None:
        """Make a bridge of this kind (mixing, holding, "mixing,dtmf_events"); one that exists
        stays as it is. Without dtmf_events, two legs that nothing listens to are joined
        natively and tell of no key."""
        try:
            await self._hand_over(Request("POST", f"bridges/{quote(bridge_id)}", {"type": kind}))
        except Gone:  # 409, which says here: it exists
            return

    async def destroy_bridge(self, bridge_id: str) -> None:
        """Remove a bridge; its channels stay up. One that is gone already is no error."""
        try:
            await self._hand_over(Request("DELETE", f"bridges/{quote(bridge_id)}", {}))
        except Gone:
            return

    async def add_to_bridge(
        self, bridge_id: str, channel_ids: Iterable[str], absorb_keys: bool = False
    ) -> None:
        """Move channels into a bridge, out of any other. `absorb_keys`: what they press is told
        to us and not sent on.

        2xx even if the join failed: wait for ChannelEnteredBridge. Must not meet a channel
        that is playing a prompt: it would wait for the prompt's end.
        """
        query = {"channel": ",".join(channel_ids)}
        if absorb_keys:
            query["absorbDTMF"] = "true"
        await self._wait(Request("POST", f"bridges/{quote(bridge_id)}/addChannel", query))

    async def start_music(self, bridge_id: str, music_class: str) -> None:
        """Play music on hold to all in a holding bridge, at the cost of one player."""
        query = {"mohClass": music_class}
        await self._hand_over(Request("POST", f"bridges/{quote(bridge_id)}/moh", query))

    async def list_bridges(self) -> tuple[events.BridgeInfo, ...]:
        """Every bridge of this Asterisk."""
        return await self._read(Request("GET", "bridges", {}), tuple[events.BridgeInfo, ...])

    # -- Asterisk itself -------------------------------------------------------------

    async def version(self) -> str:
        """Asterisk's version, e.g. 22.10.1."""
        info = await self._read(Request("GET", "asterisk/info", {"only": "system"}), _Info)
        return info.system.version

    async def startup_time(self) -> str:
        """When this Asterisk was started, in its own words; another word is another Asterisk."""
        request = Request("GET", "asterisk/info", {"only": "status"})
        return (await self._read(request, _StatusInfo)).status.startup_time

    async def set_global(self, name: str, value: str) -> None:
        """Set a global variable of the dialplan, or write a function that needs no channel."""
        query = {"variable": name, "value": value}
        await self._wait(Request("POST", "asterisk/variable", query))

    async def get_global(self, name: str) -> str:
        """A global variable of the dialplan, or a function's value; empty if there is none."""
        request = Request("GET", "asterisk/variable", {"variable": name})
        return (await self._read(request, _Variable)).value

    async def put_object(self, kind: str, object_id: str, fields: Mapping[str, str]) -> None:
        """Create or change a PJSIP object (auth, aor, endpoint) by push configuration."""
        listed = [{"attribute": name, "value": value} for name, value in fields.items()]
        path = f"asterisk/config/dynamic/res_pjsip/{kind}/{quote(object_id)}"
        await self._wait(Request("PUT", path, {}, {"fields": listed}))

    async def delete_object(self, kind: str, object_id: str) -> None:
        """Remove a pushed PJSIP object. One that is not there is no error."""
        path = f"asterisk/config/dynamic/res_pjsip/{kind}/{quote(object_id)}"
        try:
            await self._wait(Request("DELETE", path, {}))
        except Gone:
            return

    async def list_endpoints(self, technology: str) -> tuple[events.EndpointInfo, ...]:
        """Every endpoint of a technology, with its state: online, offline, unknown."""
        request = Request("GET", f"endpoints/{quote(technology)}", {})
        try:
            return await self._read(request, tuple[events.EndpointInfo, ...])
        except Gone:  # 404 while there is not one endpoint
            return ()

    # -- the application -------------------------------------------------------------

    async def subscribe(self, source: str) -> None:
        """Have the events of e.g. ``endpoint:PJSIP/ag-101`` sent to the application."""
        path = f"applications/{quote(self.app)}/subscription"
        await self._hand_over(Request("POST", path, {"eventSource": source}))

    async def filter_events(self, types: Iterable[str]) -> None:
        """Have only these types sent. Asterisk forgets it when the application goes idle."""
        allowed: list[dict[str, Any]] = [{"type": name} for name in types]
        path = f"applications/{quote(self.app)}/eventFilter"
        await self._wait(Request("PUT", path, {}, {"allowed": allowed}))

    async def send_user_event(self, name: str) -> None:
        """Have Asterisk send this user event back to the application."""
        query = {"application": self.app}
        await self._wait(Request("POST", f"events/user/{quote(name)}", query))
