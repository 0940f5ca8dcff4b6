"""Running a command, for tests: the journal that it finds, what it printed and returned."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pln_ivr.journal import Row, open_journal
from tests.unit.test_journal import QUICK, Log


@dataclass(frozen=True)
class Done:
    """What a command printed and returned."""

    returncode: int
    stdout: str
    stderr: str


class Run(Protocol):
    def __call__(self, folder: Path, *arguments: str, **env: str) -> Done: ...


def keep(folder: Path, *rows: Row) -> str:
    """Write rows to the journal that a command run in this folder reads; its URL."""
    return keep_in(f"sqlite:///{folder}/journal.db", *rows)


def keep_in(url: str, *rows: Row) -> str:
    """Write rows to this journal; its URL."""

    async def write() -> None:
        async with open_journal(url, log=Log(), limits=QUICK) as journal:
            for row in rows:
                journal.write(row)

    asyncio.run(write())
    return url
