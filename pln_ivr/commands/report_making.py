"""What every report is made from, and that one sees on a terminal how far it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

from pln_ivr.commands.options import Period
from pln_ivr.config import Settings
from pln_ivr.journal.reports import Target

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Making:
    """One report that is being made."""

    settings: Settings
    period: Period
    now: datetime
    progress: Progress

    @property
    def url(self) -> str:
        """The journal's."""
        return self.settings.journal.url

    @property
    def targets(self) -> Mapping[str, Target]:
        """Each queue's service level."""
        queues = self.settings.queues.names
        return {
            name: (queue.service_seconds, queue.service_share) for name, queue in queues.items()
        }

    def followed(
        self, what: str, items: Iterable[Item], total: int | None = None
    ) -> Iterable[Item]:
        """The same items; on a terminal one sees them being read."""
        if self.progress.disable:
            return items
        return self.progress.track(items, total=total, description=what)


@contextmanager
def progress_on_terminal() -> Iterator[Progress]:
    """On standard error, and only if that is a terminal; gone when it is over."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress
