"""What a recording is called: one name from the spool to the journal.

``yyyy/mm/dd/CALL/ID``: the day (UTC), the call, and the recording's own id, which is that of
the offer whose leg it was made on (for a call that Asterisk served alone, the one its
dialplan chose). A call has one recording for each agent who talked.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_ARCHIVE = "archive:"
_NAME = re.compile(r"\d{4}/\d\d/\d\d/[0-9a-z-]+/[0-9a-z-]+")


def recording_name(call_id: str, offer_id: str, now: datetime) -> str:
    """Where a recording goes, below the spool and in the archive: date, call, offer."""
    return f"{now.astimezone(UTC):%Y/%m/%d}/{call_id}/{offer_id}"


def recording_uri(name: str) -> str:
    """How calls, offers and incidents refer to a recording. Where its file is, and in which
    form, says its own row (`RecordingRow.uri`)."""
    return f"{_ARCHIVE}{name}"


def name_of(uri: str) -> str:
    """The recording's name, from what `recording_uri` made of it or from its file's URI."""
    name = uri.rpartition(":")[2]
    head, _, last = name.rpartition("/")
    return f"{head}/{last.partition('.')[0]}" if head else last.partition(".")[0]


def id_of(name: str) -> str:
    """The recording's id: the last part of its name."""
    return name.rpartition("/")[2]


def call_of(name: str) -> str:
    """The part of its name that is the call's, or what the dialplan took for one."""
    return name.split("/")[-2]


def is_name(text: str) -> bool:
    """Whether this is a recording's name."""
    return _NAME.fullmatch(text) is not None
