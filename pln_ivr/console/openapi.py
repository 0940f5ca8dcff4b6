"""The API's document (OpenAPI 3.1), made from the table of routes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from msgspec.json import decode, encode, schema_components

from pln_ivr.console.events import EVENTS
from pln_ivr.console.routes import Nothing, Refused, Route

_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"{(\w+)}")
_REFUSALS = {
    400: "The body or the query cannot be read; `field` says what is wrong.",
    401: "No token, or one that nobody has.",
    403: "This token may not do that.",
    404: "There is no such agent, call, callback, flag, incident, statement or recording.",
    409: "Not in the state that things are in.",
    413: "The body is too large.",
    422: "Never: what is asked for makes no sense.",
    429: "Too many failures from this address.",
    503: "Asterisk, the journal, the archive or the feed cannot serve that now.",
}
_PARTS = {
    "206": {"description": "The part that the header Range asks for."},
    "416": {"description": "There is no such part."},
}
_ABOUT = """The supervisor's API of pln_ivr. Times are in UTC. Phone numbers are masked."""


def document(routes: Iterable[Route[Any]], version: str) -> dict[str, Any]:
    """The document, as JSON's types."""
    table = tuple(routes)
    answers = [route.answer for route in table]
    others = [Refused, *EVENTS.values(), *(route.takes for route in table)]
    schemas, components = schema_components([*answers, *others], ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route, answer in zip(table, schemas, strict=False):  # the others have their names
        fields = components[route.takes.__name__]
        operation = _operation(route, answer, fields)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "pln_ivr", "version": version, "description": _ABOUT},
        "servers": [{"url": "/api"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {_name(status): _refusal(text) for status, text in _REFUSALS.items()},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "From `pln-ivr token create`; its role says what it may do.",
                }
            },
        },
    }


def _operation(route: Route[Any], answer: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.do.__name__,
        "summary": route.summary,
        "description": f"Roles: {route.may.roles}.",
        "tags": [route.path.split("/")[1].removesuffix(".json")],
        "parameters": _parameters(route, fields),
        "responses": {"200": {"description": "Done.", "content": _content(route, answer)}}
        | (_PARTS if route.media_type.startswith("audio/") else {})
        | {
            str(status): {"$ref": f"#/components/responses/{_name(status)}"} for status in _REFUSALS
        },
    }
    if route.orders and route.takes is not Nothing:
        body = {"$ref": _REF.format(name=route.takes.__name__)}
        operation["requestBody"] = {
            "required": bool(fields["required"]),
            "content": {"application/json": {"schema": body}},
        }
    return operation


def _content(route: Route[Any], answer: dict[str, Any]) -> dict[str, Any]:
    if route.media_type.startswith("audio/"):
        return {route.media_type: {"schema": {"type": "string", "format": "binary"}}}
    if route.media_type != "application/json":
        kinds = ", ".join(f"{kind}: {data.__name__}" for kind, data in EVENTS.items())
        about = f"Each event's data is JSON, by its kind a schema of this document. {kinds}."
        return {route.media_type: {"schema": {"type": "string", "description": about}}}
    return {route.media_type: {"schema": answer, "example": decode(encode(route.example))}}


def _parameters(route: Route[Any], fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of the path, and of GET those of the query."""
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.path)
    ]
    if not route.orders:
        parameters += [
            {"name": name, "in": "query", "required": name in fields["required"], "schema": about}
            for name, about in fields["properties"].items()
        ]
    return parameters


def _name(status: int) -> str:
    return f"Refused{status}"


def _refusal(text: str) -> dict[str, Any]:
    ref = {"$ref": _REF.format(name=Refused.__name__)}
    return {"description": text, "content": {"application/json": {"schema": ref}}}
