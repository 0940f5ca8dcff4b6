"""Is there enough of everything for the house? Computed from the capacity, never guessed.

What is too small is one clear line that names the setting, at the start and whenever the
connection to Asterisk is made anew; nothing is refused for it.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger("pln_ivr.resources")

LOOK_SECONDS = 5.0
"""How often the disks' free room is measured."""

MIB = 1 << 20
LEG_FILES = 4
"""Open files of a leg in Asterisk: RTP, RTCP, a timer, an alert pipe (channel.c, res_rtp)."""

ASTERISK_FILES = 300
"""What Asterisk has open without a call: modules, sockets, logs, databases; measured: 120."""

OWN_FILES = 200
"""The same of this program: the journal, the console's connections, recordings in hand."""

RECORDING_BYTES_PER_SECOND = 32_000
"""In the spool, and again in the archive while it is filed: 16 bit, 8 kHz, two channels."""

BUSY_HOUR_SECONDS = 3600
PBX_RESOURCES = ("OPEN_FILES", "RTP_PORTS", "HTTP_SESSIONS")


@dataclass(frozen=True, slots=True)
class Need:
    """So much of one thing is needed."""

    what: str
    needed: int
    setting: str


def needs(capacity: int, agents: int, connections: int) -> dict[str, Need]:
    """What Asterisk and this program need for a full house in which every agent talks."""
    legs = capacity + agents
    talking = min(capacity, agents)
    # A leg's own, a recording for each conversation, a prompt for each caller, HTTP.
    asterisk = LEG_FILES * legs + talking + capacity + connections + ASTERISK_FILES
    return {
        "OPEN_FILES": Need(
            "open files of Asterisk", asterisk, "the nofile limit of Asterisk (PLN_NOFILE)"
        ),
        "RTP_PORTS": Need("RTP ports", 2 * legs, "PLN_RTP_START and PLN_RTP_END"),
        "HTTP_SESSIONS": Need(
            "HTTP sessions of Asterisk", connections + 10, "sessionlimit in http.conf"
        ),
        "OWN_FILES": Need(
            "open files of pln-ivr",
            connections + OWN_FILES + talking,
            "the nofile limit of pln-ivr",
        ),
        "DISK_MB": Need(
            "MiB free for recordings of a busy hour",
            talking * BUSY_HOUR_SECONDS * RECORDING_BYTES_PER_SECOND // MIB,
            "the disks of recordings.spool and recordings.folder",
        ),
    }


def shortages(needed: Mapping[str, Need], there: Mapping[str, int]) -> list[str]:
    """A line for each thing of which there is less than is needed; unknown ones are left out."""
    return [
        f"{need.what}: {need.needed} needed, {there[name]} there; raise {need.setting}"
        for name, need in needed.items()
        if name in there and there[name] < need.needed
    ]


async def of_asterisk(get_global: Callable[[str], Awaitable[str]]) -> dict[str, int]:
    """What Asterisk has, as asterisk-conf/install tells it in global variables; what it does
    not tell is left out. Raises what `get_global` does."""
    told = {name: await get_global(name) for name in PBX_RESOURCES}
    return {name: int(value) for name, value in told.items() if value.isdecimal()}


def of_this_process(recordings: Path) -> dict[str, int]:
    """What this process and the archive's disk have. Raises OSError."""
    return {"OWN_FILES": raise_own_files(), "DISK_MB": free_mb(recordings)}


def raise_own_files() -> int:
    """Take as many open files as this process may have; returns how many those are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 30


def free_mb(folder: Path) -> int:
    """Free space in MiB for this user where `folder` is, or will be. Raises OSError."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free // MIB


class DiskWatch:
    """How much room there is where recordings and the journal are written.

    `watch` is run as a task; between its looks the answers are plain values.
    """

    def __init__(
        self,
        folders: Iterable[Path],
        low_mb: int,
        reserve_mb: int,
        measure: Callable[[Path], int] = free_mb,
    ) -> None:
        self._folders = tuple(folders)
        self._low_mb = low_mb
        self._reserve_mb = reserve_mb
        self._measure = measure
        self.free_mb = 1 << 30
        self.full = False
        """Less than the reserve is left: begin no recording."""
        self.low = False

    def check(self) -> str:
        """Measure; returns a line if it has become low, full, or well again, else nothing."""
        before = (self.low, self.full)
        free = {folder: self._measured(folder) for folder in self._folders}
        worst = min(free, key=lambda folder: free[folder])
        self.free_mb = free[worst]
        self.full = self.free_mb < self._reserve_mb
        self.low = self.full or self.free_mb < self._low_mb
        if (self.low, self.full) == before:
            return ""
        state = "full" if self.full else "low" if self.low else "well"
        return f"{state}: {self.free_mb} MiB free at {worst}"

    async def watch(self) -> None:
        """Measure until cancelled."""
        while True:
            line = await asyncio.to_thread(self.check)
            if line:
                (log.error if self.low else log.warning)("disk", state=line)
            await asyncio.sleep(LOOK_SECONDS)

    def _measured(self, folder: Path) -> int:
        try:
            return self._measure(folder)
        except OSError:
            return 0  # a disk that does not answer has no room


def sqlite_folder(url: str) -> Path | None:
    """The folder of the journal if it is a file."""
    scheme, found, file = url.partition(":///")
    if not found or scheme.partition("+")[0] != "sqlite":
        return None
    return Path(os.path.dirname(file) or ".")
