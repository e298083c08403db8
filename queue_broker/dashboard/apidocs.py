"""The page of the API: each route and model of the OpenAPI document, with nothing from elsewhere.

FastAPI's own page loads its script from another host, and stays blank where there is no internet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]
#: JSON Schema's words for bounds, and ours.
BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
    "minLength": "length at least",
    "maxLength": "length at most",
    "minItems": "items at least",
    "maxItems": "items at most",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter of a route, or a field of a model."""

    name: str
    kind: str
    required: bool
    default: str
    words: str


@dataclass(frozen=True, slots=True)
class Route:
    """`body` and `answer` say what is sent and what comes back; "" for nothing."""

    method: str
    path: str
    words: str
    parameters: Sequence[Field]
    body: str
    answer: str


@dataclass(frozen=True, slots=True)
class Model:
    """What a body is made of; or `values`, of which a field has one."""

    name: str
    words: str
    fields: Sequence[Field]
    values: Sequence[str] = ()


def routes(document: Schema) -> dict[str, list[Route]]:
    """By tag, in the order of the document."""
    found: dict[str, list[Route]] = {}
    for path, operations in document["paths"].items():
        for method, one in operations.items():
            tag = next(iter(one.get("tags", ())), "other")
            found.setdefault(tag, []).append(route(method.upper(), path, one))
    return found


def route(method: str, path: str, operation: Schema) -> Route:
    answers: Mapping[str, Schema] = operation["responses"]
    good = next((one for code, one in answers.items() if code < "300"), {})
    return Route(
        method=method,
        path=path,
        words=operation.get("description", ""),
        parameters=[parameter(one) for one in operation.get("parameters", ())],
        body=content(operation.get("requestBody", {})),
        answer=content(good),
    )


def parameter(given: Schema) -> Field:
    return field(given["name"], given["schema"], bool(given.get("required")))


def content(given: Schema) -> str:
    """A model's name as JSON, else the media types that are taken."""
    types = given.get("content", {})
    if "application/json" in types:
        return kind(types["application/json"].get("schema", {}))
    return ", ".join(types)


def models(document: Schema) -> list[Model]:
    """Those that have fields or values, by name."""
    schemas = document.get("components", {}).get("schemas", {})
    return [
        Model(name, one.get("description", ""), list(fields(one)), one.get("enum", ()))
        for name, one in sorted(schemas.items())
        if one.get("properties") or one.get("enum")
    ]


def fields(schema: Schema) -> Iterator[Field]:
    needed = schema.get("required", ())
    for name, one in schema.get("properties", {}).items():
        yield field(name, one, name in needed)


def field(name: str, schema: Schema, required: bool) -> Field:
    default = schema.get("default")
    shown = "" if required or default in (None, {}, []) else str(default)
    return Field(name, kind(schema), required, shown, schema.get("description", ""))


def kind(schema: Schema) -> str:
    """What a value is, in a few words: `list of string`, `integer, at least 0`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(map(kind, schema[several]))
    if "enum" in schema or "const" in schema:
        return " | ".join(map(str, schema.get("enum") or [schema.get("const")]))
    bounds = [f"{words} {schema[name]:,}" for name, words in BOUNDS.items() if name in schema]
    return ", ".join([plain(schema), *bounds])


def plain(schema: Schema) -> str:
    """The type alone."""
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {kind(schema['additionalProperties'])} by name"
    return str(schema.get("type", "any"))
