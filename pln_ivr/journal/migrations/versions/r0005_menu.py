"""What callers chose in the menu."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("calls", sa.Column("menu_at", sa.DateTime(timezone=True)))
    op.add_column("calls", sa.Column("menu_path", sa.Text))
    op.add_column("calls", sa.Column("menu_end", sa.Text))
    op.add_column("calls", sa.Column("language", sa.Text, nullable=False, server_default=""))
