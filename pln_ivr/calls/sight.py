"""What Asterisk has at this moment, sorted by what it means to us. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pln_ivr.ari.events import BridgeInfo, ChannelInfo
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
    """Customers whom the application has."""
    outside: dict[str, ChannelInfo] = field(default_factory=dict)
    """Customers whom the dialplan serves by itself."""
    legs: dict[str, ChannelInfo] = field(default_factory=dict)
    """Channels to agents that this program, or an earlier run of it, asked for."""
    codes: dict[str, ChannelInfo] = field(default_factory=dict)
    """Agents who dialled a short code."""
    elsewhere: dict[str, str] = field(default_factory=dict)
    """Other channels of agents' phones: the agent's extension by channel."""
    talks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Members of each conversation's bridge, by the bridge's id."""
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
        for channel in channels:
            sight._sort(app, channel)
        return sight

    def _sort(self, app: str, channel: ChannelInfo) -> None:
        arguments = channel.arguments(app)
        kind = arguments[0] if arguments else ""
        if channel.id.startswith(LEG):
            self.legs[channel.id] = channel
        elif kind in (CALL, RETURN):
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

    def partner(self, caller: str) -> str | None:
        """The agent leg in the same conversation."""
        members = self.talks.get(self.bridge_of.get(caller, ""), ())
        return next((member for member in members if member in self.legs), None)

    def in_talk(self, channel_id: str) -> bool:
        """Whether the channel is in a conversation's bridge, be it alone."""
        return self.bridge_of.get(channel_id, "") in self.talks
