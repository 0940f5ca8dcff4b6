"""What Asterisk tells, for tests, made the way it comes: events from JSON, calls from CSV."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from pln_ivr.ari import events
from pln_ivr.ari.events import BridgeInfo, ChannelInfo

TRUNK = "PJSIP/trunk-1-00000001"
PHONE = "PJSIP/ag-101-00000002"


def channel(channel_id: str = "c-1", state: str = "Up", number: str = "") -> dict[str, Any]:
    """A channel as Asterisk 22 describes it."""
    return {
        "id": channel_id,
        "name": "PJSIP/trunk-1-00000001",
        "state": state,
        "protocol_id": "b1946ac92492d2347c6235b4d2611184",
        "caller": {"name": "", "number": number},
        "connected": {"name": "", "number": ""},
        "accountcode": "",
        "dialplan": {
            "context": "from-trunk",
            "exten": "123",
            "priority": 2,
            "app_name": "Stasis",
            "app_data": "pln_ivr,call,123",
        },
        "creationtime": "2026-11-23T12:00:00.000+0700",
        "language": "id",
    }


def bridge(bridge_id: str = "b-1", *members: str) -> dict[str, Any]:
    """A bridge as Asterisk 22 describes it."""
    return {
        "id": bridge_id,
        "technology": "simple_bridge",
        "bridge_type": "mixing",
        "bridge_class": "stasis",
        "creator": "Stasis",
        "name": "",
        "channels": list(members),
        "creationtime": "2026-11-23T12:00:00.000+0700",
        "video_mode": "none",
    }


def playback(playback_id: str = "p-1", state: str = "done") -> dict[str, Any]:
    """A playback as Asterisk 22 describes it."""
    return {
        "id": playback_id,
        "media_uri": "sound:pln/notice",
        "target_uri": "channel:c-1",
        "language": "id",
        "state": state,
    }


def raw(type_: str, **fields: Any) -> bytes:
    """One event as it comes over the WebSocket."""
    head = {
        "type": type_,
        "application": "pln_ivr",
        "timestamp": "2026-11-23T12:00:00.000+0700",
        "asterisk_id": "52:54:00:12:34:56",
    }
    return json.dumps(head | fields).encode()


def event(type_: str, **fields: Any) -> events.Event:
    """The same, decoded."""
    return events.decode(raw(type_, **fields))


def arrival(*args: str, channel_id: str = "c-1", number: str = "") -> events.StasisStart:
    """A channel that enters the application."""
    made = event("StasisStart", channel=channel(channel_id, number=number), args=list(args))
    assert isinstance(made, events.StasisStart)
    return made


def cdr_line(**cells: str) -> str:
    """A customer's line as cdr_custom.conf has it, with other cells where they are given."""
    values = {
        "uniqueid": "c-1",
        "start": "100.5",
        "answer": "101.000000",
        "end": "110.25",
        "disposition": "ANSWERED",
        "src": "0812",
        "dst": "123",
        "dcontext": "customer",
        "channel": "PJSIP/trunk-1-1",
        "dstchannel": "",
        "lastapp": "Stasis",
        "userfield": "",
    }
    times = ("start", "answer", "end")
    quoted = {
        name: value if name in times else '"' + value.replace('"', '""') + '"'
        for name, value in (values | cells).items()
    }
    return ",".join(quoted.values())


def listed(
    channel_id: str, data: str = "", context: str = "customer", name: str = TRUNK
) -> ChannelInfo:
    """A channel as ARI lists it; `data` are the arguments of Stasis(), empty outside of it."""
    made = channel(channel_id)
    made["name"] = name
    made["dialplan"] |= {
        "context": context,
        "app_name": "Stasis" if data else "Playback",
        "app_data": data or "pln/notice",
    }
    return msgspec.convert(made, ChannelInfo)


def bridged(bridge_id: str, *members: str) -> BridgeInfo:
    return msgspec.convert(bridge(bridge_id, *members), BridgeInfo)
