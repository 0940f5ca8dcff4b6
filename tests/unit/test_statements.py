"""A statement's life in the journal: who may do what, and what of it is live."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from pln_ivr.errors import EntryError, JournalError
from pln_ivr.journal import HearingRow, schema, tables
from pln_ivr.journal.statements import (
    MOST_LIVE,
    NOBODY,
    StatementRow,
    Statements,
    approve_statement,
    expire_statements,
    publish_statement,
    renew_statement,
    withdraw_statement,
)
from pln_ivr.outcomes import Stage, StatementStatus
from tests.databases import Database
from tests.unit.pronouncing import AUDIO, approved, drafted, live, prepare

HOUR = timedelta(hours=1)


@pytest.fixture
def url(database: Database) -> str:
    return prepare(database.url)


def now() -> datetime:
    return datetime.now(UTC)


def one(url: str, version: int) -> StatementRow:
    with Statements(url) as statements:
        return statements.one(version, now())


def live_versions(url: str, at: datetime | None = None) -> list[int]:
    with Statements(url) as statements:
        return [row.version for row in statements.live(at or now())]


def expire(url: str, version: int) -> None:
    """Its time is over."""
    engine = schema.create_engine(schema.parse_url(url))
    with engine.begin() as connection:
        connection.execute(
            sa.update(tables.statements)
            .where(tables.statements.c.version == version)
            .values(expires_at=now() - HOUR)
        )
    engine.dispose()


def test_from_the_draft_to_the_end(url: str) -> None:
    version = drafted(url, areas=("Bandung", "Garut"))
    assert (version, live_versions(url)) == (1, [])
    assert approve_statement(url, version, "Budi").status is StatementStatus.APPROVED
    assert live_versions(url) == []
    publish_statement(url, version, "Siti")
    assert live_versions(url) == [version]
    until = now() + 3 * HOUR
    renew_statement(url, version, until, "Rina")
    withdraw_statement(url, version, "Budi", "listrik sudah menyala")
    row = one(url, version)
    assert live_versions(url) == []
    assert (row.status, row.areas) == (StatementStatus.WITHDRAWN, ("Bandung", "Garut"))
    assert (row.drafted_by, row.approved_by, row.live_by) == ("Rina", "Budi", "Siti")
    assert (row.renewed_by, row.expires_at) == ("Rina", until)
    assert (row.ended_by, row.note) == ("Budi", "listrik sudah menyala")
    times = [row.drafted_at, row.approved_at, row.live_at, row.renewed_at, row.ended_at]
    assert times == sorted(times, key=lambda at: at.timestamp() if at else -1.0)


@pytest.mark.parametrize("who", ["Rina", "rina", " RINA ", "R i n a"])
def test_nobody_approves_their_own_draft(url: str, who: str) -> None:
    version = drafted(url)
    with pytest.raises(EntryError, match="was drafted by Rina; somebody else must approve it"):
        approve_statement(url, version, who)
    assert one(url, version).status is StatementStatus.DRAFT


STEPS: dict[str, Callable[[str, int, str], StatementRow]] = {
    "approve": approve_statement,
    "publish": publish_statement,
    "withdraw": withdraw_statement,
    "renew": lambda url, version, by: renew_statement(url, version, now() + HOUR, by),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("who", ["", "  ", "a\nb"])
def test_every_step_is_taken_in_somebodys_name(url: str, step: str, who: str) -> None:
    version = live(url) if step in ("withdraw", "renew") else drafted(url)
    before = one(url, version)
    with pytest.raises(EntryError, match="say who you are"):
        STEPS[step](url, version, who)
    assert one(url, version) == before


@pytest.mark.parametrize("step", STEPS)
def test_what_is_not_there_is_named(url: str, step: str) -> None:
    with pytest.raises(EntryError, match="there is no statement 7"):
        STEPS[step](url, 7, "Budi")


def test_a_draft_is_not_published_and_what_is_over_stays_so(url: str) -> None:
    version = drafted(url)
    with pytest.raises(EntryError, match="is draft, and must be approved for that"):
        publish_statement(url, version, "Budi")
    with pytest.raises(EntryError, match="is draft, and must be live for that"):
        renew_statement(url, version, now() + HOUR, "Budi")
    withdraw_statement(url, version, "Rina")
    for step in STEPS.values():
        with pytest.raises(EntryError, match="is withdrawn, and must be"):
            step(url, version, "Budi")


def test_what_nobody_renews_is_over_by_itself(url: str) -> None:
    version = live(url)
    assert live_versions(url, now() + 3 * HOUR) == []
    expire(url, version)
    assert live_versions(url) == []
    row = one(url, version)
    assert (row.status, row.ended_by) == (StatementStatus.EXPIRED, NOBODY)
    assert row.ended_at == row.expires_at
    with pytest.raises(EntryError, match="is expired, and must be live"):
        renew_statement(url, version, now() + HOUR, "Budi")
    assert expire_statements(url, now()) == [version]
    assert expire_statements(url, now()) == []
    assert one(url, version).status is StatementStatus.EXPIRED


def test_what_would_be_over_is_neither_published_nor_renewed(url: str) -> None:
    version = approved(url)
    expire(url, version)
    with pytest.raises(EntryError, match="would be over already"):
        publish_statement(url, version, "Budi")
    running = live(url)
    with pytest.raises(EntryError, match="a time that is past"):
        renew_statement(url, running, now() - HOUR, "Budi")


@pytest.mark.parametrize(
    ("old", "new", "replaced"),
    [
        ((), (), True),
        (("Bandung",), (), True),
        (("Bandung",), ("Garut", "Bandung"), True),
        (("Bandung", "Garut"), ("Bandung",), False),
        ((), ("Bandung",), False),
        (("Garut",), ("Bandung",), False),
    ],
)
def test_a_newer_one_replaces_what_it_covers(
    url: str, old: tuple[str, ...], new: tuple[str, ...], replaced: bool
) -> None:
    first = live(url, areas=old)
    second = live(url, areas=new)
    assert live_versions(url) == ([second] if replaced else [first, second])
    if replaced:
        row = one(url, first)
        assert (row.status, row.note) == (StatementStatus.WITHDRAWN, f"replaced by {second}")


def test_callers_are_not_told_more_than_they_can_listen_to(url: str) -> None:
    versions = [live(url, areas=(f"Kota {n}",)) for n in range(MOST_LIVE)]
    late = approved(url, areas=("Bandung",))
    with pytest.raises(EntryError, match=f"{MOST_LIVE} statements are live"):
        publish_statement(url, late, "Budi")
    assert live_versions(url) == versions
    everywhere = live(url)
    assert live_versions(url) == [everywhere], "covers them all"


def test_the_audio_is_that_of_the_draft(url: str) -> None:
    version = drafted(url, audio=AUDIO + b"\x55")
    with Statements(url) as statements:
        assert statements.audio(version) == AUDIO + b"\x55"
        with pytest.raises(EntryError, match="there is no statement 9"):
            statements.audio(9)


def test_the_newest_first(url: str) -> None:
    versions = [drafted(url) for _ in range(3)]
    with Statements(url) as statements:
        assert [row.version for row in statements.last(2, now())] == versions[:0:-1]


def test_how_many_callers_heard_it(url: str) -> None:
    version = live(url)
    engine = schema.create_engine(schema.parse_url(url))
    heard = [("c1", True), ("c1", False), ("c2", False), ("c3", True)]
    with engine.begin() as connection:
        for number, (call, whole) in enumerate(heard):
            row = HearingRow(
                hearing_id=f"h{number}",
                sequence=1,
                node="pln-1",
                call_id=call,
                version=version,
                stage=Stage.WAITING,
                began_at=now(),
                whole=whole,
            )
            connection.execute(sa.insert(tables.hearings), tables.values_of(row))
    engine.dispose()
    with Statements(url) as statements:
        assert statements.heard(version) == (3, 2)
        assert statements.heard(version + 1) == (0, 0)
        told = [(row.call_id, row.whole, row.stage) for row in statements.hearings(version)]
        assert told == [(call, whole, Stage.WAITING) for call, whole in heard]


def test_without_a_journal_it_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal at"):
        Statements(f"sqlite:///{tmp_path}/none.db")


AREAS = st.sets(st.sampled_from(["Bandung", "Garut", "Cimahi", "Depok"]), max_size=3)


def test_drafts_at_the_same_moment_are_versions_of_their_own(url: str) -> None:
    with ThreadPoolExecutor(6) as people:
        made = list(people.map(lambda n: drafted(url, drafted_by=f"Rina {n}"), range(12)))
    assert sorted(made) == list(range(1, 13))


PEOPLE = st.sampled_from(["Rina", "Budi", "Siti"])
ORDERS = st.tuples(st.sampled_from(["draft", *STEPS]), st.integers(1, 6), PEOPLE, AREAS)


@settings(max_examples=30, deadline=None)
@given(orders=st.lists(ORDERS, max_size=25))
def test_whatever_is_ordered_what_is_live_was_approved_by_somebody_else(
    tmp_path_factory: pytest.TempPathFactory,
    orders: list[tuple[str, int, str, set[str]]],
) -> None:
    url = prepare(f"sqlite:///{tmp_path_factory.mktemp('journal')}/journal.db")
    for order, version, who, areas in orders:
        try:
            if order == "draft":
                drafted(url, drafted_by=who, areas=tuple(sorted(areas)))
            else:
                STEPS[order](url, version, who)
        except EntryError:
            continue
        with Statements(url) as statements:
            heard = statements.live(now())
        assert len(heard) <= MOST_LIVE
        assert all(row.approved_by and row.approved_by != row.drafted_by for row in heard)
        assert all(row.live_by for row in heard)
        for row in heard:
            assert not [
                other for other in heard if other.version > row.version and other.covers(row)
            ]
