"""Conversations, conduct incidents, white flags, supervision, and the tokens of people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _extend_calls_and_states()
    _extend_offers()
    _create_incidents()
    _create_flags_and_supervisions()
    _create_tokens()


def _extend_calls_and_states() -> None:
    op.add_column("calls", sa.Column("place_at", TIME))
    _create_partial_index("calls_queued_at", "calls", ["queued_at"], "queued_at IS NOT NULL")
    for column in ("wish", "pause"):
        op.add_column("agent_states", sa.Column(column, sa.Text, nullable=False, server_default=""))
    op.create_index("agent_states_changed_at", "agent_states", ["changed_at"])
    # Until now an agent who was not away was ready again after a restart.
    op.execute(
        "UPDATE agent_states SET wish = CASE state WHEN 'away' THEN 'logged_out' ELSE 'ready' END"
    )


def _extend_offers() -> None:
    for column in (
        sa.Column("talking_at", TIME),
        sa.Column("talked_until", TIME),
        sa.Column("talk_end", sa.Text),
        sa.Column("held_seconds", sa.Double, nullable=False, server_default=sa.text("0")),
        sa.Column("recording", sa.Text),
        sa.Column("recording_seconds", sa.Double),
        sa.Column("wrapped_up_at", TIME),
        sa.Column("disposition", sa.Text),
    ):
        op.add_column("offers", column)
    op.create_index("offers_offered_at", "offers", ["offered_at"])
    _tell_offers_of_their_conversations()


def _tell_offers_of_their_conversations() -> None:
    """Until now a call had one conversation, and only the call's row knew of it."""
    # Of an answered call, the reason is a word for the end of its conversation too.
    end = "CASE outcome WHEN 'answered' THEN reason ELSE 'failed' END"
    told = {
        "talking_at": "talking_at",
        "talk_end": end,
        "recording": "recording",
        "recording_seconds": "recording_seconds",
    }
    columns = ", ".join(
        f"{column} = (SELECT {value} FROM calls WHERE calls.call_id = offers.call_id)"
        for column, value in told.items()
    )
    op.execute(
        f"UPDATE offers SET talked_until = ended_at, {columns} WHERE offers.result = 'answered'"
    )


def _create_incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("incident_id", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("offer_id", sa.Text, nullable=False),
        sa.Column("happened_at", TIME, nullable=False),
        sa.Column("rang_seconds", sa.Double),
        sa.Column("spoke_seconds_before", sa.Double),
        sa.Column("recording", sa.Text),
        sa.Column("offset_seconds", sa.Double),
        sa.Column("review", sa.Text, nullable=False),
        sa.Column("reviewer", sa.Text),
        sa.Column("note", sa.Text),
        sa.Column("reviewed_at", TIME),
    )
    op.create_index("incidents_happened_at", "incidents", ["happened_at"])
    op.create_index("incidents_agent", "incidents", ["agent", "happened_at"])
    op.create_index("incidents_review", "incidents", ["review", "happened_at"])


def _create_flags_and_supervisions() -> None:
    op.create_table(
        "flags",
        sa.Column("flag_id", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("offer_id", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("raised_at", TIME, nullable=False),
        sa.Column("taken_by", sa.Text),
        sa.Column("taken_at", TIME),
        sa.Column("helped_at", TIME),
        sa.Column("ended_at", TIME),
        sa.Column("result", sa.Text),
    )
    op.create_index("flags_raised_at", "flags", ["raised_at"])
    _create_partial_index("flags_open", "flags", ["node"], "result IS NULL")
    op.create_table(
        "supervisions",
        sa.Column("supervision_id", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("offer_id", sa.Text, nullable=False),
        sa.Column("supervisor", sa.Text, nullable=False),
        sa.Column("ordered_by", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.Column("flag_id", sa.Text),
    )
    op.create_index("supervisions_call_id", "supervisions", ["call_id"])
    _create_partial_index("supervisions_open", "supervisions", ["node"], "ended_at IS NULL")


def _create_tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("token_id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("extension", sa.Text),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME),
    )
    op.create_index("tokens_digest", "tokens", ["digest"], unique=True)
    _create_partial_index("tokens_name", "tokens", ["name"], "revoked_at IS NULL", unique=True)


def _create_partial_index(
    name: str, table: str, columns: list[str], condition: str, unique: bool = False
) -> None:
    op.create_index(
        name,
        table,
        columns,
        unique=unique,
        sqlite_where=sa.text(condition),
        postgresql_where=sa.text(condition),
    )
