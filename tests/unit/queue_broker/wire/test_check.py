from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queue_broker.wire.check import MAY_BE_EMPTY, check_limit, checked
from queue_broker.wire.faults import Fault
from queue_broker.wire.limits import LIMITS, Limit
from queue_broker.wire.model import operations

SHAPES = {one.name: one.takes for one in operations() if one.takes is not None}
PLAIN: dict[str, Any] = {"jobName": "j", "jobQueue": "q", "jobDefinition": "d"}
DEFINITION = {"jobDefinitionName": "d", "type": "container"}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=10,
)


def submit_job(**more: Any) -> Any:
    return checked(SHAPES["SubmitJob"], PLAIN | more)


def test_what_the_model_knows_comes_through_unchanged() -> None:
    given = PLAIN | {
        "arrayProperties": {"size": 10},
        "parameters": {"a": "b"},
        "containerOverrides": {"environment": [{"name": "A", "value": "1"}]},
        "propagateTags": False,
    }
    assert checked(SHAPES["SubmitJob"], given) == given


def test_unknown_and_null_members_are_left_out_as_aws_does() -> None:
    assert submit_job(fromTheFuture={"x": 1}, timeout=None) == PLAIN


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_required_members_are_required(name: str) -> None:
    given = {key: value for key, value in PLAIN.items() if key != name}
    with pytest.raises(Fault, match=f"'{name}' failed to satisfy constraint: Member must not be"):
        checked(SHAPES["SubmitJob"], given)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"jobName": 7}, "jobName: got 7; allowed: a string"),
        ({"arrayProperties": {"size": "7"}}, "arrayProperties.size: got '7'; allowed: an integer"),
        ({"arrayProperties": {"size": True}}, "arrayProperties.size: got True"),
        ({"arrayProperties": {"size": 7.5}}, "arrayProperties.size: got 7.5"),
        ({"arrayProperties": []}, "arrayProperties: got []; allowed: an object"),
        ({"dependsOn": {}}, "dependsOn: got {}; allowed: a list"),
        ({"dependsOn": [7]}, "dependsOn.1.member: got 7; allowed: an object"),
        ({"parameters": {"a": 1}}, "parameters.a: got 1; allowed: a string"),
        ({"propagateTags": "yes"}, "propagateTags: got 'yes'; allowed: true or false"),
        ({"dependsOn": [{"type": "ALL"}]}, "enum value set: [N_TO_N, SEQUENTIAL]"),
    ],
)
def test_a_wrong_type_is_told_with_its_path(more: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault) as caught:
        submit_job(**more)
    assert words in str(caught.value)


def test_actions_on_exit_may_be_in_any_case() -> None:
    rules = [{"action": "retry", "onReason": "a*"}, {"action": "EXIT", "onExitCode": "1"}]
    strategy = {"attempts": 2, "evaluateOnExit": rules}
    assert submit_job(retryStrategy=strategy)["retryStrategy"] == strategy


@given(name=st.sampled_from(sorted(SHAPES)), body=JSON)
@settings(max_examples=100, deadline=None)
def test_no_body_whatever_does_more_than_be_refused(name: str, body: Any) -> None:
    with suppress(Fault):
        checked(SHAPES[name], body)


@given(
    more=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(SHAPES["SubmitJob"].members, JSON),  # type: ignore[attr-defined]
    )
)
@settings(max_examples=100, deadline=None)
def test_what_is_accepted_is_accepted_again(more: dict[str, Any]) -> None:
    try:
        once = submit_job(**more)
    except Fault:
        return
    assert checked(SHAPES["SubmitJob"], once) == once


#: Beyond any that a client has: half of what a least number allows.
HALF = 0.5


def structures(shapes: Iterable[Any]) -> dict[str, Any]:
    """All structures of these shapes, by name."""
    found: dict[str, Any] = {}
    waiting = list(shapes)
    while waiting:
        shape = waiting.pop()
        if shape.type_name == "list":
            waiting.append(shape.member)
        elif shape.type_name == "map":
            waiting.append(shape.value)
        elif shape.type_name == "structure" and shape.name not in found:
            found[shape.name] = shape
            waiting += shape.members.values()
    return found


STRUCTURES = structures(SHAPES.values())


def bounds(structure: str, member: str) -> tuple[float | None, float | None]:
    """The least and the most of a number, or of a length: documented, else the model's."""
    shape = STRUCTURES[structure].members[member]
    limit = LIMITS.get((structure, member), Limit())
    model = {} if shape.name in MAY_BE_EMPTY else shape.metadata
    least = limit.least if limit.least is not None else model.get("min")
    return least, limit.most if limit.most is not None else model.get("max")


BOUNDED = [
    (structure, member)
    for structure, shape in sorted(STRUCTURES.items())
    for member in shape.members
    if bounds(structure, member) != (None, None)
]


def of_size(structure: str, member: str, size: float) -> Any:
    match STRUCTURES[structure].members[member].type_name:
        case "string":
            return "a" * int(size)
        case "list":
            return [None] * int(size)
        case "map":
            return {str(number): 0 for number in range(int(size))}
        case "integer" | "long":
            return int(size)
    return size


def is_out_of_bounds(structure: str, member: str, size: float) -> bool:
    """Whether a value of this size is refused for its size."""
    value, limit = of_size(structure, member, size), LIMITS.get((structure, member))
    try:
        checked(STRUCTURES[structure].members[member], value, member)
    except Fault as fault:
        if "less than or equal" in str(fault) or "greater than or equal" in str(fault):
            return True
    try:
        if limit is not None:
            check_limit(replace(limit, pattern=None), value, member)
    except Fault:
        return True
    return False


@pytest.mark.parametrize(("structure", "member"), BOUNDED)
def test_one_beyond_a_bound_is_refused_and_the_bound_itself_is_not(
    structure: str, member: str
) -> None:
    least, most = bounds(structure, member)
    if most is not None and most < 100_000:
        assert not is_out_of_bounds(structure, member, most)
        assert is_out_of_bounds(structure, member, most + 1)
    if least:
        assert not is_out_of_bounds(structure, member, least)
        beyond = least * HALF if 0 < least < 1 else least - 1
        assert is_out_of_bounds(structure, member, beyond)


@pytest.mark.parametrize(
    "operation", [name for name, shape in sorted(SHAPES.items()) if shape.required_members]
)
def test_what_an_operation_needs_is_asked_for_by_name(operation: str) -> None:
    first = SHAPES[operation].required_members[0]
    with pytest.raises(Fault, match=f"at '{first}' failed to satisfy constraint"):
        checked(SHAPES[operation], {})


def test_rules_of_retries_need_a_number_of_attempts() -> None:
    rule = {"action": "EXIT", "onExitCode": "1"}
    with pytest.raises(Fault, match="RetryAttempts must be provided with retry strategy"):
        submit_job(retryStrategy={"evaluateOnExit": [rule]})


def test_a_rule_of_retries_says_what_it_is_matched_by() -> None:
    strategy = {"attempts": 2, "evaluateOnExit": [{"action": "EXIT"}]}
    with pytest.raises(Fault, match="at least one of onExitCode, onReason or onStatusReason"):
        submit_job(retryStrategy=strategy)


def test_words_of_the_services_own_have_what_was_given() -> None:
    linux = {"swappiness": 101, "maxSwap": 1}
    container = {"image": "x", "linuxParameters": linux}
    with pytest.raises(Fault, match="Invalid swappiness: 101, must be between 0 and 100"):
        checked(SHAPES["RegisterJobDefinition"], DEFINITION | {"containerProperties": container})
