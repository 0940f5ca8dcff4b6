"""The bulletin: the statements that are live, as this node's callers hear them.

The journal has them; each node looks every second, puts the audio where Asterisk finds it, and
lets go of what is over by its own clock, whether the journal can be read or not.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from pln_ivr.errors import EntryError, JournalError
from pln_ivr.journal.statements import PENDING, StatementRow, Statements, expire_statements
from pln_ivr.outcomes import StatementStatus
from pln_ivr.speech import SILENCE, write_atomically

log = structlog.get_logger("pln_ivr.bulletin")

FALLBACK = "statement"
"""The prompt that Asterisk plays by itself while this program is away: all of them, or silence."""

KEPT = timedelta(minutes=10)
"""The audio of what is over stays for so long: a caller may be about to hear it, and another node
that shares the folder may learn of the end later. The journal keeps it for good."""

_AUDIO = re.compile(r"statement-([0-9]+)\.alaw")


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
        self._over: dict[int, datetime] = {}
        """Versions whose audio is there though they are not live, and since when that is known."""
        self.pending: Mapping[StatementStatus, int] = dict.fromkeys(PENDING, 0)
        """How many wait for approval, and how many to go live, at the last look."""
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
            live, self.pending = await asyncio.to_thread(self._read)
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

    def _read(self) -> tuple[list[StatementRow], Mapping[StatementStatus, int]]:
        """What is live, its audio in place; and how many are on the way there."""
        now = self._now()
        with Statements(self._url) as statements:
            live, pending = statements.live(now), statements.pending(now)
            known = live == self._live and self._in_place
            audio = {} if known else {row.version: statements.audio(row.version) for row in live}
        if not known:
            for version, sound in audio.items():
                self._place(self._folder / f"{prompt_of(version)}.alaw", sound)
            together = b"".join(audio.values())
            self._place(self._folder / f"{FALLBACK}.alaw", together or SILENCE)
            self._in_place = True
            self._over = self._left_over(live, now)
            if any(row not in live for row in self._live):
                expire_statements(self._url, now)
        self._sweep(now)
        return live, pending

    def _left_over(self, live: list[StatementRow], now: datetime) -> dict[int, datetime]:
        """The versions whose audio nobody is to hear any more, since when."""
        found = (_AUDIO.fullmatch(file.name) for file in self._folder.iterdir())
        there = {int(name[1]) for name in found if name}
        return {
            version: self._over.get(version, now)
            for version in there - {row.version for row in live}
        }

    def _sweep(self, now: datetime) -> None:
        """Remove the audio of what has been over for long enough. What cannot be removed is in
        nobody's way: it is tried again when something else goes live or ends."""
        for version in [v for v, since in self._over.items() if now - since >= KEPT]:
            del self._over[version]
            try:
                (self._folder / f"{prompt_of(version)}.alaw").unlink(missing_ok=True)
            except OSError as error:
                log.warning("statement_audio_stays", version=version, error=str(error))

    def _place(self, file: Path, sound: bytes) -> None:
        """Write it unless it is there already: other programs may share the folder."""
        if not file.is_file() or file.read_bytes() != sound:
            write_atomically(file, sound)
