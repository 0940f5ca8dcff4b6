"""The API's document: every route is in it, and what it shows is what the API takes and gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from pln_ivr.console import routes
from pln_ivr.console.api import ROUTES
from pln_ivr.console.events import EVENTS
from pln_ivr.console.openapi import document
from pln_ivr.console.routes import Nothing, Route
from tests.unit.api_house import house, shown

DOCUMENT = document(ROUTES, "1.2.3")
IDS = [f"{route.method} {route.path}" for route in ROUTES]


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document."""
    if isinstance(value, dict):
        yield value
        for inside in value.values():
            yield from walk(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from walk(inside)


def resolved(ref: str) -> Any:
    """What a reference leads to. Raises KeyError."""
    found: Any = DOCUMENT
    assert ref.startswith("#/")
    for part in ref.removeprefix("#/").split("/"):
        found = found[part]
    return found


async def test_it_is_served_to_who_has_a_token() -> None:
    async with house() as (_, client):
        async with client.get("/api/openapi.json", headers=shown("agents")) as answer:
            assert await answer.json() == document(ROUTES, "0.1.0")
        async with client.get("/api/openapi.json") as answer:
            assert answer.status == 401


def test_its_head_is_that_of_openapi_3_1() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert set(DOCUMENT["info"]) == {"title", "version", "description"}
    assert DOCUMENT["info"]["version"] == "1.2.3"
    scheme = DOCUMENT["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert DOCUMENT["security"] == [{"token": []}]
    assert DOCUMENT["servers"] == [{"url": "/api"}]


def test_every_reference_leads_somewhere() -> None:
    refs = {found["$ref"] for found in walk(DOCUMENT) if "$ref" in found}
    assert refs
    for ref in refs:
        resolved(ref)


def test_every_name_is_one_that_openapi_allows_and_is_there_once() -> None:
    for kind in ("schemas", "responses", "securitySchemes"):
        for name in DOCUMENT["components"][kind]:
            assert re.fullmatch(r"[A-Za-z0-9._-]+", name)
    operations = [operation for path in DOCUMENT["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert sorted(set(names)) == sorted(names)
    assert len(operations) == len(ROUTES), "and there is nothing that is no route"


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_every_route_is_in_it_and_its_example_is_an_answer(route: Route[Any]) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    assert len(operation["summary"]) > 5
    assert operation["summary"] == route.summary
    assert operation["description"] == f"Roles: {route.may.roles}."
    in_path = [one["name"] for one in operation["parameters"] if one["in"] == "path"]
    assert in_path == re.findall(r"{(\w+)}", route.path)
    assert all(one["required"] for one in operation["parameters"] if one["in"] == "path")
    assert {"200", "400", "401", "403", "429", "503"} <= set(operation["responses"])
    [(media_type, content)] = operation["responses"]["200"]["content"].items()
    assert media_type == route.media_type
    assert "schema" in content
    if media_type == "application/json":
        shown_example = msgspec.json.encode(content["example"])
        assert msgspec.json.decode(shown_example, type=route.answer) == route.example
        assert _fits(content["example"], content["schema"])
    elif media_type == "audio/*":
        assert content["schema"] == {"type": "string", "format": "binary"}
        assert {"206", "416"} <= set(operation["responses"])
    else:
        assert all(f"{kind}: " in content["schema"]["description"] for kind in EVENTS)


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_what_it_says_a_route_takes_is_what_it_takes(route: Route[Any]) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    query = {one["name"]: one for one in operation["parameters"] if one["in"] == "query"}
    fields = msgspec.structs.fields(route.takes)
    if not route.orders:
        assert "requestBody" not in operation
        assert list(query) == [field.encode_name for field in fields]
        return
    assert query == {}
    if route.takes is Nothing:
        assert "requestBody" not in operation
        return
    body = operation["requestBody"]
    takes = resolved(body["content"]["application/json"]["schema"]["$ref"])
    assert list(takes["properties"]) == [field.encode_name for field in fields]
    assert takes["additionalProperties"] is False
    needed = [field.encode_name for field in fields if field.required]
    assert takes["required"] == needed
    assert body["required"] is bool(needed)
    if not needed:
        routes.decode(b"", route.takes)


def test_an_event_of_each_kind_has_its_schema() -> None:
    assert {data.__name__ for data in EVENTS.values()} <= set(DOCUMENT["components"]["schemas"])


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value is what a schema says, as far as ours say anything."""
    if "$ref" in schema:
        return _fits(value, resolved(schema["$ref"]))
    if "anyOf" in schema:
        return any(_fits(value, one) for one in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    match schema["type"]:
        case "object":
            known = schema.get("properties", {})
            others = schema.get("additionalProperties", True)
            return (
                isinstance(value, dict)
                and set(schema.get("required", ())) <= set(value)
                and all(
                    _fits(inside, known.get(name, others))
                    for name, inside in value.items()
                    if name in known or isinstance(others, dict)
                )
            )
        case "array":
            whole = schema.get("items", {})
            each = schema.get("prefixItems", [whole] * len(value))
            return isinstance(value, list) and all(map(_fits, value, each))
        case kind:
            return isinstance(value, _TYPES[kind]) and (
                kind == "boolean" or not isinstance(value, bool)
            )


_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
