"""Statements for tests, made without a voice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pln_ivr.journal import schema
from pln_ivr.journal.statements import (
    StatementRow,
    approve_statement,
    draft_statement,
    publish_statement,
)
from pln_ivr.outcomes import StatementStatus

AUDIO = b"\xd5" * 800


def prepare(url: str) -> str:
    """A journal of this version at that URL."""
    engine = schema.create_engine(schema.parse_url(url))
    schema.upgrade(engine)
    engine.dispose()
    return url


def statement(**changes: Any) -> StatementRow:
    """One that nobody has stored."""
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "version": 0,
        "status": StatementStatus.DRAFT,
        "areas": (),
        "cause": "gangguan transmisi",
        "restoration_at": None,
        "expires_at": now + timedelta(hours=2),
        "text": "Saat ini terjadi gangguan.",
        "recorded": False,
        "drafted_by": "Rina",
        "drafted_at": now,
    }
    return StatementRow(**(values | changes))


def drafted(url: str, audio: bytes = AUDIO, **changes: Any) -> int:
    """The version of a new draft."""
    return draft_statement(url, statement(**changes), audio).version


def approved(url: str, audio: bytes = AUDIO, **changes: Any) -> int:
    """The version of a new one that Budi has approved."""
    version = drafted(url, audio, **changes)
    approve_statement(url, version, "Budi")
    return version


def live(url: str, audio: bytes = AUDIO, **changes: Any) -> int:
    """The version of a new one that callers hear."""
    version = approved(url, audio, **changes)
    publish_statement(url, version, "Budi")
    return version
