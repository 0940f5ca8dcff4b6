"""Migrations, by Alembic: imported only where a database is not up to date."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection

from pln_ivr.journal.schema import MIGRATIONS


def migrate(connection: Connection, version: str = "head") -> None:
    """Bring the database to a version, by default this program's, in the connection's
    transaction. Raises DBAPIError."""
    config = Config()
    # Config is a ConfigParser underneath: a percent sign in the path must be doubled.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, version)
