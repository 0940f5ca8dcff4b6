"""Calls that agents place."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column(
        "calls", sa.Column("direction", sa.Text, nullable=False, server_default="inbound")
    )
    op.add_column("calls", sa.Column("regarding", sa.Text))
