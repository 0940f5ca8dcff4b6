"""A word to the agent alone, in the middle of a conversation."""

from __future__ import annotations

from contextlib import suppress

import structlog
import uuid_utils

from pln_ivr.ari import Channel, Client
from pln_ivr.calls.prompts import Prompts
from pln_ivr.errors import AriError

log = structlog.get_logger("pln_ivr.whisper")

WHISPER = "snoop-"
"""Begins the ids of channels that listen or whisper; adoption ends those that are left."""

COME_SECONDS = 3.0
"""How long such a channel may take to come."""


async def whisper(ari: Client, prompts: Prompts, leg: Channel, name: str) -> None:
    """Have the person at this leg hear a prompt; nobody else does, and it is in no recording.

    Returns when it has been heard. What goes wrong is in the log only. Safe to cancel.
    """
    snoop = ari.channel(f"{WHISPER}{uuid_utils.uuid7()}")
    try:
        await ari.snoop(leg.id, snoop.id, spy="none", whisper="out")
        await snoop.until(lambda: snoop.in_app, COME_SECONDS, "a channel that whispers")
        await prompts.play(snoop, name)
    except AriError as error:
        log.info("not_whispered", prompt=name, error=str(error))
    finally:
        snoop.close()
        with suppress(AriError):
            await ari.hang_up(snoop.id)
