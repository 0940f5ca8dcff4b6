"""Playing prompts to a channel, with a deadline taken from each prompt's own length."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog
import uuid_utils

from pln_ivr.ari import Channel, Client
from pln_ivr.calls.prompt_files import duration_seconds
from pln_ivr.errors import AriError, AriRefused, AriTimeout

log = structlog.get_logger("pln_ivr.prompts")

UNKNOWN_LENGTH_SECONDS = 30.0
"""Taken for a prompt whose file this program cannot read."""


class Prompts:
    """The prompts that Asterisk finds as sound:pln/NAME."""

    def __init__(
        self, ari: Client, folder: Path, margin: float, on_failed: Callable[[str], None]
    ) -> None:
        self._ari = ari
        self._folder = folder
        self._margin = margin
        self._on_failed = on_failed
        self._lengths: dict[str, float] = {}

    async def play(self, channel: Channel, name: str) -> bool:
        """Play a prompt to its end; true if Asterisk says that it was played whole.

        A prompt that fails or never ends is counted and the call goes on without it.
        Cancelling stops the prompt. Raises Gone; AriUnavailable if Asterisk is away.
        """
        playback_id = f"prompt-{uuid_utils.uuid7()}"
        channel.expect_playback(playback_id)
        deadline = self._length(name) + self._margin
        state = ""
        try:
            await self._ari.play(channel.id, f"sound:pln/{name}", playback_id)
            state = await channel.playback_ended(playback_id, deadline)
        except (AriTimeout, AriRefused) as error:
            log.error("prompt_failed", prompt=name, error=str(error))
        finally:
            channel.forget_playback(playback_id)
            if not state and not channel.gone:
                await self._stop(playback_id)
        if state != "done":
            self._on_failed(name)
        return state == "done"

    async def _stop(self, playback_id: str) -> None:
        try:
            await self._ari.stop_playback(playback_id)
        except AriError as error:
            log.warning("prompt_not_stopped", error=str(error))

    def _length(self, name: str) -> float:
        if name not in self._lengths:
            try:
                self._lengths[name] = duration_seconds(self._folder / f"{name}.alaw")
            except OSError:
                self._lengths[name] = UNKNOWN_LENGTH_SECONDS
        return self._lengths[name]
