"""Tables that the writer does not write: `statements`, `custody`, `persons`, `tokens`, `outages`,
`dispatches` and `callbacks` change them, each in transactions of its own.
"""

from __future__ import annotations

import sqlalchemy as sa

from pln_ivr.journal.columns import UtcDateTime, metadata

# Partial indices: what is open is a few rows among millions.
_LIVE = sa.text("status = 'live'")
_OPEN_REPORT = sa.text("status = 'open'")
_OPEN_CLUSTER = sa.text("ended_at IS NULL")
_UNDELIVERED = sa.text("delivered_at IS NULL AND dead_at IS NULL")
_DEAD = sa.text("dead_at IS NOT NULL")
_OPEN_CALLBACK = sa.text("status IN ('waiting', 'calling') AND report_id IS NULL")
_OPEN_WORD = sa.text("status IN ('waiting', 'calling') AND report_id IS NOT NULL")
_VALID = sa.text("revoked_at IS NULL")

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
