"""The API: recordings, found and played."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from pln_ivr.console import examples
from pln_ivr.console.auth import May
from pln_ivr.console.routes import Asked, Nothing, Route
from pln_ivr.console.views_recordings import (
    AccessView,
    Opened,
    RecordingFilters,
    RecordingSearch,
    RecordingView,
    Why,
)

BLOCK_BYTES = 256 * 1024
MEDIA_TYPES = {"opus": "audio/ogg", "flac": "audio/flac", "wav": "audio/wav"}
ANY_AUDIO = "audio/*"


async def recordings(asked: Asked[RecordingFilters]) -> list[RecordingView]:
    """Recordings, the newest first."""
    return await asked.api.replay.find(asked.input)


async def search_recordings(asked: Asked[RecordingSearch]) -> list[RecordingView]:
    """Recordings of a number, the newest first."""
    return await asked.api.replay.find(asked.input)


async def recording(asked: Asked[Nothing]) -> RecordingView:
    """One recording and what proves it."""
    return await asked.api.replay.recording(asked.path["recording_id"])


async def accesses(asked: Asked[Nothing]) -> list[AccessView]:
    """Who had access to a recording, when and why."""
    return await asked.api.replay.accesses(asked.path["recording_id"])


async def sound(asked: Asked[Why]) -> web.StreamResponse:
    """A recording's sound, customer left and agent right, or the part that Range asks for.

    Raises OrderRefused, JournalError and RecordingError before anything is sent; after that
    a fault cuts the answer short.
    """
    who = asked.principal
    opened = await asked.api.replay.play(
        asked.path["recording_id"], who.name, who.role, asked.input.reason
    )
    whole = range(opened.sound.length)
    asked_for = _part(asked.request, opened)
    wanted = whole if asked_for is None else whole[asked_for]
    if asked_for and not wanted:
        every = {"Content-Range": f"bytes */{len(whole)}"}
        return web.Response(status=416, headers=_headers(opened) | every)
    return await _send(asked.request, opened, wanted, part=asked_for is not None)


def _part(request: web.Request, opened: Opened) -> slice | None:
    """The part that is asked for; None: all of it. A Range that cannot be read counts as none
    (RFC 9110 §14.2), and so does one of a file that has changed since (§13.1.5)."""
    if request.headers.get("If-Range", _etag(opened)) != _etag(opened):
        return None
    try:
        asked = request.http_range
    except ValueError:
        return None
    return None if asked.start is None and asked.stop is None else asked


async def _send(
    request: web.Request, opened: Opened, wanted: range, *, part: bool
) -> web.StreamResponse:
    sound = opened.sound
    answer = web.StreamResponse(status=206 if part else 200, headers=_headers(opened))
    answer.content_length = len(wanted)
    if part:
        last = wanted.start + len(wanted) - 1
        answer.headers["Content-Range"] = f"bytes {wanted.start}-{last}/{sound.length}"
    at, end = wanted.start, wanted.start + len(wanted)
    block = await asyncio.to_thread(sound.read, at, min(BLOCK_BYTES, end - at))
    await answer.prepare(request)  # from here on an error cannot be told any more
    while block:
        await answer.write(block)
        at += len(block)
        if at >= end:
            break
        block = await asyncio.to_thread(sound.read, at, min(BLOCK_BYTES, end - at))
    await answer.write_eof()
    return answer


def _headers(opened: Opened) -> dict[str, str]:
    row = opened.row
    name = f"{row.recording_id}.{row.codec}"
    return {
        "Content-Type": MEDIA_TYPES.get(row.codec, "application/octet-stream"),
        "Content-Disposition": f'inline; filename="{name}"',
        "Accept-Ranges": "bytes",
        "ETag": _etag(opened),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }


def _etag(opened: Opened) -> str:
    return f'"{opened.row.sha256 or opened.row.recording_id}"'


_ONE = "/recordings/{recording_id}"
_FOUND = [examples.RECORDING]
RECORDING_ROUTES: tuple[Route[Any], ...] = (
    Route("GET", "/recordings", May.SUPERVISORS, RecordingFilters, recordings, _FOUND),
    Route(
        "POST", "/recordings/search", May.SUPERVISORS, RecordingSearch, search_recordings, _FOUND
    ),
    Route("GET", _ONE, May.SUPERVISORS, Nothing, recording, examples.RECORDING),
    Route("GET", f"{_ONE}/accesses", May.SUPERVISORS, Nothing, accesses, [examples.ACCESS]),
    Route("GET", f"{_ONE}/sound", May.SUPERVISORS, Why, sound, "", ANY_AUDIO),
)
