"""First schema: calls, offers, agents' changes of state."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Plain types: a migration must not change when the code's own types do.
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "calls",
        sa.Column("call_id", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("incarnation", sa.Text, nullable=False),
        sa.Column("channel_id", sa.Text, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("dialled", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("answered_at", TIME),
        sa.Column("notice_heard_at", TIME),
        sa.Column("queued_at", TIME),
        sa.Column("offered_at", TIME),
        sa.Column("talking_at", TIME),
        sa.Column("ended_at", TIME),
        sa.Column("queue", sa.Text),
        sa.Column("agent", sa.Text),
        sa.Column("recording", sa.Text),
        sa.Column("recording_seconds", sa.Double),
        sa.Column("outcome", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("cause", sa.Integer),
    )
    op.create_index("calls_started_at", "calls", ["started_at"])
    op.create_table(
        "offers",
        sa.Column("offer_id", sa.Text, primary_key=True),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("offered_at", TIME, nullable=False),
        sa.Column("ringing_at", TIME),
        sa.Column("ended_at", TIME),
        sa.Column("result", sa.Text),
    )
    op.create_index("offers_call_id", "offers", ["call_id"])
    op.create_table(
        "agent_states",
        sa.Column("change_id", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
    )
    op.create_index("agent_states_agent", "agent_states", ["agent", "changed_at"])
