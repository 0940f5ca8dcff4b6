"""Outages that callers report, and the clusters that they make."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "outage_reports",
        sa.Column("report_id", sa.Text, primary_key=True),
        sa.Column("customer", sa.Text, nullable=False),
        sa.Column("area", sa.Text, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("reported_at", TIME, nullable=False),
        sa.Column("repeats", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("repeated_at", TIME),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("ended_at", TIME),
        sa.Column("ended_by", sa.Text),
    )
    op.create_index("outage_reports_caller", "outage_reports", ["caller", "reported_at"])
    _open("outage_reports_open", "outage_reports", "customer", "status = 'open'", unique=True)
    _open("outage_reports_area", "outage_reports", "area", "status = 'open'", unique=False)
    op.create_table(
        "outage_clusters",
        sa.Column("cluster_id", sa.Text, primary_key=True),
        sa.Column("area", sa.Text, nullable=False),
        sa.Column("reports", sa.Integer, nullable=False),
        sa.Column("raised_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
    )
    _open("outage_clusters_open", "outage_clusters", "area", "ended_at IS NULL", unique=True)


def _open(name: str, table: str, column: str, where: str, *, unique: bool) -> None:
    """An index of what is open: a few rows among millions."""
    only = sa.text(where)
    op.create_index(name, table, [column], unique=unique, sqlite_where=only, postgresql_where=only)
