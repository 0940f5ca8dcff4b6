"""ARI events as typed immutable objects, and the one function that decodes them.

Only the fields that are used are declared; others are skipped while decoding. An event
of a type that is not declared here becomes `Unknown`, is counted by the client and
never fatal: Asterisk may grow new ones. Names are those of Asterisk's own api-docs, and
a contract test compares them with what the running Asterisk serves.
"""

from __future__ import annotations

from typing import Union

import msgspec

UP = "Up"
"""State of a channel that has been answered."""


class _Struct(msgspec.Struct, frozen=True, gc=False):
    """Base of what is nested in events."""


class CallerId(_Struct, frozen=True, gc=False):
    name: str = ""
    number: str = ""


class Dialplan(_Struct, frozen=True, gc=False):
    context: str = ""
    exten: str = ""
    app_name: str = ""
    app_data: str = ""


class ChannelInfo(_Struct, frozen=True, gc=False):
    """A channel as Asterisk describes it."""

    id: str
    name: str = ""
    state: str = ""
    caller: CallerId = CallerId()
    dialplan: Dialplan = Dialplan()

    @property
    def answered(self) -> bool:
        """Whether the two ends can hear each other."""
        return self.state == UP

    def arguments(self, app: str) -> tuple[str, ...] | None:
        """What the dialplan gave Stasis() for this application; None if it is not in it."""
        name, *arguments = self.dialplan.app_data.split(",")
        here = self.dialplan.app_name == "Stasis" and name == app
        return tuple(arguments) if here else None


class BridgeInfo(_Struct, frozen=True, gc=False):
    """A bridge as Asterisk describes it."""

    id: str
    bridge_type: str = ""
    channels: tuple[str, ...] = ()


class PlaybackInfo(_Struct, frozen=True, gc=False):
    id: str
    target_uri: str = ""
    state: str = ""


class EndpointInfo(_Struct, frozen=True, gc=False):
    technology: str
    resource: str
    state: str = ""


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="type", tag=True):
    """Base of all events. ARI's field "type" is the class's name."""


class Unknown(Event, frozen=True, gc=False, kw_only=True):
    """An event of a type that is not declared here."""

    name: str


class StasisStart(Event, frozen=True, gc=False, kw_only=True):
    """A channel was handed to the application."""

    channel: ChannelInfo
    args: tuple[str, ...] = ()


class ChannelEvent(Event, frozen=True, gc=False, kw_only=True):
    """Base of the events about one channel."""

    channel: ChannelInfo


class StasisEnd(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """The channel left the application. If nobody asked to hang it up before, it goes on in
    the dialplan."""


class ChannelStateChange(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """Down, Ring, Ringing, Up."""


class ChannelHangupRequest(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """Somebody wants the channel to end. Without `soft` it was the far side (channel.c)."""

    cause: int = 0
    soft: bool = False


class ChannelDestroyed(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """The channel is no more. `tech_cause` is the SIP status, where there was one."""

    cause: int = 0
    cause_txt: str = ""
    tech_cause: int = 0


class ChannelEnteredBridge(ChannelEvent, frozen=True, gc=False, kw_only=True):
    bridge: BridgeInfo


class ChannelLeftBridge(ChannelEvent, frozen=True, gc=False, kw_only=True):
    bridge: BridgeInfo


class ChannelHold(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """The phone has put the other side on hold (re-INVITE)."""


class ChannelUnhold(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """The phone talks again."""


class ChannelDtmfReceived(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """A key was pressed. `timestamp` tells one event from another that says the same again."""

    digit: str
    timestamp: str = ""


class ChannelTalkingStarted(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """Speech was detected (TALK_DETECT)."""


class ChannelTalkingFinished(ChannelEvent, frozen=True, gc=False, kw_only=True):
    """Speech has been over for as long as TALK_DETECT was told to wait."""


class PlaybackFinished(Event, frozen=True, gc=False, kw_only=True):
    """A prompt has ended: state is done, failed or cancelled."""

    playback: PlaybackInfo


class EndpointStateChange(Event, frozen=True, gc=False, kw_only=True):
    """A phone became reachable (online) or not."""

    endpoint: EndpointInfo


class ApplicationReplaced(Event, frozen=True, gc=False, kw_only=True):
    """Another WebSocket took this application's name: it gets the events now."""


class ChannelUserevent(Event, frozen=True, gc=False, kw_only=True):
    """A user event: here, the watchdog's own call coming back."""

    eventname: str = ""


class RESTResponse(Event, frozen=True, gc=False, kw_only=True):
    """The answer to a request that went over the WebSocket."""

    request_id: str = ""
    status_code: int = 0
    reason_phrase: str = ""
    message_body: str = ""


TYPES: dict[str, type[Event]] = {
    cls.__name__: cls
    for cls in (
        StasisStart,
        StasisEnd,
        ChannelStateChange,
        ChannelHangupRequest,
        ChannelDestroyed,
        ChannelEnteredBridge,
        ChannelLeftBridge,
        ChannelHold,
        ChannelUnhold,
        ChannelDtmfReceived,
        ChannelTalkingStarted,
        ChannelTalkingFinished,
        PlaybackFinished,
        EndpointStateChange,
        ApplicationReplaced,
        ChannelUserevent,
        RESTResponse,
    )
}
"""What the client asks Asterisk to send (as the application's event filter) and decodes."""


class _Envelope(msgspec.Struct, frozen=True, gc=False):
    type: str


_envelope = msgspec.json.Decoder(_Envelope)
_event: msgspec.json.Decoder[Event] = msgspec.json.Decoder(
    Union[tuple(TYPES.values())]  # noqa: UP007 (X | Y cannot be made from a list)
)
_UNREADABLE = (msgspec.MsgspecError, RecursionError)


def decode(raw: str | bytes) -> Event:
    """Turn one WebSocket message into an event.

    Raises ValueError if it is no JSON object with a type, or a field has the wrong type.
    """
    try:
        return _event.decode(raw)
    except _UNREADABLE as error:
        return _unknown(raw, error)


def _unknown(raw: str | bytes, error: Exception) -> Unknown:
    try:
        name = _envelope.decode(raw).type
    except _UNREADABLE as broken:
        raise ValueError(str(broken)) from broken
    if name in TYPES:
        raise ValueError(f"{name}: {error}") from error
    return Unknown(name=name)
