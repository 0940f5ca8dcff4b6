"""The process that verifies at night: a job in on standard input, what was found out."""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from pln_ivr.errors import PlnIvrError
from pln_ivr.recordings.nightly import MOST_LINES, NightlyJob, Verified
from pln_ivr.recordings.stores import open_store
from pln_ivr.recordings.verify import Finding, Places, verify
from pln_ivr.recordings.worker import LOWEST_PRIORITY


def do(job: NightlyJob) -> Verified:
    """Verify. Never raises for what the journal and the archive do."""
    try:
        places = Places(job.journal_url, Path(job.spool), open_store(job.archive))
        account = verify(places, job.since, job.until)
    except PlnIvrError as error:
        return Verified(at=datetime.now(UTC), error=str(error))
    return Verified(
        at=datetime.now(UTC),
        conversations=account.conversations,
        found={str(what): account.count(what) for what in Finding},
        lines=[(str(one.what), one.recording, one.text) for one in account.found[:MOST_LINES]],
    )


def main() -> None:
    """Do the one job."""
    os.nice(LOWEST_PRIORITY)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the program's to hear
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=NightlyJob)
    sys.stdout.buffer.write(msgspec.json.encode(do(job)))


if __name__ == "__main__":
    main()
