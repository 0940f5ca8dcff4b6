"""Decoding: every event that is used, and nothing that Asterisk sends is fatal."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pln_ivr.ari import events
from tests.unit.making import bridge, channel, event, playback, raw

ENDPOINT = {"technology": "PJSIP", "resource": "ag-101", "state": "online", "channel_ids": []}
SAMPLES: dict[str, dict[str, Any]] = {
    "StasisStart": {"args": ["call", "123"], "channel": channel(number="0812")},
    "StasisEnd": {"channel": channel()},
    "ChannelStateChange": {"channel": channel(state="Ringing")},
    "ChannelHangupRequest": {"channel": channel(), "cause": 32, "soft": True},
    "ChannelDestroyed": {
        "channel": channel(),
        "cause": 17,
        "cause_txt": "User busy",
        "tech_cause": 486,
    },
    "ChannelEnteredBridge": {"channel": channel(), "bridge": bridge("b-1", "c-1")},
    "ChannelLeftBridge": {"channel": channel(), "bridge": bridge()},
    "ChannelHold": {"channel": channel(), "musicclass": "default"},
    "ChannelUnhold": {"channel": channel()},
    "ChannelDtmfReceived": {"channel": channel(), "digit": "*", "duration_ms": 120},
    "ChannelTalkingStarted": {"channel": channel()},
    "ChannelTalkingFinished": {"channel": channel(), "duration": 1500},
    "PlaybackFinished": {"playback": playback()},
    "EndpointStateChange": {"endpoint": ENDPOINT},
    "ApplicationReplaced": {},
    "ChannelUserevent": {"eventname": "watchdog", "userevent": {"x": [1, {"y": None}]}},
    "RESTResponse": {
        "transaction_id": "7",
        "request_id": "7",
        "status_code": 404,
        "reason_phrase": "Not Found",
        "uri": "channels/x",
        "headers": [],
        "content_type": "application/json",
        "message_body": '{"message":"Channel not found"}',
    },
}


def test_there_is_a_sample_of_every_type_that_is_asked_for() -> None:
    assert set(SAMPLES) == set(events.TYPES)


@pytest.mark.parametrize("name", SAMPLES)
def test_each_type_is_decoded_to_its_class(name: str) -> None:
    assert type(event(name, **SAMPLES[name])) is events.TYPES[name]


@pytest.mark.parametrize("name", SAMPLES)
def test_text_and_bytes_fields_in_any_order_and_new_fields_are_the_same(name: str) -> None:
    straight = event(name, **SAMPLES[name])
    value = json.loads(raw(name, **SAMPLES[name]))
    value["of_asterisk_30"] = {"deep": [[[]]]}
    backwards = json.dumps(dict(reversed(value.items())))
    assert events.decode(backwards) == straight


def test_what_is_used_of_them_is_there() -> None:
    start = event("StasisStart", **SAMPLES["StasisStart"])
    assert isinstance(start, events.StasisStart)
    assert (start.channel.id, start.channel.caller.number, start.args) == (
        "c-1",
        "0812",
        ("call", "123"),
    )
    assert start.channel.dialplan.app_data == "pln_ivr,call,123"
    gone = event("ChannelDestroyed", **SAMPLES["ChannelDestroyed"])
    assert isinstance(gone, events.ChannelDestroyed)
    assert (gone.cause, gone.tech_cause) == (17, 486)
    asked = event("ChannelHangupRequest", **SAMPLES["ChannelHangupRequest"])
    assert isinstance(asked, events.ChannelHangupRequest)
    assert asked.soft
    far = event("ChannelHangupRequest", channel=channel(), cause=16)
    assert isinstance(far, events.ChannelHangupRequest)
    assert not far.soft
    joined = event("ChannelEnteredBridge", **SAMPLES["ChannelEnteredBridge"])
    assert isinstance(joined, events.ChannelEnteredBridge)
    assert joined.bridge.channels == ("c-1",)
    played = event("PlaybackFinished", **SAMPLES["PlaybackFinished"])
    assert isinstance(played, events.PlaybackFinished)
    assert (played.playback.id, played.playback.state) == ("p-1", "done")
    key = event("ChannelDtmfReceived", **SAMPLES["ChannelDtmfReceived"])
    assert isinstance(key, events.ChannelDtmfReceived)
    assert (key.digit, key.timestamp) == ("*", "2026-11-23T12:00:00.000+0700")
    answer = event("RESTResponse", **SAMPLES["RESTResponse"])
    assert isinstance(answer, events.RESTResponse)
    assert (answer.request_id, answer.status_code) == ("7", 404)


@pytest.mark.parametrize("name", ["ChannelVarset", "SomethingOfAsterisk30", "Event", ""])
def test_a_type_that_is_not_known_is_kept_as_unknown(name: str) -> None:
    assert isinstance(event(name, channel={"id": 5}, anything=[1, 2]), events.Unknown)


def test_events_are_immutable() -> None:
    start = event("StasisStart", **SAMPLES["StasisStart"])
    with pytest.raises(AttributeError, match="immutable"):
        start.args = ()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"StasisStart"',
        b"{}",
        b'{"type": 5}',
        b'{"type": null}',
        b'{"type": "StasisStart"}',
        b'{"type": "StasisStart", "channel": {}}',
        b'{"type": "StasisStart", "channel": {"id": 7}}',
        b'{"type": "StasisStart", "channel": {"id": "x"}, "args": "call"}',
        b'{"type": "ChannelDestroyed", "channel": {"id": "x"}, "cause": "busy"}',
        b'{"type": "PlaybackFinished", "playback": []}',
        b'{"type": "StasisEnd", "channel": {"id": "\xff"}}',
        b'{"type": "StasisEnd", "channel": {"id": "x"}} {',
        '{"type": "StasisEnd", "channel": {"id": "\ud800"}}',
        '{"type":"\ud800"}',
    ],
)
def test_what_cannot_be_decoded_is_a_value_error(broken: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        events.decode(broken)


def test_even_absurd_nesting_is_a_value_error() -> None:
    depth = 100_000
    deep = b'{"type": "StasisEnd", "x": ' + b"[" * depth + b"]" * depth + b"}"
    with pytest.raises(ValueError, match=r"."):
        events.decode(deep)


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_damaged_bytes_give_an_event_or_a_value_error(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SAMPLES)))
    whole = raw(name, **SAMPLES[name])
    begin = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(begin, min(len(whole), begin + 8)))
    damaged = whole[:begin] + data.draw(st.binary(max_size=6)) + whole[end:]
    with suppress(ValueError):
        assert isinstance(events.decode(damaged), events.Event)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_a_field_of_any_other_kind_gives_an_event_or_a_value_error(
    name: str, data: st.DataObject
) -> None:
    fields = dict(SAMPLES[name])
    field = data.draw(st.sampled_from([*fields, "type", "application"]))
    fields[field] = data.draw(JSON)
    text = json.dumps({"type": name, **fields})
    with suppress(ValueError):
        assert isinstance(events.decode(text), events.Event)
