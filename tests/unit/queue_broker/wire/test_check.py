from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queue_broker.wire.check import checked
from queue_broker.wire.faults import Fault
from queue_broker.wire.model import operations

SHAPES = {one.name: one.takes for one in operations() if one.takes is not None}
PLAIN: dict[str, Any] = {"jobName": "j", "jobQueue": "q", "jobDefinition": "d"}

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
    strategy = {"attempts": 2, "evaluateOnExit": [{"action": "retry"}, {"action": "EXIT"}]}
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
