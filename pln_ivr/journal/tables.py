"""The journal's tables: what the newest migration leaves behind; a test compares the two.

There are no foreign keys: rows arrive in any order, and a lost call row must not take
its offers with it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pln_ivr.journal.columns import UtcDateTime, metadata
from pln_ivr.journal.own_tables import (
    accesses,
    callbacks,
    dispatches,
    outage_clusters,
    outage_reports,
    person_accesses,
    statements,
    tokens,
)
from pln_ivr.journal.records import (
    AgentStateRow,
    CallRow,
    FlagRow,
    HearingRow,
    IncidentRow,
    MarkRow,
    OfferRow,
    RecordingPauseRow,
    RecordingRow,
    Row,
    SupervisionRow,
)

__all__ = [
    "TABLES",
    "accesses",
    "agent_states",
    "callbacks",
    "calls",
    "dispatches",
    "flags",
    "hearings",
    "incidents",
    "marks",
    "metadata",
    "offers",
    "outage_clusters",
    "outage_reports",
    "person_accesses",
    "recording_pauses",
    "recordings",
    "statements",
    "supervisions",
    "tokens",
    "values_of",
]

# Partial indices: what is open is a few rows among millions.
_OPEN_CALL = sa.text("outcome IS NULL")
_OPEN_OFFER = sa.text("result IS NULL")
_OPEN_FLAG = sa.text("result IS NULL")
_OPEN_SUPERVISION = sa.text("ended_at IS NULL")
_KEPT = sa.text("deleted_at IS NULL")
_GONE = sa.text("deleted_at IS NOT NULL")
_QUEUED = sa.text("queued_at IS NOT NULL")

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("call_id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("node", sa.Text, nullable=False),
    sa.Column("incarnation", sa.Text, nullable=False),
    sa.Column("channel_id", sa.Text, nullable=False),
    sa.Column("caller", sa.Text, nullable=False),
    sa.Column("dialled", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("answered_at", UtcDateTime),
    sa.Column("notice_heard_at", UtcDateTime),
    sa.Column("notice_version", sa.Text),
    sa.Column("menu_at", UtcDateTime),
    sa.Column("menu_path", sa.Text),
    sa.Column("menu_end", sa.Text),
    sa.Column("language", sa.Text, nullable=False, server_default=""),
    sa.Column("queued_at", UtcDateTime),
    sa.Column("place_at", UtcDateTime),
    sa.Column("offered_at", UtcDateTime),
    sa.Column("talking_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("queue", sa.Text),
    sa.Column("agent", sa.Text),
    sa.Column("recording", sa.Text),
    sa.Column("recording_seconds", sa.Double),
    sa.Column("outcome", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("cause", sa.Integer),
    sa.Column("statement", sa.BigInteger),
    sa.Column("fallback", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("direction", sa.Text, nullable=False, server_default="inbound"),
    sa.Column("regarding", sa.Text),
    sa.Index("calls_started_at", "started_at"),
    sa.Index("calls_channel_id", "channel_id"),
    sa.Index("calls_open", "node", sqlite_where=_OPEN_CALL, postgresql_where=_OPEN_CALL),
    sa.Index("calls_queued_at", "queued_at", sqlite_where=_QUEUED, postgresql_where=_QUEUED),
)

hearings = sa.Table(
    "hearings",
    metadata,
    sa.Column("hearing_id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("node", sa.Text, nullable=False),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("began_at", UtcDateTime, nullable=False),
    sa.Column("whole", sa.Boolean, nullable=False),
    sa.Index("hearings_version", "version"),
    sa.Index("hearings_call_id", "call_id"),
)

offers = sa.Table(
    "offers",
    metadata,
    sa.Column("offer_id", sa.Text, primary_key=True),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("node", sa.Text, nullable=False),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("offered_at", UtcDateTime, nullable=False),
    sa.Column("ringing_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("result", sa.Text),
    sa.Column("talking_at", UtcDateTime),
    sa.Column("talked_until", UtcDateTime),
    sa.Column("talk_end", sa.Text),
    sa.Column("held_seconds", sa.Double, nullable=False, server_default=sa.text("0")),
    sa.Column("recording", sa.Text),
    sa.Column("recording_seconds", sa.Double),
    sa.Column("wrapped_up_at", UtcDateTime),
    sa.Column("disposition", sa.Text),
    sa.Index("offers_call_id", "call_id"),
    sa.Index("offers_offered_at", "offered_at"),
    sa.Index("offers_open", "node", sqlite_where=_OPEN_OFFER, postgresql_where=_OPEN_OFFER),
)

agent_states = sa.Table(
    "agent_states",
    metadata,
    sa.Column("change_id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("node", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.Column("wish", sa.Text, nullable=False, server_default=""),
    sa.Column("pause", sa.Text, nullable=False, server_default=""),
    sa.Index("agent_states_agent", "agent", "changed_at"),
    sa.Index("agent_states_changed_at", "changed_at"),
)

marks = sa.Table(
    "marks",
    metadata,
    sa.Column("mark", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("position", sa.Text, nullable=False),
)

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("incident_id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("node", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("offer_id", sa.Text, nullable=False),
    sa.Column("happened_at", UtcDateTime, nullable=False),
    sa.Column("rang_seconds", sa.Double),
    sa.Column("spoke_seconds_before", sa.Double),
    sa.Column("recording", sa.Text),
    sa.Column("offset_seconds", sa.Double),
    sa.Column("review", sa.Text, nullable=False),
    sa.Column("reviewer", sa.Text),
    sa.Column("note", sa.Text),
    sa.Column("reviewed_at", UtcDateTime),
    sa.Index("incidents_happened_at", "happened_at"),
    sa.Index("incidents_agent", "agent", "happened_at"),
    sa.Index("incidents_review", "review", "happened_at"),
)

flags = sa.Table(
    "flags",
    metadata,
    sa.Column("flag_id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("node", sa.Text, nullable=False),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("offer_id", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("raised_at", UtcDateTime, nullable=False),
    sa.Column("taken_by", sa.Text),
    sa.Column("taken_at", UtcDateTime),
    sa.Column("helped_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("result", sa.Text),
    sa.Index("flags_raised_at", "raised_at"),
    sa.Index("flags_open", "node", sqlite_where=_OPEN_FLAG, postgresql_where=_OPEN_FLAG),
)

supervisions = sa.Table(
    "supervisions",
    metadata,
    sa.Column("supervision_id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("node", sa.Text, nullable=False),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("offer_id", sa.Text, nullable=False),
    sa.Column("supervisor", sa.Text, nullable=False),
    sa.Column("ordered_by", sa.Text, nullable=False),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("flag_id", sa.Text),
    sa.Index("supervisions_call_id", "call_id"),
    sa.Index(
        "supervisions_open",
        "node",
        sqlite_where=_OPEN_SUPERVISION,
        postgresql_where=_OPEN_SUPERVISION,
    ),
)

recordings = sa.Table(
    "recordings",
    metadata,
    sa.Column("recording_id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("node", sa.Text, nullable=False),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("offer_id", sa.Text),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("began_at", UtcDateTime, nullable=False),
    sa.Column("filed_at", UtcDateTime, nullable=False),
    sa.Column("codec", sa.Text, nullable=False),
    sa.Column("uri", sa.Text, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("talk_seconds", sa.Double),
    sa.Column("notice_version", sa.Text),
    sa.Column("notice_heard_at", UtcDateTime),
    sa.Column("sha256", sa.Text),
    sa.Column("key_id", sa.Text),
    sa.Column("customer_seconds", sa.Double),
    sa.Column("agent_seconds", sa.Double),
    sa.Column("faults", sa.Text, nullable=False, server_default=""),
    sa.Column("held_at", UtcDateTime),
    sa.Column("held_by", sa.Text),
    sa.Column("hold_reason", sa.Text),
    sa.Column("deleted_at", UtcDateTime),
    sa.Column("deleted_by", sa.Text),
    sa.Column("delete_reason", sa.Text),
    sa.Index("recordings_began_at", "began_at"),
    sa.Index("recordings_call_id", "call_id"),
    sa.Index("recordings_agent", "agent", "began_at"),
    sa.Index("recordings_kept", "queue", "began_at", sqlite_where=_KEPT, postgresql_where=_KEPT),
    sa.Index("recordings_deleted", "deleted_at", sqlite_where=_GONE, postgresql_where=_GONE),
)

recording_pauses = sa.Table(
    "recording_pauses",
    metadata,
    sa.Column("pause_id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("node", sa.Text, nullable=False),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("offer_id", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("ordered_by", sa.Text, nullable=False),
    sa.Column("began_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("ended_by", sa.Text),
    sa.Column("end", sa.Text),
    sa.Index("recording_pauses_offer_id", "offer_id"),
    sa.Index("recording_pauses_call_id", "call_id"),
)

TABLES: dict[type[Row], sa.Table] = {
    CallRow: calls,
    HearingRow: hearings,
    OfferRow: offers,
    AgentStateRow: agent_states,
    IncidentRow: incidents,
    FlagRow: flags,
    SupervisionRow: supervisions,
    RecordingPauseRow: recording_pauses,
    RecordingRow: recordings,
    MarkRow: marks,
}
"""What the writer writes; the others are in `own_tables`."""


def values_of(row: Row) -> dict[str, Any]:
    """The row as its table's columns."""
    return {name: getattr(row, name) for name in row.__slots__}
