"""`pln-ivr recordings`: what needs a role and is journalled: play, export, hold, delete."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pln_ivr.commands.identity import Reason, TokenFile, holder
from pln_ivr.commands.options import ConfigFile
from pln_ivr.config import Settings, load
from pln_ivr.errors import ConfigError, EntryError
from pln_ivr.journal import RecordingRow
from pln_ivr.journal.custody import Custody, Someone
from pln_ivr.journal.tokens import Role
from pln_ivr.outcomes import Access
from pln_ivr.recordings.library import Library
from pln_ivr.recordings.manifest import manifest_key
from pln_ivr.recordings.names import name_of
from pln_ivr.recordings.retention import Keep, delete, purge
from pln_ivr.rules import archive_of

Id = Annotated[str, typer.Argument(metavar="ID", help="The recording's id.")]
LISTENERS = (Role.SUPERVISOR, Role.OPERATOR)


def play_(
    recording: Id, reason: Reason, config: ConfigFile = None, token_file: TokenFile = None
) -> None:
    """The sound as WAV on standard output, for a player: pln-ivr recordings play … | aplay"""
    if sys.stdout.isatty():
        raise ConfigError("recordings play: pipe it into a player, like: … | aplay")
    settings = load(config)
    row = _noted(settings, recording, Access.PLAY, _someone(settings, token_file, reason))
    sys.stdout.buffer.write(_to_wav(_content(library_of(settings), row)))


def export_(
    recordings: Annotated[list[str], typer.Argument(metavar="ID...")],
    reason: Reason,
    out: Annotated[Path, typer.Option(help="Folder for the copies.")],
    config: ConfigFile = None,
    token_file: TokenFile = None,
    wav: Annotated[bool, typer.Option("--wav", help="As WAV instead of the stored form.")] = False,
) -> None:
    """Copies of recordings in the clear, each with its manifest."""
    settings = load(config)
    by, library = _someone(settings, token_file, reason), library_of(settings)
    for recording_id in recordings:
        row = _noted(settings, recording_id, Access.EXPORT, by)
        content = _content(library, row)
        form = "wav" if wav else row.codec
        _write(out / f"{recording_id}.{form}", _to_wav(content) if wav else content)
        key = manifest_key(name_of(row.uri))
        if library.store.size(key) is not None:  # an earlier version made none
            _write(out / f"{recording_id}.json", library.store.read(key))
        print(out / f"{recording_id}.{form}")


def hold_(
    recording: Id, reason: Reason, config: ConfigFile = None, token_file: TokenFile = None
) -> None:
    """Legal hold: nothing deletes the recording until it is released."""
    settings = load(config)
    by = _someone(settings, token_file, reason)
    with Custody(settings.journal.url) as custody:
        custody.hold(recording, by)
    print(f"{recording}: held by {by.who}")


def release_(
    recording: Id, reason: Reason, config: ConfigFile = None, token_file: TokenFile = None
) -> None:
    """End a legal hold."""
    settings = load(config)
    by = _someone(settings, token_file, reason, Role.OPERATOR)
    with Custody(settings.journal.url) as custody:
        custody.release(recording, by)
    print(f"{recording}: released by {by.who}")


def delete_(
    recording: Id, reason: Reason, config: ConfigFile = None, token_file: TokenFile = None
) -> None:
    """Delete a recording for good, before its time; not one that is on legal hold."""
    settings = load(config)
    by = _someone(settings, token_file, reason, Role.OPERATOR)
    with Custody(settings.journal.url) as custody:
        delete(custody, library_of(settings), recording, by)
    print(f"{recording}: deleted by {by.who}")


def purge_(
    config: ConfigFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Delete the recordings that were kept long enough: see retention_days. Run it every night."""
    settings = load(config)
    library = library_of(settings)
    with Custody(settings.journal.url) as custody:
        purged = purge(custody, library, keep_of(settings), datetime.now(UTC), only_look=dry_run)
    act = "would be deleted" if dry_run else "deleted"
    for queue, ids in purged.deleted.items():
        print(f"{queue or 'all others'}: {len(ids)} {act}")
    if purged.finished:
        left = "is" if dry_run else "was"
        print(f"{purged.finished} of before, whose file {left} still there")


def library_of(settings: Settings) -> Library:
    """The archive, to read from. Raises ConfigError if the keys are wrong."""
    return Library.of(archive_of(settings.recordings))


def keep_of(settings: Settings) -> Keep:
    """How long recordings are kept."""
    own = {
        name: queue.retention_days
        for name, queue in settings.queues.names.items()
        if queue.retention_days is not None
    }
    return Keep(own, settings.recordings.retention_days)


def _to_wav(content: bytes) -> bytes:
    """See sound.to_wav. Imported here: it loads FFmpeg's libraries, which no other command and
    no running program should pay for."""
    from pln_ivr.recordings.sound import to_wav

    return to_wav(content)


def _someone(settings: Settings, token_file: Path | None, reason: str, *roles: Role) -> Someone:
    found = holder(settings.journal.url, token_file, *(roles or LISTENERS))
    return Someone(found.name, found.role, reason)


def _noted(settings: Settings, recording_id: str, act: Access, by: Someone) -> RecordingRow:
    with Custody(settings.journal.url) as custody:
        return custody.note(recording_id, act, by)


def _content(library: Library, row: RecordingRow) -> bytes:
    sound = library.open(row)
    return sound.read(0, sound.length)


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise EntryError(f"--out: {path} is there already; name another folder") from None
    except OSError as error:
        raise ConfigError(f"--out: cannot write {path}: {error.strerror}") from None
