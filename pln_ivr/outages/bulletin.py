"""The bulletin: the statements that are live, as this node's callers hear them.

The journal has them; each node looks every second, puts the audio where Asterisk finds it, and
lets go of what is over by its own clock, whether the journal can be read or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from pln_ivr.errors import EntryError, JournalError
from pln_ivr.journal.statements import StatementRow, Statements, expire_statements
from pln_ivr.speech import SILENCE, write_atomically

log = structlog.get_logger("pln_ivr.bulletin")

FALLBACK = "statement"
"""The prompt that Asterisk plays by itself while this program is away: all of them, or silence."""


def prompt_of(version: int) -> str:
    """The name of the prompt that says this version."""
    return f"statement-{version}"


class Bulletin:
    """The statements that are live here. Its owner calls `look` before anybody is admitted, and
    runs `watch` as a task."""

    def __init__(
        self,
        url: str,
        folder: Path,
        poll_seconds: float,
        on_change: Callable[[list[StatementRow]], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`url` is journal.url, `folder` that of the prompts."""
        self._url = url
        self._folder = folder
        self._poll_seconds = poll_seconds
        self._on_change = on_change
        self._now = now
        self._live: list[StatementRow] = []
        self._changed = asyncio.Event()
        self._looking = asyncio.Lock()
        self._in_place = False
        """What an earlier run left for Asterisk to play may be over since."""
        self.failing = False
        """The journal, or the prompts' folder, does not do what it should."""

    def live(self) -> list[StatementRow]:
        """What a caller is to hear now, the oldest version first."""
        now = self._now()
        return [row for row in self._live if now < row.expires_at]

    def unheard(self, heard: int | None) -> list[StatementRow]:
        """What is newer than the newest version that a caller has heard."""
        return [row for row in self.live() if heard is None or row.version > heard]

    def ends_at(self) -> int:
        """When the first of those that are live is over, epoch seconds; 0 if none is live."""
        return int(min((row.expires_at.timestamp() for row in self.live()), default=0.0))

    async def until_changed(self) -> None:
        """Return at the next change of what is live. Safe to cancel."""
        await self._changed.wait()

    async def watch(self) -> None:
        """Look every now and then until cancelled."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            await self.look()

    async def look(self) -> None:
        """Learn what is live. Never raises: what was live goes on until it is over."""
        async with self._looking:  # what is read later counts
            await self._look()

    async def _look(self) -> None:
        try:
            live = await asyncio.to_thread(self._read)
        except (JournalError, EntryError, OSError) as error:
            if not self.failing:
                log.error("statements_not_read", error=str(error))
            self.failing = True
            live = self.live()
        else:
            self.failing = False
        before, self._live = self._live, live
        if live == before:
            return
        log.info("statements_live", versions=[row.version for row in live])
        self._on_change(live)
        self._changed.set()
        self._changed = asyncio.Event()

    def _read(self) -> list[StatementRow]:
        """What is live, its audio in place."""
        now = self._now()
        with Statements(self._url) as statements:
            live = statements.live(now)
            if live == self._live and self._in_place:
                return live
            audio = {row.version: statements.audio(row.version) for row in live}
        for version, sound in audio.items():
            self._place(self._folder / f"{prompt_of(version)}.alaw", sound)
        together = b"".join(audio.values())
        self._place(self._folder / f"{FALLBACK}.alaw", together or SILENCE)
        self._in_place = True
        if any(row not in live for row in self._live):
            expire_statements(self._url, now)
        return live

    def _place(self, file: Path, sound: bytes) -> None:
        """Write it unless it is there already: other programs may share the folder."""
        if not file.is_file() or file.read_bytes() != sound:
            write_atomically(file, sound)
