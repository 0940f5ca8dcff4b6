"""Statements on outages, and who heard them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("calls", sa.Column("statement", sa.BigInteger))
    _create_statements()
    op.create_table(
        "hearings",
        sa.Column("hearing_id", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("began_at", TIME, nullable=False),
        sa.Column("whole", sa.Boolean, nullable=False),
    )
    op.create_index("hearings_version", "hearings", ["version"])
    op.create_index("hearings_call_id", "hearings", ["call_id"])


def _create_statements() -> None:
    op.create_table(
        "statements",
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("areas", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("restoration_at", TIME),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("audio", sa.LargeBinary, nullable=False),
        sa.Column("recorded", sa.Boolean, nullable=False),
        sa.Column("drafted_by", sa.Text, nullable=False),
        sa.Column("drafted_at", TIME, nullable=False),
        sa.Column("approved_by", sa.Text),
        sa.Column("approved_at", TIME),
        sa.Column("live_by", sa.Text),
        sa.Column("live_at", TIME),
        sa.Column("renewed_by", sa.Text),
        sa.Column("renewed_at", TIME),
        sa.Column("ended_by", sa.Text),
        sa.Column("ended_at", TIME),
        sa.Column("note", sa.Text),
    )
    live = sa.text("status = 'live'")
    op.create_index(
        "statements_live", "statements", ["version"], sqlite_where=live, postgresql_where=live
    )
