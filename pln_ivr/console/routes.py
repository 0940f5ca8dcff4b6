"""What one route of the API is, and how a request becomes what its handler is asked.

The same table (api.ROUTES) makes the server's routes, checks roles and is the document at
/api/openapi.json.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from aiohttp import web
from msgspec import Meta, MsgspecError, Struct, ValidationError, convert, json
from msgspec.inspect import EnumType, LiteralType, StructType, Type, UnionType, type_info

from pln_ivr.console.auth import Denial, Find, Guard, May, Principal
from pln_ivr.console.callbacks import Callbacks
from pln_ivr.console.feed import Feed
from pln_ivr.console.views import Evidence, Floor, Outages, Statements
from pln_ivr.console.views_recordings import Replay
from pln_ivr.errors import PlnIvrError

BODY_BYTES = 16 * 1024
BODY_SECONDS = 10.0
"""How long a body may take to come."""
_SHOWN_LETTERS = 64
"""Of a name that somebody made up, in an answer."""

_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_WRONG = re.compile(r"(.*) - at `\$\.(\w+)", re.DOTALL)

Word = Annotated[str, Meta(min_length=1, max_length=64)]
"""A name or an id that a request brings."""

Asks = TypeVar("Asks", bound=Struct)


class Input(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what a request may bring: a body, or a query."""


class Nothing(Input, frozen=True):
    """No body, no query."""


class Done(Struct, frozen=True):
    """The order has been carried out."""

    ok: bool = True


class Refused(Struct, frozen=True):
    """Why not, in one line, and the field it is about if it is about one."""

    error: str
    field: str | None = None


class Unreadable(PlnIvrError):
    """A request's body or query is not what its route takes. The text says what would be."""

    def __init__(self, text: str, field: str | None = None) -> None:
        super().__init__(text)
        self.field = field


class Unfit(PlnIvrError):
    """A request that can be read and can never be carried out; `field` is why."""

    def __init__(self, text: str, field: str) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True, slots=True)
class Api:
    """What the API needs from the living program; `app` makes one."""

    floor: Floor
    evidence: Evidence
    statements: Statements
    outages: Outages
    callbacks: Callbacks
    replay: Replay
    feed: Feed
    find: Find
    on_denied: Callable[[Denial], None]
    """Counts who was turned away."""
    version: str


@dataclass(frozen=True, slots=True)
class Asked(Generic[Asks]):
    """One request, by somebody who may, as its handler sees it."""

    api: Api
    guard: Guard
    principal: Principal
    path: Mapping[str, str]
    input: Asks
    request: web.Request

    @property
    def extension(self) -> str:
        """The {extension} of the path."""
        return self.path["extension"]


@dataclass(frozen=True, slots=True)
class Route(Generic[Asks]):
    """One line of the table."""

    method: str
    path: str
    """Below /api."""
    may: May
    takes: type[Asks]
    """The body; of GET the query."""
    do: Callable[[Asked[Asks]], Awaitable[object]]
    """Returns what `example` is one of, or a response that is already made. Its docstring's
    first line is the route's summary."""
    example: object
    media_type: str = "application/json"

    @property
    def answer(self) -> Any:
        """The type of the answer."""
        if isinstance(self.example, list):
            return list[type(self.example[0])]  # type: ignore[misc]
        return type(self.example)

    @property
    def orders(self) -> bool:
        """It changes something."""
        return self.method != "GET"

    @property
    def summary(self) -> str:
        """What it is for, in one line."""
        return (self.do.__doc__ or "").partition("\n")[0]

    async def read(self, request: web.Request) -> Asks:
        """What the request brings. Raises Unreadable, HTTPRequestEntityTooLarge and
        HTTPRequestTimeout."""
        return decode(await _body(request), self.takes) if self.orders else self._query(request)

    def _query(self, request: web.Request) -> Asks:
        for name in request.query:
            if len(request.query.getall(name)) > 1:
                shown = name[:_SHOWN_LETTERS]
                raise Unreadable(f"{shown} is given more than once", shown)
        try:
            return convert(dict(request.query), self.takes, strict=False)
        except ValidationError as error:
            raise _explained(error, self.takes) from None


def decode(body: bytes, takes: type[Asks]) -> Asks:
    """The body, strictly; one that is empty counts as {}. Raises Unreadable."""
    try:
        return json.decode(body or b"{}", type=takes)
    except ValidationError as error:
        raise _explained(error, takes) from None
    except (MsgspecError, UnicodeDecodeError):
        raise Unreadable("the body must be one JSON object, in UTF-8") from None


async def _body(request: web.Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > BODY_BYTES:
                    text = f"the body may have at most {BODY_BYTES} bytes"
                    raise web.HTTPRequestEntityTooLarge(BODY_BYTES, len(body), reason=text)
    except TimeoutError:
        raise web.HTTPRequestTimeout(reason="the body did not come in time") from None
    return bytes(body)


def _explained(error: ValidationError, takes: type[Struct]) -> Unreadable:
    """The fault in plain words, with what would be right."""
    info = type_info(takes)
    assert isinstance(info, StructType)
    types = {field.encode_name: field.type for field in info.fields}
    text = str(error)
    if found := _UNKNOWN.fullmatch(text):
        name = " ".join(found[1].split())[:_SHOWN_LETTERS]
        known = f"known are: {', '.join(types)}" if types else "none belongs here"
        return Unreadable(f"there is no field {name}; {known}", name)
    if found := _MISSING.fullmatch(text):
        return Unreadable(f"{found[1]} is missing", found[1])
    if found := _WRONG.match(text):
        what, name = found[1].replace("`", ""), found[2]
        words = _words(types[name]) if name in types else []
        right = f" must be one of: {', '.join(words)}" if words else f": {what}"
        return Unreadable(f"{name}{right}", name)
    return Unreadable("the body must be one JSON object")


def _words(type_: Type) -> list[str]:
    """The words that a field may be; none if it may be any."""
    match type_:
        case EnumType(cls=cls):
            return [str(member.value) for member in cls]
        case LiteralType(values=values):
            return [str(value) for value in values]
        case UnionType(types=types):
            return [word for one in types for word in _words(one)]
        case _:
            return []
