"""The settings as the parts know them, which do not see the settings themselves."""

from __future__ import annotations

from pln_ivr.calls.callout import Trunk
from pln_ivr.config import Outbound, Queues, Recordings, Settings
from pln_ivr.queues.desk import Habits
from pln_ivr.queues.lines import Line
from pln_ivr.recordings.sound import Codec
from pln_ivr.recordings.worker import ArchiveSettings


def habits_of(settings: Settings) -> Habits:
    """How agents are treated after an offer."""
    return Habits(
        unreachable=settings.agents.unreachable_pause_seconds,
        wrap_up=settings.agents.wrap_up_seconds,
        pause_after_misses=settings.agents.pause_after_misses,
        ageing=settings.queues.ageing_seconds,
    )


def trunk_of(outbound: Outbound) -> Trunk:
    """The way to customers."""
    return Trunk(outbound.endpoint, outbound.gateway, outbound.number, outbound.ring_seconds)


def archive_of(recordings: Recordings) -> ArchiveSettings:
    """Where and in which form recordings are archived."""
    return ArchiveSettings(
        folder=str(recordings.folder.absolute()),
        codec=Codec(recordings.codec),
        keys=str(recordings.keys.absolute()) if recordings.keys else None,
    )


def digits_of(queues: Queues) -> dict[str, str]:
    """The queues that can be keyed, by their digit."""
    return {queue.digit: name for name, queue in queues.names.items() if queue.digit}


def lines_of(queues: Queues) -> dict[str, Line]:
    """The lines as the settings have them."""
    return {
        name: Line(
            name=name,
            skills=frozenset(queue.skills or (name,)),
            priority=queue.priority,
            length=queue.length,
            longest_wait_seconds=queue.longest_wait_seconds,
            overflow=queue.overflow,
            music=queue.music,
            announce_seconds=queue.announce_seconds,
        )
        for name, queue in queues.names.items()
    }
