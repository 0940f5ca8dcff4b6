"""Databases for all tests, and the order of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import KINDS, Database, Server, postgresql, sqlite_in

WITH_PHONES = ("docker", "asterisk", "hardening", "monitoring")
"""Folders whose tests take half a minute each or more, most of it waiting; the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long ones, so that at the end nobody waits for the last of them; the others
    keep their order."""
    rank = {name: number for number, name in enumerate(WITH_PHONES)}
    items.sort(key=lambda item: rank.get(item.path.parent.name, len(rank)))


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
