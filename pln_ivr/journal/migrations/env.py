"""Alembic's entry point. It is run by ``schema.upgrade``, which hands over its connection.

Everything happens in the caller's transaction: a migration that fails leaves the
database as it was.
"""

from __future__ import annotations

from alembic import context

from pln_ivr.journal.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter most things in place
)
with context.begin_transaction():
    context.run_migrations()
