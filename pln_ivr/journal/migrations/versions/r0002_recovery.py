"""What recovery after a crash needs: calls that Asterisk served, open rows, reading marks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column(
        "calls", sa.Column("fallback", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.create_index("calls_channel_id", "calls", ["channel_id"])
    for table, condition in (("calls", "outcome IS NULL"), ("offers", "result IS NULL")):
        op.create_index(
            f"{table}_open",
            table,
            ["node"],
            sqlite_where=sa.text(condition),
            postgresql_where=sa.text(condition),
        )
    op.create_table(
        "marks",
        sa.Column("mark", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("position", sa.Text, nullable=False),
    )
