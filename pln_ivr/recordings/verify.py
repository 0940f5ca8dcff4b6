"""Reconciliation: does each conversation have its file, each file its conversation, unaltered?

What the journal says is compared with what lies in the archive. `compare` decides, `verify`
does the looking. Blocking; nothing is changed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from pln_ivr.errors import RecordingError
from pln_ivr.journal import CallRow, JournalReader, OfferRow, RecordingRow
from pln_ivr.recordings.manifest import SUFFIX, from_json, manifest_key
from pln_ivr.recordings.names import id_of, is_name, name_of
from pln_ivr.recordings.store import Store, key_of

FILED_WITHIN = timedelta(hours=1)
"""A recording that has waited in the spool for longer counts as missing from the archive."""

NEIGHBOURS = timedelta(days=2)
"""A file lies in the folder of its offer's day; its conversation may have begun on the next."""


class Finding(StrEnum):
    """What may not be. All of them are 0 on a healthy day."""

    MISSING = "missing"  # a conversation without file
    STRAY = "stray"  # a file without conversation
    ALTERED = "altered"  # a file that is not what was filed


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that may not be."""

    what: Finding
    recording: str
    text: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """One conversation that is over. `name` is empty if by policy it was not recorded."""

    name: str
    call_id: str
    agent: str
    ended_at: datetime


@dataclass(slots=True)
class Account:
    """The account of a period. `conversations` is the sum of `filed`, `waiting`, `unrecorded`,
    `deleted` and those found missing."""

    conversations: int = 0
    filed: int = 0
    waiting: int = 0
    """In the spool, for less than FILED_WITHIN."""
    unrecorded: int = 0
    """By policy: see recordings.when_unconfirmed and disk.reserve_mb."""
    deleted: int = 0
    unproven: int = 0
    """Of those filed: by an earlier version, without a hash."""
    faults: Counter[str] = field(default_factory=Counter)
    """Of those filed: what a person should listen to, by RecordingFault."""
    found: list[Found] = field(default_factory=list)

    def count(self, what: Finding) -> int:
        """How many of this kind were found."""
        return sum(one.what is what for one in self.found)

    @property
    def healthy(self) -> bool:
        """Nothing was found that may not be."""
        return not self.found


def spoken(offers: Iterable[OfferRow], calls: Iterable[CallRow]) -> list[Spoken]:
    """The conversations of the journal: agents' parts, and calls that Asterisk served alone."""
    made = [
        Spoken(name_of(row.recording or ""), row.call_id, row.agent, row.talked_until)
        for row in offers
        if row.talked_until
    ]
    made += [
        Spoken(name_of(row.recording or ""), row.call_id, row.agent or "", row.ended_at)
        for row in calls
        if row.ended_at
    ]
    return made


def compare(
    conversations: Iterable[Spoken],
    rows: Mapping[str, RecordingRow],
    there: Mapping[str, int],
    spool: Collection[str],
    now: datetime,
) -> Account:
    """Journal against archive. Pure: `rows` are the period's by recording id, `there` the
    archive's files with their lengths, `spool` the names in the spool."""
    account = Account()
    known: set[str] = set()
    for talk in conversations:
        account.conversations += 1
        row = rows.get(id_of(talk.name)) if talk.name else None
        if row:
            known.add(row.recording_id)
            _add_filed(account, row, there)
        elif not talk.name:
            account.unrecorded += 1
        elif talk.name in spool and now - talk.ended_at < FILED_WITHIN:
            account.waiting += 1
        else:
            where = "still in the spool" if talk.name in spool else "neither filed nor in the spool"
            account.found.append(Found(Finding.MISSING, talk.name, where))
    for row in rows.values():
        if row.recording_id not in known and not row.deleted_at:
            text = "the journal has no conversation for it"
            account.found.append(Found(Finding.STRAY, name_of(row.uri), text))
    return account


def _add_filed(account: Account, row: RecordingRow, there: Mapping[str, int]) -> None:
    name, length = name_of(row.uri), there.get(key_of(row.uri))
    if row.deleted_at:
        account.deleted += 1
        if length is not None:
            text = f"was deleted by {row.deleted_by}, but is there"
            account.found.append(Found(Finding.STRAY, name, text))
    elif length is None:
        account.found.append(Found(Finding.MISSING, name, "filed, but the file is gone"))
    else:
        account.filed += 1
        account.unproven += row.sha256 is None
        account.faults.update(filter(None, row.faults.split(",")))
        if length != row.bytes:
            text = f"has {length} bytes, was filed with {row.bytes}"
            account.found.append(Found(Finding.ALTERED, name, text))


def why_altered(store: Store, row: RecordingRow) -> str:
    """What of a filed recording is not as it was filed: a line, empty if nothing. Raises
    RecordingError if the archive cannot be read."""
    if row.sha256 is None:
        return ""
    if hashlib.sha256(store.read(key_of(row.uri))).hexdigest() != row.sha256:
        return "its SHA-256 is another one than when it was filed"
    key = manifest_key(name_of(row.uri))
    if store.size(key) is None:
        return "its manifest is gone"
    try:
        manifest = from_json(store.read(key), key)
    except RecordingError:
        return "its manifest cannot be read"
    if manifest.row(row.node, row.sequence) != _as_filed(row):
        return "its manifest says something else than the journal"
    return ""


def _as_filed(row: RecordingRow) -> RecordingRow:
    """Without what came later: it is in the journal only."""
    return RecordingRow(
        **{
            name: getattr(row, name)
            for name in RecordingRow.__slots__
            if not name.startswith(("held_", "hold_", "deleted_", "delete_"))
        }
    )


@dataclass(frozen=True, slots=True)
class Places:
    """What is looked through."""

    journal_url: str
    spool: Path
    store: Store


def verify(
    places: Places,
    since: datetime,
    until: datetime,
    *,
    hashes: bool = True,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Account:
    """The account of the conversations that began from `since` to before `until`.

    With `hashes` each file is read; `progress` is told how many of how many. Raises
    JournalError and RecordingError. The program may be running meanwhile.
    """
    now = datetime.now(UTC)
    with JournalReader(places.journal_url) as reader:
        talks = spoken(
            reader.conversations_between(since, until),
            reader.fallback_conversations_between(since, until),
        )
        spool = names_in_spool(places.spool)
        wide = {
            row.recording_id: row
            for row in reader.recordings_between(since - NEIGHBOURS, until + NEIGHBOURS)
        }
        rows = {key: row for key, row in wide.items() if since <= row.began_at < until}
        for talk in talks:  # by whichever times: one that the journal has is not lost
            if talk.name and id_of(talk.name) in wide:
                rows[id_of(talk.name)] = wide[id_of(talk.name)]
        there = _listed(places.store, since, until)
        account = compare(talks, rows, there, spool, now)
        account.found = [one for one in account.found if _still(one, places, reader)]
        keys = {key_of(row.uri) for row in wide.values()}
        account.found += [
            Found(Finding.STRAY, key, "the journal does not know of it")
            for key in sorted(set(there) - keys)
            if _is_stray(places.store, key, since, until)
            and reader.recording(id_of(name_of(key))) is None
        ]
    if hashes:
        _check_hashes(account, places.store, rows.values(), there, progress)
    return account


def _check_hashes(
    account: Account,
    store: Store,
    rows: Collection[RecordingRow],
    there: Mapping[str, int],
    progress: Callable[[int, int], None],
) -> None:
    intact = [row for row in rows if there.get(key_of(row.uri)) == row.bytes and not row.deleted_at]
    for done, row in enumerate(intact):
        progress(done, len(intact))
        why = why_altered(store, row)
        if why:
            account.found.append(Found(Finding.ALTERED, name_of(row.uri), why))
    progress(len(intact), len(intact))


def names_in_spool(spool: Path) -> set[str]:
    """The recordings that Asterisk has written and nobody has filed yet."""
    names = (str(raw.relative_to(spool).with_suffix("")) for raw in spool.rglob("*.raw"))
    return {name for name in names if is_name(name)}


def _listed(store: Store, since: datetime, until: datetime) -> dict[str, int]:
    """The archive's sound files of all days that may have the period's."""
    found: dict[str, int] = {}
    day = (since - NEIGHBOURS).date()
    while day <= until.date():
        found |= {
            one.key: one.size
            for one in store.keys(f"{day:%Y/%m/%d}/")
            if not one.key.endswith(SUFFIX)
        }
        day += timedelta(days=1)
    return found


def _still(one: Found, places: Places, reader: JournalReader) -> bool:
    """Whether something is missing at a second look too: it may just have been filed."""
    if one.what is not Finding.MISSING:
        return True
    row = reader.recording(id_of(one.recording))
    return row is None or places.store.size(key_of(row.uri)) is None


def _is_stray(store: Store, key: str, since: datetime, until: datetime) -> bool:
    """Whether a file of which the journal does not know belongs to this period: by its manifest,
    or else by its folder."""
    manifest = manifest_key(name_of(key))
    try:
        began_at = from_json(store.read(manifest), manifest).began_at
    except RecordingError:
        return f"{since:%Y/%m/%d}" <= key[:10] <= f"{until:%Y/%m/%d}"
    return since <= began_at < until
