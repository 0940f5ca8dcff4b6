"""Databases for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import KINDS, Database, Server, postgresql, sqlite_in


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL for all tests of this process."""
    with postgresql() as running:
        yield running


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database; the test runs once on each kind."""
    if request.param == "sqlite":
        yield sqlite_in(tmp_path)
        return
    server: Server = request.getfixturevalue("server")
    made = server.database()
    yield made
    server.drop(made)


@pytest.fixture
def url(database: Database) -> str:
    """The journal's URL in it."""
    return database.url
