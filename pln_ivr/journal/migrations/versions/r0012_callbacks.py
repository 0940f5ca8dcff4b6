"""Callers who are to be called back, and reporters who want to be called when power is back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

TIME = sa.DateTime(timezone=True)
OPEN = "status IN ('waiting', 'calling')"


def upgrade() -> None:
    op.create_table(
        "callbacks",
        sa.Column("callback_id", sa.Text, primary_key=True),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("report_id", sa.Text),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("place_at", TIME, nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("attempted_at", TIME),
        sa.Column("last_call_id", sa.Text),
        sa.Column("result", sa.Text),
        sa.Column("ended_at", TIME),
        sa.Column("ended_by", sa.Text),
    )
    op.create_index("callbacks_asked_at", "callbacks", ["asked_at"])
    op.create_index("callbacks_changed_at", "callbacks", ["node", "changed_at"])
    _only("callbacks_open", ["caller", "queue"], f"{OPEN} AND report_id IS NULL")
    _only("callbacks_report", ["report_id"], f"{OPEN} AND report_id IS NOT NULL")
    op.add_column(
        "outage_reports",
        sa.Column("wants_call", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.add_column(
        "outage_reports", sa.Column("language", sa.Text, nullable=False, server_default="")
    )
    op.add_column("outage_reports", sa.Column("reopened_at", TIME))


def _only(name: str, columns: list[str], where: str) -> None:
    """One at a time of what is open."""
    only = sa.text(where)
    op.create_index(
        name, "callbacks", columns, unique=True, sqlite_where=only, postgresql_where=only
    )
