"""Pydantic's findings in Headgate's words: the field, what was got, what is allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from headgate.errors import InvalidInput, Problem, show

M = TypeVar("M", bound=BaseModel)


def refuse(field: str, got: object, allowed: str) -> NoReturn:
    """Refuse a value from inside a validator, naming the field relative to the model."""
    context = {
        "field": field,
        "got": got if isinstance(got, str) else show(got),
        "allowed": allowed,
    }
    raise PydanticCustomError("refused", "{field}: got {got}; allowed: {allowed}", context)


def parse(model: type[M], data: Mapping[str, Any] | str | bytes) -> M:
    """The model made from a mapping or from JSON text; `InvalidInput` names every wrong field."""
    try:
        if isinstance(data, (str, bytes)):
            return model.model_validate_json(data)
        return model.model_validate(data)
    except ValidationError as error:
        raise InvalidInput(problems(error)) from error


#: What pydantic says of a value that is none of `Scalar`'s kinds: an error for each of them.
BRANCHES = {
    ("bool", "bool_type"),
    ("int", "int_type"),
    ("float", "float_type"),
    ("str", "string_type"),
}
A_SCALAR = "a string, a number, true, false or null"


def problems(error: ValidationError) -> list[Problem]:
    """One for each wrong value."""
    every = error.errors(include_url=False)
    branches = Counter(one["loc"][:-1] for one in every if is_branch(one))
    found = (
        no_scalar(one)
        if is_branch(one) and branches[one["loc"][:-1]] == len(BRANCHES)
        else to_problem(one)
        for one in every
    )
    return list(dict.fromkeys(found))


def is_branch(details: ErrorDetails) -> bool:
    return (str(details["loc"][-1]) if details["loc"] else "", details["type"]) in BRANCHES


def no_scalar(details: ErrorDetails) -> Problem:
    return Problem(".".join(map(str, details["loc"][:-1])), show(details["input"]), A_SCALAR)


def to_problem(details: ErrorDetails | dict[str, Any], prefix: tuple[str, ...] = ()) -> Problem:
    """One of pydantic's (or FastAPI's) error details as a `Problem`."""
    path = [*prefix, *(str(part) for part in details["loc"])]
    context = details.get("ctx") or {}
    if details["type"] == "refused":
        return Problem(".".join([*path, context["field"]]), context["got"], context["allowed"])
    kind = details["type"]
    got = "nothing" if kind == "missing" else show(details["input"])
    return Problem(".".join(path) or "body", got, allowed(kind, details["msg"], context))


def allowed(kind: str, message: str, context: Mapping[str, Any]) -> str:
    """What a field takes, in a few words."""
    if kind == "missing":
        return "a value; it is required"
    if kind == "extra_forbidden":
        return "only documented fields; this one is unknown"
    if kind == "json_invalid":
        return f"valid JSON ({context.get('error', message)})"
    if kind == "tuple_type":
        return "a list"
    if kind in ("too_short", "too_long"):
        bound, count = ("least", "min_length") if kind == "too_short" else ("most", "max_length")
        return f"at {bound} {context[count]:,} {'item' if context[count] == 1 else 'items'}"
    words = message.removeprefix("Input should be ").removeprefix("Value error, ")
    if kind.endswith(("_parsing", "_from_float")):
        words, _, _ = words.partition(", ")  # how it was read is nobody's concern
    return words[:1].lower() + words[1:]
