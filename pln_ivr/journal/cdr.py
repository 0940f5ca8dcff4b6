"""Asterisk's own list of calls (CDR), as cdr_custom.conf has it written: one CSV line a call.

It is independent of this program, so it is what the journal is completed from: calls that
Asterisk served while the program was away, and rows that died with the program.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

COLUMNS = 12
CUSTOMERS = frozenset({"from-trunk", "customer", "customer-called", "fallback"})
"""The dialplan's contexts in which a customer's channel can end."""

_NOTE = "fallback"
_NOTE_PARTS = 7
READ_BYTES = 1 << 20
"""Read at once: some five thousand calls."""


@dataclass(frozen=True, slots=True)
class Note:
    """What the dialplan leaves of a caller whom it served itself (context fallback-ended)."""

    refused: bool
    """There was no seat."""
    queued_at: datetime | None
    talking_at: datetime | None
    member: str
    """The endpoint of the agent who answered."""
    hung_up_by: str
    """The channel that hung up, without its technology."""
    recording: str


@dataclass(frozen=True, slots=True)
class CdrLine:
    """One line. Times are UTC; `note` is None unless the dialplan had the call at its end."""

    channel_id: str
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime
    disposition: str
    caller: str
    dialled: str
    context: str
    channel: str
    note: Note | None

    @property
    def is_customers(self) -> bool:
        """A customer's call, not an agent's leg."""
        return self.context in CUSTOMERS


def parse(line: str) -> CdrLine:
    """Read one line. Raises ValueError if it is none of ours."""
    try:
        cells = next(csv.reader([line]), [])
    except csv.Error as error:
        raise ValueError(str(error)) from None
    if len(cells) != COLUMNS:
        raise ValueError(f"{len(cells)} columns instead of {COLUMNS}")
    uniqueid, start, answer, end, disposition, src, dst, context, channel, _, _, note = cells
    started_at, ended_at = _time(start), _time(end)
    if not uniqueid or started_at is None or ended_at is None:
        raise ValueError("no channel id, or no time of start or end")
    return CdrLine(
        channel_id=uniqueid,
        started_at=started_at,
        answered_at=_time(answer),
        ended_at=ended_at,
        disposition=disposition,
        caller=src,
        dialled=dst,
        context=context,
        channel=channel,
        note=_parse_note(note),
    )


def _parse_note(text: str) -> Note | None:
    word, *parts = text.split("/", _NOTE_PARTS - 1)
    if word != _NOTE:
        return None
    if len(parts) != _NOTE_PARTS - 1:
        raise ValueError(f"a note of {len(parts) + 1} parts instead of {_NOTE_PARTS}")
    refused, queued, talking, member, hung_up_by, recording = parts
    return Note(bool(refused), _time(queued), _time(talking), member, hung_up_by, recording)


def _time(text: str) -> datetime | None:
    """Epoch seconds; Asterisk writes nothing, or 0, for a time that never came."""
    seconds = float(text or 0)
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except OverflowError as error:
        raise ValueError(f"no time: {text}") from error


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines, and the position behind them."""

    lines: tuple[str, ...]
    position: str


class CdrFile:
    """The file, read on from a position. Blocking: from the event loop, by ``to_thread``.

    A position is the file's inode and an offset. If the file has been rotated meanwhile,
    what is left of the old one is read first, as long as it lies beside the new one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, position: str) -> Piece:
        """The next whole lines from `position`; none at the end. Raises OSError."""
        inode, offset = self._parse(position)
        current = self._inode(self._path)
        if current is None:
            return Piece((), position)
        if inode not in (0, current):
            for file in self._since(inode):
                piece = self._read(file, self._inode(file) or 0, offset)
                if piece.lines:
                    return piece
                offset = 0
            inode, offset = current, 0
        return self._read(self._path, current, offset)

    def _read(self, path: Path, inode: int, offset: int) -> Piece:
        with path.open("rb") as file:
            if file.seek(0, 2) < offset:  # cut short in place
                offset = 0
            file.seek(offset)
            block = file.read(READ_BYTES)
        whole = block[: block.rfind(b"\n") + 1]
        # Not splitlines: a caller's number may hold what it takes for the end of a line.
        lines = whole.decode(errors="replace").split("\n")[:-1]
        return Piece(tuple(lines), f"{inode}:{offset + len(whole)}")

    def _since(self, inode: int) -> list[Path]:
        """The file of this inode and those that came after it, oldest first; none if it is gone."""
        beside: Iterable[Path] = self._path.parent.glob(f"{self._path.name}*")
        files = sorted(beside, key=lambda path: path.stat().st_mtime_ns)
        inodes = [self._inode(path) for path in files]
        return files[inodes.index(inode) :] if inode in inodes else []

    @staticmethod
    def _inode(path: Path) -> int | None:
        try:
            return path.stat().st_ino
        except FileNotFoundError:
            return None

    @staticmethod
    def _parse(position: str) -> tuple[int, int]:
        inode, _, offset = position.partition(":")
        return (int(inode), int(offset)) if offset else (0, 0)
