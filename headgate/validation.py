"""Pydantic's findings in Headgate's words: the field, what was got, what is allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from headgate.errors import InvalidInput, Problem, show

M = TypeVar("M", bound=BaseModel)


#: What names are made of, and the same for people.
NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$"
TENANT_NAME = r"^[A-Za-z0-9][A-Za-z0-9_./@-]{0,127}$"
PATTERNS = {
    NAME: "letters, digits, - and _, at most 128, the first a letter or a digit",
    TENANT_NAME: "letters, digits and _./@-, at most 128, the first a letter or a digit",
}


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
        raise InvalidInput(problems(error, model)) from error


#: What pydantic says of a value that is none of `Scalar`'s kinds: an error for each of them.
BRANCHES = {
    ("bool", "bool_type"),
    ("int", "int_type"),
    ("float", "float_type"),
    ("str", "string_type"),
}
UNKNOWN = "only documented fields; this one is unknown"
WORDS = {
    "missing": "a value; it is required",
    "extra_forbidden": UNKNOWN,
    "tuple_type": "a list",
}
A_SCALAR = "a string, a number, true, false or null"


def problems(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """One for each wrong value of what should have been a `model`."""
    every = error.errors(include_url=False)
    branches = Counter(one["loc"][:-1] for one in every if is_branch(one))
    found = (
        no_scalar(one)
        if is_branch(one) and branches[one["loc"][:-1]] == len(BRANCHES)
        else with_hint(to_problem(one), one, model)
        for one in every
    )
    return list(dict.fromkeys(found))


def with_hint(problem: Problem, details: ErrorDetails, model: type[BaseModel]) -> Problem:
    """An unknown field with the one that was meant, where one is nearly named so."""
    if details["type"] != "extra_forbidden":
        return problem
    *path, wrong = details["loc"]
    known = known_fields(model, path)
    near = [name for name in known if name.startswith(f"{wrong}")]
    near = near or get_close_matches(str(wrong), known, n=1)
    if not near:
        return problem
    return replace(problem, allowed=f"{UNKNOWN}; {known[near[0]]}, perhaps")


def known_fields(model: type[BaseModel], path: list[int | str]) -> dict[str, str]:
    """The fields at a path in a model and in their own values, by name; each as people write it."""
    for part in path:  # an index, or a key of people's own, leads to the same model
        field = model.model_fields.get(str(part))
        model = next(models_in(field.annotation), model) if field else model
    own = {name: name for name in model.model_fields}
    deeper = {
        inner: f"{name}.{inner}"
        for name, field in model.model_fields.items()
        for one in models_in(field.annotation)
        for inner in one.model_fields
    }
    return deeper | own


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation speaks of: of lists, mappings and optional ones too."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for one in get_args(annotation):
        yield from models_in(one)


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
    if kind in WORDS:
        return WORDS[kind]
    if kind == "json_invalid":
        return f"valid JSON ({context.get('error', message)})"
    if kind in ("too_short", "too_long"):
        bound, count = ("least", "min_length") if kind == "too_short" else ("most", "max_length")
        return f"at {bound} {context[count]:,} {'item' if context[count] == 1 else 'items'}"
    if kind == "string_pattern_mismatch" and context["pattern"] in PATTERNS:
        return PATTERNS[context["pattern"]]
    words = message.removeprefix("Input should be ").removeprefix("Value error, ")
    if kind.endswith(("_parsing", "_from_float")):
        words, _, _ = words.partition(", ")  # how it was read is nobody's concern
    return words[:1].lower() + words[1:]
