"""The worker process that files recordings: jobs in by standard input, answers out.

One JSON line each way. It is a process of its own because encoding takes processor time that
live calls must not miss: it runs at the lowest priority, and if a library crashes it takes
nobody with it. It ends when its standard input does, so it never outlives the program.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import msgspec

from pln_ivr.errors import ConfigError, RecordingError
from pln_ivr.recordings.filing import Archive
from pln_ivr.recordings.jobs import Answer, ArchiveSettings, Job
from pln_ivr.recordings.sealing import load_keys
from pln_ivr.recordings.store import LocalStore
from pln_ivr.recordings.stores import open_store

LOWEST_PRIORITY = 19


def open_archive(settings: ArchiveSettings) -> Archive:
    """The archive that the settings mean. Raises ConfigError."""
    keys = load_keys(Path(settings.keys)) if settings.keys else None
    return Archive(open_store(settings), settings.codec, keys)


def do(archive: Archive, job: Job) -> Answer:
    """Do one job. Never raises for what disks and files do."""
    before = time.process_time()
    try:
        manifest = archive.file(Path(job.raw), job.facts, job.at_least_seconds)
    except RecordingError as error:
        return Answer(error=str(error))
    except Exception as error:  # a bug must not end the worker: the raw file stays
        return Answer(error=f"{job.raw}: {type(error).__name__}: {error}")
    return Answer(manifest=manifest, cpu_seconds=time.process_time() - before)


def main() -> None:
    """Serve until standard input ends."""
    os.nice(LOWEST_PRIORITY)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the program's to hear
    lines, out = sys.stdin.buffer, sys.stdout.buffer
    settings = msgspec.json.decode(lines.readline(), type=ArchiveSettings)
    LocalStore(Path(settings.folder)).tidy()
    try:
        archive = open_archive(settings)
    except ConfigError as error:  # the program looked at its start: it was changed since
        sys.exit(f"pln-ivr: {error}")
    for line in lines:
        answer = do(archive, msgspec.json.decode(line, type=Job))
        out.write(msgspec.json.encode(answer) + b"\n")
        out.flush()


if __name__ == "__main__":
    main()
