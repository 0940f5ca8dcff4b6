"""What Asterisk has at this moment, sorted by what it means to us. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pln_ivr.ari.events import BridgeInfo, ChannelInfo
from pln_ivr.calls.call import OUT
from pln_ivr.calls.guests import ASIDE, SNOOP, WATCH
from pln_ivr.calls.journey import TALK
from pln_ivr.journal.cdr import CUSTOMERS
from pln_ivr.queues.phones import PjsipPhones
from pln_ivr.queues.ringing import LEG

CALL, RETURN, CODE = "call", "return", "code"
"""First argument of Stasis(): a customer, one who was outside meanwhile, an agent's short code."""


@dataclass(slots=True)
class Sight:
    """Channels and bridges by their part in the house. Make it with `of`."""

    callers: dict[str, ChannelInfo] = field(default_factory=dict)
    """Customers whom the application has, or calls."""
    outside: dict[str, ChannelInfo] = field(default_factory=dict)
    """Customers whom the dialplan serves by itself."""
    legs: dict[str, ChannelInfo] = field(default_factory=dict)
    """Channels to agents that this program, or an earlier run of it, asked for, and those
    that listen to them."""
    codes: dict[str, ChannelInfo] = field(default_factory=dict)
    """Agents who dialled a short code."""
    elsewhere: dict[str, str] = field(default_factory=dict)
    """Other channels of agents' phones: the agent's extension by channel."""
    talks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Members of each conversation's bridge, by the bridge's id."""
    side_rooms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Members of the bridges of guests, by the bridge's id."""
    bridge_of: dict[str, str] = field(default_factory=dict)
    """The bridge that a channel is in."""

    @classmethod
    def of(cls, app: str, channels: Iterable[ChannelInfo], bridges: Iterable[BridgeInfo]) -> Sight:
        """Sort what Asterisk lists."""
        sight = cls()
        for bridge in bridges:
            sight.bridge_of |= dict.fromkeys(bridge.channels, bridge.id)
            if bridge.id.startswith(TALK):
                sight.talks[bridge.id] = bridge.channels
            elif bridge.id.startswith((WATCH, ASIDE)):
                sight.side_rooms[bridge.id] = bridge.channels
        for channel in channels:
            sight._sort(app, channel)
        return sight

    def _sort(self, app: str, channel: ChannelInfo) -> None:
        arguments = channel.arguments(app)
        kind = arguments[0] if arguments else ""
        if channel.id.startswith((LEG, SNOOP)):
            self.legs[channel.id] = channel
        elif kind in (CALL, RETURN) or channel.id.startswith(OUT):
            self.callers[channel.id] = channel
        elif kind == CODE:
            self.codes[channel.id] = channel
        elif extension := PjsipPhones.extension_of_channel(channel.name):
            self.elsewhere[channel.id] = extension
        elif channel.dialplan.context in CUSTOMERS:
            self.outside[channel.id] = channel

    @property
    def customers(self) -> frozenset[str]:
        """Every customer's channel: each has a seat."""
        return frozenset(self.callers) | frozenset(self.outside)

    def partners(self, caller: str) -> list[str]:
        """The legs in the same conversation: the agent's, and a supervisor's who barged in."""
        members = self.talks.get(self.bridge_of.get(caller, ""), ())
        return [member for member in members if member in self.legs]

    def in_talk(self, channel_id: str) -> bool:
        """Whether the channel is in a conversation's bridge, be it alone."""
        return self.bridge_of.get(channel_id, "") in self.talks
