"""Recordings with their proof, and which wording of the notice a caller heard."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

TIME = sa.DateTime(timezone=True)

# Of a WAV file of two channels of 16 bits at 8 kHz.
WAV_BYTES = "CAST(ROUND(recording_seconds * 8000) AS BIGINT) * 4 + 44"


def upgrade() -> None:
    op.add_column("calls", sa.Column("notice_version", sa.Text))
    _create_recordings()
    _tell_of_recordings_filed_before()
    _take_off_the_form()


def _create_recordings() -> None:
    op.create_table(
        "recordings",
        sa.Column("recording_id", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("offer_id", sa.Text),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("began_at", TIME, nullable=False),
        sa.Column("filed_at", TIME, nullable=False),
        sa.Column("codec", sa.Text, nullable=False),
        sa.Column("uri", sa.Text, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("ended_at", TIME),
        sa.Column("talk_seconds", sa.Double),
        sa.Column("notice_version", sa.Text),
        sa.Column("notice_heard_at", TIME),
        sa.Column("sha256", sa.Text),
        sa.Column("key_id", sa.Text),
        sa.Column("customer_seconds", sa.Double),
        sa.Column("agent_seconds", sa.Double),
        sa.Column("faults", sa.Text, nullable=False, server_default=""),
        sa.Column("held_at", TIME),
        sa.Column("held_by", sa.Text),
        sa.Column("hold_reason", sa.Text),
        sa.Column("deleted_at", TIME),
        sa.Column("deleted_by", sa.Text),
        sa.Column("delete_reason", sa.Text),
    )
    op.create_index("recordings_began_at", "recordings", ["began_at"])
    op.create_index("recordings_call_id", "recordings", ["call_id"])
    op.create_index("recordings_agent", "recordings", ["agent", "began_at"])


def _tell_of_recordings_filed_before() -> None:
    """Until now there was a WAV file for each, without proof. Its name ends with the offer's id,
    or with the 36 characters that the dialplan chose where Asterisk served alone."""
    columns = (
        "recording_id, sequence, node, call_id, offer_id, queue, agent, began_at, ended_at,"
        " filed_at, codec, uri, bytes, seconds"
    )
    filed = "recording IS NOT NULL AND recording_seconds IS NOT NULL AND talking_at IS NOT NULL"
    op.execute(
        f"INSERT INTO recordings ({columns}) SELECT offer_id, 1, node, call_id, offer_id, queue,"
        " agent, talking_at, talked_until, COALESCE(talked_until, talking_at), 'wav', recording,"
        f" {WAV_BYTES}, recording_seconds FROM offers WHERE {filed}"
    )
    op.execute(
        f"INSERT INTO recordings ({columns})"
        " SELECT substr(recording, length(recording) - 39, 36), 1, node, call_id, NULL,"
        " COALESCE(queue, ''), COALESCE(agent, ''), talking_at, ended_at,"
        f" COALESCE(ended_at, talking_at), 'wav', recording, {WAV_BYTES}, recording_seconds"
        f" FROM calls WHERE {filed} AND fallback"
    )


def _take_off_the_form() -> None:
    """Who refers to a recording says which one, not in which form it was filed."""
    for table in ("calls", "offers", "incidents"):
        op.execute(
            f"UPDATE {table} SET recording = substr(recording, 1, length(recording) - 4)"
            " WHERE recording LIKE '%.wav'"
        )
