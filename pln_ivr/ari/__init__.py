"""An asyncio client for Asterisk's REST interface (ARI). It knows nothing of PLN.

    async with connect(url, user=..., password=..., app=...) as ari:
        channel = ari.channel(channel_id)        # choose the id, subscribe ...
        await ari.play(channel_id, "sound:hello", playback_id="p1")   # ... then act
        await channel.playback_ended("p1", seconds=5)  # a 2xx proves little: wait for the event

`client` joins the parts: `events` decodes, `stream` holds the WebSocket and reconnects,
`transport` carries requests over HTTP or over that WebSocket, `channel` is what is known
of one channel and how to wait for it.
"""

from pln_ivr.ari.channel import Channel, Hangup
from pln_ivr.ari.client import Client, connect

__all__ = ["Channel", "Client", "Hangup", "connect"]
