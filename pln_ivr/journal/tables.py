"""The journal's tables: what the newest migration leaves behind; a test compares the two.

There are no foreign keys: rows arrive in any order, and a lost call row must not take
its offers with it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

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


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time. SQLite keeps no zone, so it is taken off there and put back."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be journalled")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData()
# Partial indices: what is open is a few rows among millions.
_OPEN_CALL, _OPEN_OFFER = sa.text("outcome IS NULL"), sa.text("result IS NULL")
_OPEN_FLAG, _OPEN_SUPERVISION = sa.text("result IS NULL"), sa.text("ended_at IS NULL")
_LIVE = sa.text("status = 'live'")
_OPEN_REPORT, _OPEN_CLUSTER = sa.text("status = 'open'"), sa.text("ended_at IS NULL")
_UNDELIVERED = sa.text("delivered_at IS NULL AND dead_at IS NULL")
_DEAD = sa.text("dead_at IS NOT NULL")
_OPEN_CALLBACK = sa.text("status IN ('waiting', 'calling') AND report_id IS NULL")
_OPEN_WORD = sa.text("status IN ('waiting', 'calling') AND report_id IS NOT NULL")
_KEPT, _GONE = sa.text("deleted_at IS NULL"), sa.text("deleted_at IS NOT NULL")
_QUEUED, _VALID = sa.text("queued_at IS NOT NULL"), sa.text("revoked_at IS NULL")

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

statements = sa.Table(
    "statements",
    metadata,
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("areas", sa.Text, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("restoration_at", UtcDateTime),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("audio", sa.LargeBinary, nullable=False),
    sa.Column("recorded", sa.Boolean, nullable=False),
    sa.Column("drafted_by", sa.Text, nullable=False),
    sa.Column("drafted_at", UtcDateTime, nullable=False),
    sa.Column("approved_by", sa.Text),
    sa.Column("approved_at", UtcDateTime),
    sa.Column("live_by", sa.Text),
    sa.Column("live_at", UtcDateTime),
    sa.Column("renewed_by", sa.Text),
    sa.Column("renewed_at", UtcDateTime),
    sa.Column("ended_by", sa.Text),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("note", sa.Text),
    sa.Index("statements_live", "version", sqlite_where=_LIVE, postgresql_where=_LIVE),
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

accesses = sa.Table(
    "accesses",
    metadata,
    sa.Column("access_id", sa.Text, primary_key=True),
    sa.Column("recording_id", sa.Text, nullable=False),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("accessed_at", UtcDateTime, nullable=False),
    sa.Index("accesses_recording", "recording_id", "accessed_at"),
    sa.Index("accesses_accessed_at", "accessed_at"),
)

person_accesses = sa.Table(
    "person_accesses",
    metadata,
    sa.Column("access_id", sa.Text, primary_key=True),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("calls", sa.BigInteger, nullable=False),
    sa.Column("recordings", sa.BigInteger, nullable=False),
    sa.Column("accessed_at", UtcDateTime, nullable=False),
    sa.Index("person_accesses_accessed_at", "accessed_at"),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("token_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("extension", sa.Text),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("revoked_at", UtcDateTime),
    sa.Index("tokens_digest", "digest", unique=True),
    # A name is free again when its token is revoked.
    sa.Index("tokens_name", "name", unique=True, sqlite_where=_VALID, postgresql_where=_VALID),
)

outage_reports = sa.Table(
    "outage_reports",
    metadata,
    sa.Column("report_id", sa.Text, primary_key=True),
    sa.Column("customer", sa.Text, nullable=False),
    sa.Column("area", sa.Text, nullable=False),
    sa.Column("caller", sa.Text, nullable=False),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("node", sa.Text, nullable=False),
    sa.Column("reported_at", UtcDateTime, nullable=False),
    sa.Column("repeats", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("repeated_at", UtcDateTime),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("ended_by", sa.Text),
    sa.Column("wants_call", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("language", sa.Text, nullable=False, server_default=""),
    sa.Column("reopened_at", UtcDateTime),
    sa.Index("outage_reports_caller", "caller", "reported_at"),
    # A customer has one report of an outage.
    sa.Index(
        "outage_reports_open",
        "customer",
        unique=True,
        sqlite_where=_OPEN_REPORT,
        postgresql_where=_OPEN_REPORT,
    ),
    sa.Index(
        "outage_reports_area", "area", sqlite_where=_OPEN_REPORT, postgresql_where=_OPEN_REPORT
    ),
)

outage_clusters = sa.Table(
    "outage_clusters",
    metadata,
    sa.Column("cluster_id", sa.Text, primary_key=True),
    sa.Column("area", sa.Text, nullable=False),
    sa.Column("reports", sa.Integer, nullable=False),
    sa.Column("raised_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Index(
        "outage_clusters_open",
        "area",
        unique=True,
        sqlite_where=_OPEN_CLUSTER,
        postgresql_where=_OPEN_CLUSTER,
    ),
)

dispatches = sa.Table(
    "dispatches",
    metadata,
    sa.Column("dispatch_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("delivered_at", UtcDateTime),
    sa.Column("dead_at", UtcDateTime),
    sa.Column("error", sa.Text),
    sa.Index("dispatches_created_at", "created_at"),
    sa.Index(
        "dispatches_waiting", "due_at", sqlite_where=_UNDELIVERED, postgresql_where=_UNDELIVERED
    ),
    sa.Index("dispatches_dead", "dead_at", sqlite_where=_DEAD, postgresql_where=_DEAD),
)

callbacks = sa.Table(
    "callbacks",
    metadata,
    sa.Column("callback_id", sa.Text, primary_key=True),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("report_id", sa.Text),
    sa.Column("node", sa.Text, nullable=False),
    sa.Column("caller", sa.Text, nullable=False),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("place_at", UtcDateTime, nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("attempted_at", UtcDateTime),
    sa.Column("last_call_id", sa.Text),
    sa.Column("result", sa.Text),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("ended_by", sa.Text),
    sa.Index("callbacks_asked_at", "asked_at"),
    sa.Index("callbacks_changed_at", "node", "changed_at"),
    # A number has one callback in each line, and a report is called about once.
    sa.Index(
        "callbacks_open",
        "caller",
        "queue",
        unique=True,
        sqlite_where=_OPEN_CALLBACK,
        postgresql_where=_OPEN_CALLBACK,
    ),
    sa.Index(
        "callbacks_report",
        "report_id",
        unique=True,
        sqlite_where=_OPEN_WORD,
        postgresql_where=_OPEN_WORD,
    ),
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
"""What the writer writes. Tokens, statements, reports of outages, deliveries, callbacks and
accesses are no rows of it: `tokens`, `statements`, `outages`, `dispatches`, `callbacks`, `custody`
and `persons` write them themselves, each in a transaction of its own."""


def values_of(row: Row) -> dict[str, Any]:
    """The row as its table's columns."""
    return {name: getattr(row, name) for name in row.__slots__}
