"""Asterisk's lists, sorted: everybody is one thing, and customers are never overlooked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pln_ivr.ari.events import BridgeInfo, ChannelInfo
from pln_ivr.calls.sight import Sight
from tests.unit.making import PHONE, TRUNK, bridged, listed

APP = "pln_ivr"


def part(sight: Sight, channel_id: str) -> set[str]:
    """Under which headings the channel stands."""
    headings = ("callers", "outside", "legs", "codes", "elsewhere")
    return {heading for heading in headings if channel_id in getattr(sight, heading)}


@pytest.mark.parametrize(
    ("one", "heading"),
    [
        (listed("c", "pln_ivr,call,123"), "callers"),
        (listed("c", "pln_ivr,return,123,1795491525", "fallback"), "callers"),
        (listed("c", "", "from-trunk"), "outside"),
        (listed("c", "", "customer"), "outside"),
        (listed("c", "", "fallback"), "outside"),
        (listed("agent-o1", "pln_ivr,agent,x.raw", "agent-answered", PHONE), "legs"),
        (listed("agent-o1", "", "agent-answered", PHONE), "legs"),
        (listed("agent-o1", "", "from-trunk", PHONE), "legs"),
        (listed("c", "pln_ivr,code,*11,ag-101", "from-agents", PHONE), "codes"),
        (listed("c", "", "from-agents", PHONE), "elsewhere"),
        (listed("c", "", "fallback", PHONE), "elsewhere"),
        (listed("c", "pln_ivr,agent,x.raw", "agent-answered", PHONE), "elsewhere"),
    ],
)
def test_each_channel_has_its_part(one: ChannelInfo, heading: str) -> None:
    sight = Sight.of(APP, [one], [])
    assert part(sight, one.id) == {heading}
    assert sight.customers == ({one.id} if heading in ("callers", "outside") else set())


@pytest.mark.parametrize(
    "one",
    [
        listed("c", "another_app,call,123", "elsewhere"),
        listed("c", "", "default"),
        listed("c", "pln_ivr", "default"),
        listed("c", "pln_ivr,nonsense", "default", "Local/x@y-1;1"),
        listed("c", "", "default", "PJSIP/ag-x-00000001"),
    ],
)
def test_what_is_not_ours_is_nothing(one: ChannelInfo) -> None:
    sight = Sight.of(APP, [one], [])
    assert part(sight, "c") == set()
    assert sight.customers == set()


def test_a_customer_in_another_application_is_outside_of_ours() -> None:
    """Who holds a line of the trunk has a seat, whoever serves it."""
    sight = Sight.of(APP, [listed("c", "another_app,call,123")], [])
    assert part(sight, "c") == {"outside"}


def test_a_phone_that_is_busy_elsewhere_is_known_by_its_agent() -> None:
    sight = Sight.of(APP, [listed("c", "", "fallback", "PJSIP/ag-2001-0000000f")], [])
    assert sight.elsewhere == {"c": "2001"}


def test_a_conversation_and_who_is_in_it() -> None:
    channels = [
        listed("caller", "pln_ivr,call,123"),
        listed("agent-o1", "pln_ivr,agent,x", "agent-answered", PHONE),
        listed("waiting", "pln_ivr,call,123"),
    ]
    bridges = [bridged("talk-call-1", "caller", "agent-o1"), bridged("wait-gangguan", "waiting")]
    sight = Sight.of(APP, channels, bridges)
    assert sight.talks == {"talk-call-1": ("caller", "agent-o1")}
    assert sight.bridge_of == {
        "caller": "talk-call-1",
        "agent-o1": "talk-call-1",
        "waiting": "wait-gangguan",
    }
    assert sight.partners("caller") == ["agent-o1"]
    assert sight.partners("waiting") == []
    assert sight.partners("nobody") == []
    assert [sight.in_talk(who) for who in ("caller", "waiting", "nobody")] == [True, False, False]


def test_a_caller_whose_agent_has_gone_is_alone_in_the_conversation() -> None:
    channels = [listed("caller", "pln_ivr,call,123")]
    sight = Sight.of(APP, channels, [bridged("talk-call-1", "caller"), bridged("talk-old")])
    assert sight.partners("caller") == []
    assert sight.in_talk("caller")
    assert sight.talks["talk-old"] == ()


def test_a_member_that_is_no_longer_a_channel_is_nobodys_partner() -> None:
    """The two lists are of two moments."""
    channels = [listed("caller", "pln_ivr,call,123")]
    sight = Sight.of(APP, channels, [bridged("talk-call-1", "caller", "agent-o1")])
    assert sight.partners("caller") == []


@pytest.mark.parametrize("data", ["", "pln_ivr,called"])
def test_whom_we_call_is_a_customer_from_the_first_ring(data: str) -> None:
    sight = Sight.of(APP, [listed("out-call", data, "from-trunk")], [])
    assert sight.customers == {"out-call"}
    assert part(sight, "out-call") == {"callers"}


CHANNELS = st.builds(
    listed,
    st.sampled_from(["a", "b", "c", "agent-1", "agent-2", "out-1"]),
    st.sampled_from(
        ["", "pln_ivr", "pln_ivr,call,123", "pln_ivr,return,123,5", "pln_ivr,code,*11,ag-1", "x,y"]
    ),
    st.sampled_from(["from-trunk", "customer", "fallback", "from-agents", "default", ""]),
    st.sampled_from([TRUNK, PHONE, "", "Local/1"]),
)
BRIDGES = st.builds(
    lambda name, members: bridged(name, *members),
    st.sampled_from(["talk-1", "talk-2", "wait-gangguan", "x"]),
    st.lists(st.sampled_from(["a", "b", "agent-1", "zz"]), max_size=3),
)


@given(
    channels=st.lists(CHANNELS, max_size=5, unique_by=lambda c: c.id),
    bridges=st.lists(BRIDGES, max_size=3, unique_by=lambda b: b.id),
)
def test_whatever_is_listed_has_one_part_at_most(
    channels: list[ChannelInfo], bridges: list[BridgeInfo]
) -> None:
    sight = Sight.of(APP, channels, bridges)
    for one in channels:
        assert len(part(sight, one.id)) <= 1
        assert (one.id in sight.customers) == bool(part(sight, one.id) & {"callers", "outside"})
        partners = sight.partners(one.id)
        assert not partners or (set(partners) <= set(sight.legs) and sight.in_talk(one.id))
    assert set(sight.talks) == {b.id for b in bridges if b.id.startswith("talk-")}
