"""What an earlier run of this program left in Asterisk, found at each connection.

Callers who were being greeted or were waiting come in again as new calls: nobody stays in
a room that no one serves. Conversations go on undisturbed until one side hangs up.
"""

from __future__ import annotations

import structlog

from pln_ivr.ari import Client
from pln_ivr.ari.events import ChannelInfo
from pln_ivr.errors import Gone

log = structlog.get_logger("pln_ivr.leftovers")

_TALK = "talk-"


async def clear_leftovers(ari: Client) -> None:
    """Send waiting callers back through the dialplan, end legs that nobody talks on.

    Raises AriError. Safe to cancel and to repeat.
    """
    strangers = {
        channel.id: channel
        for channel in await ari.list_channels()
        if channel.dialplan.app_name == "Stasis"
        and channel.dialplan.app_data.split(",")[0] == ari.app
        and not ari.follows(channel.id)
    }
    for bridge in await ari.list_bridges():
        if not bridge.id.startswith(_TALK) or any(map(ari.follows, bridge.channels)):
            continue
        if len(bridge.channels) >= 2:  # they are talking
            for member in bridge.channels:
                strangers.pop(member, None)
        else:
            await ari.destroy_bridge(bridge.id)
    for channel in strangers.values():
        await _clear(ari, channel)


async def _clear(ari: Client, channel: ChannelInfo) -> None:
    log.warning("leftover_channel", app_data=channel.dialplan.app_data.split(",")[1:2])
    kind = channel.dialplan.app_data.split(",")[1:2]
    try:
        if kind == ["call"]:
            await ari.continue_in_dialplan(
                channel.id, channel.dialplan.context, channel.dialplan.exten
            )
        else:
            await ari.hang_up(channel.id)
    except Gone:
        return
