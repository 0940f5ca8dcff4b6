"""The databases that the journal is tested on: a file of SQLite, and a real PostgreSQL.

PostgreSQL is Debian's, from the machine or unpacked into .cache/tools by tests/tools.
It runs as nobody, on a socket in a folder of its own; each test has a database of its own in it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import uuid_utils
from sqlalchemy.engine import Connection

from pln_ivr.journal import schema

UNPACKED = Path(__file__).resolve().parents[1] / ".cache/tools"
USER = "nobody"  # PostgreSQL refuses to run as root
START_SECONDS = 30.0
KINDS = ("sqlite", "postgresql")


@dataclass(frozen=True, slots=True)
class Database:
    """One that a test can do to what happens to databases."""

    url: str

    @property
    def kind(self) -> str:
        """One of KINDS."""
        return schema.parse_url(self.url).get_backend_name()

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A transaction of somebody else."""
        engine = schema.create_engine(schema.parse_url(self.url))
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    def execute(self, statement: str, *rows: Sequence[Any]) -> None:
        """Execute for each row; ? stands for a value, times may be among them."""
        with self.connected() as connection:
            for row in rows or [()]:
                connection.exec_driver_sql(self._marked(statement), tuple(map(self._value, row)))

    def _marked(self, statement: str) -> str:
        return statement if self.kind == "sqlite" else statement.replace("?", "%s")

    def _value(self, value: Any) -> Any:
        if isinstance(value, datetime) and self.kind == "sqlite":
            return value.strftime("%Y-%m-%d %H:%M:%S.%f")
        return value

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with self.connected() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]

    def tables(self) -> set[str]:
        """The names of all tables."""
        with self.connected() as connection:
            return set(sa.inspect(connection).get_table_names())

    def columns(self, table: str) -> dict[str, str]:
        """A table's columns and their types."""
        with self.connected() as connection:
            columns = sa.inspect(connection).get_columns(table)
        return {column["name"]: str(column["type"]) for column in columns}

    def indices(self, table: str) -> set[str]:
        """The names of a table's indices."""
        with self.connected() as connection:
            return {str(index["name"]) for index in sa.inspect(connection).get_indexes(table)}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else can write meanwhile."""
        if self.kind == "sqlite":
            other = sqlite3.connect(
                self.url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False
            )
            other.execute("BEGIN EXCLUSIVE")
            try:
                yield
            finally:
                other.close()
            return
        with self.connected() as connection:
            names = ", ".join(sa.inspect(connection).get_table_names())
            connection.exec_driver_sql(f"LOCK TABLE {names} IN EXCLUSIVE MODE")
            yield


def sqlite_in(folder: Path) -> Database:
    """A file of its own."""
    return Database(f"sqlite:///{folder}/journal.db")


class Server:
    """A PostgreSQL that a test can stop and start."""

    def __init__(self, folder: Path, programs: Path, fsync: bool) -> None:
        self._fsync = "on" if fsync else "off"
        self._folder = folder
        self._data = folder / "data"
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Make its files."""
        self._folder.chmod(0o711)
        self._data.mkdir()
        shutil.chown(self._data, USER)
        (self._folder / "socket").mkdir()
        shutil.chown(self._folder / "socket", USER)
        self._run("initdb", "-D", self._data, "-U", "pln", "-A", "trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        """Start, and wait until it answers. Raises TimeoutError."""
        arguments = [
            *("-D", self._data, "-k", self._folder / "socket", "-h", ""),
            *(
                "-c",
                f"fsync={self._fsync}",
                "-c",
                "shared_buffers=16MB",
                "-c",
                "max_connections=40",
            ),
        ]
        log = self._folder / "log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command("postgres", *arguments),
                stdout=out,
                stderr=out,
                user=USER,
                group="nogroup",
                extra_groups=[],
                cwd="/",
                env=self._environment(),
            )
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > until or self._process.poll() is not None:
                raise TimeoutError(f"PostgreSQL did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop at once, as in a crash: whoever is connected is cut off. Idempotent."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(START_SECONDS)
            self._process = None

    def database(self, options: str = "") -> Database:
        """A new, empty one."""
        name = f"journal_{uuid_utils.uuid7().hex}"
        with self._admin() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} {options}")
        return Database(self._url(name))

    def drop(self, database: Database) -> None:
        """Remove it, whoever is still in it."""
        name = schema.parse_url(database.url).database
        with self._admin() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _url(self, name: str) -> str:
        return f"postgresql://pln@/{name}?host={self._folder / 'socket'}"

    @contextmanager
    def _admin(self) -> Iterator[Connection]:
        engine = sa.create_engine(
            schema.parse_url(self._url("postgres")), isolation_level="AUTOCOMMIT"
        )
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    def _answers(self) -> bool:
        with suppress(sa.exc.OperationalError), self._admin() as connection:
            connection.exec_driver_sql("SELECT 1")
            return True
        return False

    def _command(self, program: str, *arguments: object) -> list[str]:
        return [str(self._programs / program), *map(str, arguments)]

    def _environment(self) -> dict[str, str]:
        libraries = [str(path) for path in (UNPACKED / "usr/lib").glob("*-linux-gnu*")]
        return {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "TZ": "Asia/Jakarta",  # on purpose not UTC: the journal's times must not depend on it
            "LD_LIBRARY_PATH": ":".join(libraries),
        }

    def _run(self, program: str, *arguments: object) -> None:
        done = subprocess.run(
            self._command(program, *arguments),
            capture_output=True,
            text=True,
            user=USER,
            group="nogroup",
            extra_groups=[],
            cwd="/",
            env=self._environment(),
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stderr}")


@contextmanager
def postgresql(fsync: bool = False) -> Iterator[Server]:
    """A server of its own, running; with `fsync` it is as safe as a real one, and as slow."""
    with tempfile.TemporaryDirectory(prefix="pln-ivr-postgresql-") as folder:
        server = Server(Path(folder), _programs(), fsync)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _programs() -> Path:
    """Where PostgreSQL's programs are; the newest, if there are several versions."""
    roots = (Path("/"), UNPACKED)
    found = [path for root in roots for path in root.glob("usr/lib/postgresql/*/bin/initdb")]
    if not found:
        raise FileNotFoundError("there is no PostgreSQL; tests/run unpacks it")
    return max(found, key=lambda path: int(path.parts[-3])).parent
