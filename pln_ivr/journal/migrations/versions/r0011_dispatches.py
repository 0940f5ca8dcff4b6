"""The outbox: what the field dispatch is to be told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "dispatches",
        sa.Column("dispatch_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("delivered_at", TIME),
        sa.Column("dead_at", TIME),
        sa.Column("error", sa.Text),
    )
    op.create_index("dispatches_created_at", "dispatches", ["created_at"])
    for name, column, where in (
        ("dispatches_waiting", "due_at", "delivered_at IS NULL AND dead_at IS NULL"),
        ("dispatches_dead", "dead_at", "dead_at IS NOT NULL"),
    ):
        only = sa.text(where)
        op.create_index(name, "dispatches", [column], sqlite_where=only, postgresql_where=only)
