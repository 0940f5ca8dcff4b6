"""Playing prompts to a channel, with a deadline taken from each prompt's own length."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from pln_ivr.ari import Channel, Client
from pln_ivr.errors import AriError, AriRefused, AriTimeout, AriUnavailable
from pln_ivr.speech import duration_seconds

log = structlog.get_logger("pln_ivr.prompts")

RETRY_SECONDS = 0.5
"""Until another attempt to say what Asterisk could not be asked to."""

VERSION_DIGITS = 12
UNKNOWN_LENGTH_SECONDS = 30.0
"""Taken for a prompt whose file this program cannot read."""


IN_TURN = tuple(f"in-turn-{number}" for number in range(4))
"""Stand for the names of prompts, one after the other, where the same one may be begun again
before the end of the one before has been told, and where there is no end of names."""

_WHILE_GREETED = ("notice", "please-wait", *IN_TURN)


def _playback(name: str, run: str, channel_id: str) -> str:
    """Its id, which a later run can tell: a prompt is played once to a channel by a run, but for
    those that are played in turn."""
    return f"{name}-{run}-{channel_id}"


class Prompts:
    """The prompts that Asterisk finds as sound:pln/NAME."""

    def __init__(
        self, ari: Client, run: str, folder: Path, margin: float, on_failed: Callable[[str], None]
    ) -> None:
        """`run` is this start's id, `margin` the seconds that a prompt may take too long."""
        self._ari = ari
        self._run = run
        self._folder = folder
        self._margin = margin
        self._on_failed = on_failed
        self._versions: dict[str, tuple[tuple[int, int], str]] = {}
        """When the file was written and its length, and the version that it had then."""

    async def play(
        self, channel: Channel, name: str, *, barge_in: bool = False, in_turn: bool = False
    ) -> bool:
        """Play a prompt to its end, in the channel's language if there is such a recording; true
        if Asterisk says that it was played whole.

        `barge_in`: a key ends it, and is left to be taken. `in_turn`: see IN_TURN. A prompt
        that fails or never ends is counted and the call goes on without it. Cancelling stops
        the prompt. Raises Gone; AriUnavailable if Asterisk is away.
        """
        turn = IN_TURN[channel.playbacks % len(IN_TURN)]
        known_as = turn if barge_in or in_turn else name
        playback_id = _playback(known_as, self._run, channel.id)
        channel.expect_playback(playback_id)
        file = self._file(name, channel.language)
        deadline = self._seconds(file)
        state, pressed = "", False
        try:
            await self._ari.play(channel.id, f"sound:pln/{file}", playback_id)
            state = await channel.playback_ended(playback_id, deadline, or_key=barge_in)
            pressed = not state
        except (AriTimeout, AriRefused) as error:
            log.error("prompt_failed", prompt=name, error=str(error))
        finally:
            channel.forget_playback(playback_id)
            if not state and not channel.gone:
                await self._stop(playback_id)
        if state != "done" and not pressed:
            self._on_failed(name)
        return state == "done"

    async def see_through(self, channel: Channel, say: Callable[[], Awaitable[object]]) -> None:
        """Do what is to be said to a caller whom no agent has yet; after a lost connection stop
        what plays and do it all again. There is no deadline: when the lease ends, the dialplan
        takes the caller. Raises Gone, AriRefused. Safe to cancel."""
        again = False
        while True:
            try:
                if again:
                    await self.hush(channel)
                await say()
                return
            except (AriUnavailable, AriTimeout) as error:
                log.warning("greeting_interrupted", error=str(error))
            again = True
            await asyncio.sleep(RETRY_SECONDS)
            await self._ari.until_ready()

    async def hush(self, channel: Channel, run: str = "") -> None:
        """Stop what this run of the program, or `run`, may still be playing. Raises AriError."""
        for name in _WHILE_GREETED:
            await self._ari.stop_playback(_playback(name, run or self._run, channel.id))

    async def _stop(self, playback_id: str) -> None:
        try:
            await self._ari.stop_playback(playback_id)
        except AriError as error:
            log.warning("prompt_not_stopped", error=str(error))

    def seconds(self, name: str, language: str = "") -> float:
        """How long a prompt may take at most, by its own length."""
        return self._seconds(self._file(name, language))

    def _seconds(self, file: str) -> float:
        length = self._length(file)
        return (UNKNOWN_LENGTH_SECONDS if length is None else length) + self._margin

    def _file(self, name: str, language: str) -> str:
        """Where it is below the folder: what there is not in a language is in the house's own."""
        file = f"{language}/{name}"
        return file if language and self._length(file) is not None else name

    def version(self, name: str) -> str | None:
        """Which wording of a prompt is played now: the beginning of its sound's SHA-256, so that
        another voice or studio recording is another version. None if it cannot be read."""
        try:
            file = self._folder / f"{name}.alaw"
            status = file.stat()
            at = (status.st_mtime_ns, status.st_size)
            if self._versions.get(name, (at, ""))[0] != at or name not in self._versions:
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                self._versions[name] = (at, digest[:VERSION_DIGITS])
        except OSError:
            return None
        return self._versions[name][1]

    def _length(self, file: str) -> float | None:
        """None if this program cannot read it. Looked up each time: it may be built anew."""
        try:
            return duration_seconds(self._folder / f"{file}.alaw")
        except OSError:
            return None
