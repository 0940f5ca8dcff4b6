"""How the journal's database is opened and brought up to date.

SQLite and PostgreSQL are served by the same code. `tables` has the tables.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, Engine, make_url

from pln_ivr.errors import JournalError

MIGRATIONS = Path(__file__).parent / "migrations"
EXAMPLE = "sqlite:////var/lib/pln_ivr/journal.db"
GONE_SECONDS = 10
"""A server that is not heard of for so long is away."""
CHANGES = 0x504C4E
"""PostgreSQL's advisory lock for migrations and changes by hand: any number, always the same."""
VERSIONS = sa.table("alembic_version", sa.column("version_num", sa.Text))


def parse_url(url: str) -> URL:
    """Read ``journal.url``. Raises JournalError when it is none that the journal can use."""
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (sa.exc.ArgumentError, ValueError):
        # The text may hold a password: it is not repeated.
        raise JournalError(f"journal.url: not a database URL; write e.g. {EXAMPLE}") from None
    if backend not in ("sqlite", "postgresql"):
        raise JournalError(
            f"journal.url: {backend} is not supported; write a sqlite: or postgresql: URL"
        )
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise JournalError(
            f"journal.url: a database in memory forgets everything; name a file, e.g. {EXAMPLE}"
        )
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


def create_engine(
    url: URL,
    *,
    lock_seconds: float = 5.0,
    read_only: bool = False,
    answer_seconds: float | None = None,
) -> Engine:
    """An engine with the journal's settings; connects only when it is used.

    ``lock_seconds`` is how long to wait for another writer, and for PostgreSQL's connection
    (2 s at least); ``answer_seconds`` how long PostgreSQL may take for one statement. Raises
    JournalError when the database's driver is not installed.
    """
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite and read_only:
        path = Path(str(url.database)).absolute()
        url = url.set(database=f"file:{_uri_path(path)}", query={"mode": "ro", "uri": "true"})
    connect_args = (
        {"timeout": lock_seconds}
        if is_sqlite
        else _postgresql_arguments(lock_seconds, read_only, answer_seconds)
    )
    try:
        # hide_parameters: an error's text goes to the log, callers' numbers must not.
        # pool_pre_ping: a connection from before the server's restart is not used again.
        engine = sa.create_engine(
            url, connect_args=connect_args, hide_parameters=True, pool_pre_ping=not is_sqlite
        )
    except (ImportError, sa.exc.NoSuchModuleError) as error:
        raise JournalError(
            f"journal.url: the driver for {url.drivername} is not installed ({error}); "
            "for PostgreSQL: pip install 'psycopg[binary]'"
        ) from None
    if is_sqlite:
        _prepare_sqlite(engine, read_only)
    return engine


def _postgresql_arguments(
    lock_seconds: float, read_only: bool, answer_seconds: float | None
) -> dict[str, Any]:
    """What libpq is to be told. A server that has vanished without a word is noticed in time."""
    options = [f"-c lock_timeout={round(lock_seconds * 1000)}"]
    if answer_seconds is not None:
        options.append(f"-c statement_timeout={round(answer_seconds * 1000)}")
    if read_only:
        options.append("-c default_transaction_read_only=on")
    return {
        "connect_timeout": max(2, round(lock_seconds)),
        "application_name": "pln_ivr",
        # A server without an encoding (SQL_ASCII) keeps the bytes, and says nothing of them.
        "client_encoding": "UTF8",
        "tcp_user_timeout": GONE_SECONDS * 1000,
        "keepalives_idle": GONE_SECONDS,
        "options": " ".join(options),
    }


def lock_changes(connection: Connection) -> None:
    """One at a time: what SQLite does at every beginning of a transaction that writes."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(CHANGES)))


def _uri_path(path: Path) -> str:
    return path.as_uri().removeprefix("file://")


def _prepare_sqlite(engine: Engine, read_only: bool) -> None:
    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        # Python's driver would begin transactions late and leave DDL outside of them.
        connection.isolation_level = None
        if read_only:
            return
        connection.execute("PRAGMA journal_mode=WAL")
        # A commit every 0.2 s can afford an fsync: nothing is lost in a power cut.
        connection.execute("PRAGMA synchronous=FULL")

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        # IMMEDIATE waits for another writer at the start, not half-way through.
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def upgrade(engine: Engine) -> None:
    """Create or migrate the database to this version, in one transaction.

    Raises JournalError when it cannot be opened or written, or belongs to a newer version.
    """
    name = engine.url.render_as_string(hide_password=True)
    _check_folder(engine.url)
    try:
        with engine.begin() as connection:
            lock_changes(connection)
            if check_version(connection, may_be_older=True) != max(_known()):
                # Alembic takes an eighth of a start to import: only who needs it pays for it.
                from pln_ivr.journal.migrating import migrate

                migrate(connection)
    except sa.exc.DBAPIError as error:
        raise JournalError(
            f"journal.url: cannot open {name} for writing: {first_line(error)}; "
            "check the path or server, its permissions, and that nothing else holds it"
        ) from error


def check_version(connection: Connection, *, may_be_older: bool = False) -> str | None:
    """The database's version; None if it has none yet. Raises JournalError when it was made by
    a newer version of pln_ivr or, unless it may be, by an older one or by none."""
    found = _version(connection)
    known = _known()
    name = connection.engine.url.render_as_string(hide_password=True)
    if found is not None and found not in known:
        raise JournalError(
            f"journal.url: {name} belongs to a newer pln_ivr (schema {found});"
            " install that version again or name another database"
        )
    if not may_be_older and found is None:
        raise JournalError(
            f"journal.url: there is no journal in {name} yet; pln-ivr serve creates it,"
            " or name the right database"
        )
    if not may_be_older and found != max(known):
        raise JournalError(
            f"journal.url: {name} belongs to an older pln_ivr; pln-ivr serve brings it up to date"
        )
    return found


def _version(connection: Connection) -> str | None:
    """What Alembic has written down: one row, as the migrations are one line without forks."""
    if not sa.inspect(connection).has_table(VERSIONS.name):
        return None
    return connection.execute(sa.select(VERSIONS.c.version_num)).scalar()


@cache
def _known() -> frozenset[str]:
    """The migrations of this version, by their files: r0001_first.py is 0001. They are asked for
    whenever a journal is opened, and do not change."""
    return frozenset(file.name[1:5] for file in (MIGRATIONS / "versions").glob("r[0-9]*.py"))


def first_line(error: sa.exc.DBAPIError) -> str:
    """The driver's own words, one line, without the statement."""
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__


def _check_folder(url: URL) -> None:
    """SQLite says only "unable to open database file"; say which folder is meant."""
    if url.get_backend_name() != "sqlite":
        return
    folder = Path(str(url.database)).absolute().parent
    if not folder.is_dir():
        raise JournalError(f"journal.url: {folder} is not a folder; create it or name another file")


def upsert(table: sa.Table, dialect: str) -> sa.Insert:
    """An insert that replaces a row of the same id, if that is older by its sequence."""
    (key,) = table.primary_key.columns
    insert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return insert.on_conflict_do_update(
        index_elements=[key],
        set_={c.name: insert.excluded[c.name] for c in table.columns if c is not key},
        where=insert.excluded.sequence > table.c.sequence,
    )
