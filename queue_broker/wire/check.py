"""A request's body against the service's model: types, required members, enums, limits.

What the model does not know is left out, as AWS does, so that a client newer than this broker's
botocore still works with what both know.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from headgate.errors import show
from queue_broker.tagging import legal, reserved
from queue_broker.wire.faults import Fault, constraint, refused
from queue_broker.wire.limits import LIMITS, NO_ATTEMPTS, Limit

if TYPE_CHECKING:
    from botocore.model import ListShape, MapShape, Shape, StructureShape

WORDS: dict[str, str] = {
    "structure": "an object",
    "map": "an object",
    "list": "a list",
    "string": "a string",
    "integer": "an integer of 32 bits",
    "long": "an integer of 64 bits",
    "boolean": "true or false",
    "double": "a number",
    "float": "a number",
    "timestamp": "a number",
}
INTEGERS = {"integer": range(-(2**31), 2**31), "long": range(-(2**63), 2**63)}
#: Batch takes RETRY and retry, EXIT and exit.
ANY_CASE = {"RetryAction"}
#: The model wants one at least; what is made may come with none (Snakemake always sends tags).
MAY_BE_EMPTY = {"TagrisTagsMap"}
#: What a rule of a retry strategy is matched by.
CONDITIONS = ("onExitCode", "onReason", "onStatusReason")
#: No program's arguments, no variable and no PostgreSQL text can hold it.
NUL = "\0"
#: Batch's model has no pattern for them, CloudWatch's one of Java's; both services have one rule.
OF_TAGS = {"TagKey", "TagValue"}


def checked(shape: Shape, value: object, path: str = "") -> Any:
    """The value with unknown and null members left out; `Fault` names the first wrong one."""
    if type(value) is str and is_plain_text(shape) and NUL not in value:
        return value  # most of what comes: an id, a parameter
    match shape.type_name:
        case "structure":
            return structure(shape, value, path)  # type: ignore[arg-type]
        case "list":
            return items(shape, value, path)  # type: ignore[arg-type]
        case "map":
            return entries(shape, value, path)  # type: ignore[arg-type]
    return scalar(shape, value, path)


@cache
def is_plain_text(shape: Shape) -> bool:
    """Whether every text is right: the model has no rule for it."""
    ruled = shape.metadata.keys() & {"min", "max", "enum", "pattern"}
    return shape.type_name == "string" and not ruled


def structure(shape: StructureShape, value: object, path: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise wrong_type(shape, value, path)
    for name in shape.required_members:
        if value.get(name) is None:
            raise constraint(below(path, name), "null", "Member must not be null")
    found, members = {}, shape.members
    for name, one in value.items():  # what is given, not all that could be: SubmitJob has 20
        if one is not None and name in members:
            here = below(path, name)
            found[name] = checked(members[name], one, here)
            if limit := LIMITS.get((shape.name, name)):
                check_limit(limit, found[name], here)
    check_together(shape, found)
    return found


def items(shape: ListShape, value: object, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise wrong_type(shape, value, path)
    check_length(shape, value, path)
    return [checked(shape.member, one, f"{path}.{at + 1}.member") for at, one in enumerate(value)]


def entries(shape: MapShape, value: object, path: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise wrong_type(shape, value, path)
    given = {key: one for key, one in value.items() if one is not None}
    check_length(shape, given, path)
    return {
        checked(shape.key, key, f"{path}.key"): checked(shape.value, one, below(path, str(key)))
        for key, one in given.items()
    }


def scalar(shape: Shape, value: object, path: str) -> Any:
    if not of_type(shape.type_name, value):
        raise wrong_type(shape, value, path)
    if isinstance(value, str):
        if NUL in value:
            raise Fault(f"{path}: got {show(value)}; allowed: text without NUL")
        check_length(shape, value, path)
        check_enum(shape, value, path)
        if shape.name in OF_TAGS:
            check_tag(shape, value)
        else:
            check_pattern(shape.metadata.get("pattern"), value, path)
    elif shape.type_name != "boolean":
        check_range(shape.metadata.get("min"), shape.metadata.get("max"), value, path)
    return value


def of_type(name: str, value: object) -> bool:
    if name == "boolean":
        return isinstance(value, bool)
    if bits := INTEGERS.get(name):
        return isinstance(value, int) and not isinstance(value, bool) and value in bits
    if name in ("double", "float", "timestamp"):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and math.isfinite(value)  # type: ignore[arg-type]
    return isinstance(value, str)


def wrong_type(shape: Shape, value: object, path: str) -> Fault:
    kind = WORDS.get(shape.type_name, shape.type_name)
    return Fault(f"{path or 'body'}: got {show(value)}; allowed: {kind}")


def check_together(shape: StructureShape, found: Mapping[str, Any]) -> None:
    """What needs another member, in the service's words."""
    if shape.name == "RetryStrategy" and "evaluateOnExit" in found and "attempts" not in found:
        raise refused(NO_ATTEMPTS)
    if shape.name == "EvaluateOnExit" and not found.keys() & set(CONDITIONS):
        words = f"{', '.join(CONDITIONS[:-1])} or {CONDITIONS[-1]}"
        raise refused(f"EvaluateOnExit should contain at least one of {words}")


def check_length(shape: Shape, value: Any, path: str) -> None:
    least = None if shape.name in MAY_BE_EMPTY else shape.metadata.get("min")
    check_size(least, shape.metadata.get("max"), value, path)


def check_size(least: float | None, most: float | None, value: Any, path: str) -> None:
    if most is not None and len(value) > most:
        rule = f"Member must have length less than or equal to {most}"
        raise constraint(path, value, rule)
    if least is not None and len(value) < least:
        rule = f"Member must have length greater than or equal to {least}"
        raise constraint(path, value, rule)


def check_range(least: float | None, most: float | None, value: Any, path: str) -> None:
    if most is not None and value > most:
        rule = f"Member must have value less than or equal to {most}"
        raise constraint(path, value, rule)
    if least is not None and value < least:
        rule = f"Member must have value greater than or equal to {least}"
        raise constraint(path, value, rule)


def check_enum(shape: Shape, value: str, path: str) -> None:
    allowed = getattr(shape, "enum", None)
    if not allowed:
        return
    given = value.upper() if shape.name in ANY_CASE else value
    if given not in allowed:
        rule = f"Member must satisfy enum value set: [{', '.join(allowed)}]"
        raise constraint(path, value, rule)


def check_pattern(pattern: str | None, value: str, path: str) -> None:
    if pattern is not None and not re.fullmatch(pattern, value):
        rule = f"Member must satisfy regular expression pattern: {pattern}"
        raise constraint(path, value, rule)


def check_tag(shape: Shape, value: str) -> None:
    """A tag's key or value."""
    if not legal(value):
        words = f"'{value}' is not a valid value for {shape.name}"
        raise Fault(f"{words} - it contains illegal characters", "BadRequestException")
    if shape.name == "TagKey" and reserved(value):
        raise Fault(f"tags: got {value!r}; allowed: keys that do not begin with aws:")


def check_limit(limit: Limit, value: Any, path: str) -> None:
    """One of the documented limits that the model lacks, in the service's words where known."""
    try:
        if isinstance(value, str | list | dict):
            check_size(limit.least, limit.most, value, path)
        else:
            check_range(limit.least, limit.most, value, path)
        if limit.pattern is not None:
            check_pattern(limit.pattern, value, path)
    except Fault as fault:
        if limit.words is None:
            raise
        raise refused(limit.words.format(value)) from fault


def below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
