"""Reviews of conduct incidents: named, reasoned, and not undone by the program's late rows."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from pln_ivr.errors import EntryError, JournalError
from pln_ivr.journal import open_journal
from pln_ivr.journal.reviews import review_incident
from pln_ivr.outcomes import Review
from tests.unit.test_journal import QUICK, Log
from tests.unit.test_journal_migration import holding
from tests.unit.test_journal_questions import incident


async def test_an_incident_is_upheld_by_somebody(url: str) -> None:
    before = datetime.now(UTC)
    new = incident("i1")
    async with holding(url, new, incident("i2")) as read:
        done = review_incident(url, "i1", Review.UPHELD, reviewer=" Dewi ")
        assert read.incident("i1") == done
        assert read.incident("i2") == incident("i2")
    assert done.reviewed_at is not None
    assert before <= done.reviewed_at <= datetime.now(UTC)
    assert done == dataclasses.replace(
        new,
        sequence=done.sequence,
        review=Review.UPHELD,
        reviewer="Dewi",
        reviewed_at=done.reviewed_at,
    )


async def test_a_dismissal_says_why(url: str) -> None:
    async with holding(url, incident("i1")) as read:
        for note in ("", "  "):
            with pytest.raises(EntryError, match="a dismissal needs a note"):
                review_incident(url, "i1", Review.DISMISSED, reviewer="Dewi", note=note)
        assert read.incident("i1") == incident("i1")
        review_incident(url, "i1", Review.DISMISSED, reviewer="Dewi", note="fire alarm")
        done = read.incident("i1")
        assert done is not None
        assert (done.review, done.note) == (Review.DISMISSED, "fire alarm")


async def test_a_review_has_a_reviewer_and_a_verdict(url: str) -> None:
    async with holding(url, incident("i1")) as read:
        for nobody in (" ", "De\nwi", "\x1b[2J"):
            with pytest.raises(EntryError, match="needs the name of its reviewer"):
                review_incident(url, "i1", Review.UPHELD, reviewer=nobody)
        with pytest.raises(EntryError, match="upholds or dismisses"):
            review_incident(url, "i1", Review.NEW, reviewer="Dewi")
        assert read.incident("i1") == incident("i1")


async def test_a_reviewed_incident_is_reviewed_again_only_if_one_says_so(url: str) -> None:
    async with holding(url, incident("i1")) as read:
        first = review_incident(url, "i1", Review.UPHELD, reviewer="Dewi", note="heard it")
        with pytest.raises(EntryError, match=r"i1 was upheld by Dewi on \d{4}-.*--again"):
            review_incident(url, "i1", Review.DISMISSED, reviewer="Joko", note="no")
        assert read.incident("i1") == first
        second = review_incident(
            url, "i1", Review.DISMISSED, reviewer="Joko", note="another voice", again=True
        )
        assert read.incident("i1") == second
        assert (second.review, second.reviewer) == (Review.DISMISSED, "Joko")


async def test_an_unknown_incident_is_one_line(url: str) -> None:
    async with holding(url, incident("i1")):
        with pytest.raises(EntryError, match="there is no incident i9; pln-ivr conduct list"):
            review_incident(url, "i9", Review.UPHELD, reviewer="Dewi")


async def test_rows_that_the_program_writes_late_do_not_undo_a_review(url: str) -> None:
    async with open_journal(url, log=Log(), limits=QUICK) as journal:
        journal.write(incident("i1"))
        assert await journal.stored(10.0)
        done = review_incident(url, "i1", Review.UPHELD, reviewer="Dewi")
        for sequence in (1, 2, 3):
            journal.write(incident("i1", sequence=sequence))
        assert await journal.stored(10.0)
        journal.write(done)  # the same version again
    async with holding(url) as read:
        assert read.incident("i1") == done


def test_without_a_journal_there_is_nothing_to_review(url: str) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        review_incident(url, "i1", Review.UPHELD, reviewer="Dewi")
