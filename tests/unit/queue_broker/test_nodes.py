"""What nodeProperties say of each node."""

from __future__ import annotations

from typing import Any

import pytest

from queue_broker.nodes import Nodes, nodes_of, span
from tests.contract.engines import a_leak


def a_range(target: str, *command: str, **more: Any) -> dict[str, Any]:
    container = {"image": "i", "command": list(command), "vcpus": 1, "memory": 64}
    return {"targetNodes": target, "container": container | more}


def nodes(count: int, *ranges: dict[str, Any], main: int = 0) -> Nodes:
    return Nodes.of({"numNodes": count, "mainNode": main, "nodeRangeProperties": list(ranges)})


@pytest.mark.parametrize(
    ("target", "indexes"),
    [
        ("2", [2]),
        ("1:2", [1, 2]),
        (":1", [0, 1]),
        ("2:", [2, 3]),
        (":", [0, 1, 2, 3]),
        ("2:9", [2, 3]),
        ("3:1", []),
    ],
)
def test_a_range_names_nodes_by_their_indexes(target: str, indexes: list[int]) -> None:
    assert list(span(target, 4)) == indexes


def test_of_ranges_within_ranges_the_innermost_says_what_a_node_runs() -> None:
    found = nodes(4, a_range("0:3", "outer"), a_range("1:2", "inner"))
    assert [found.range_of(index).command for index in range(4)] == [
        ("outer",),
        ("inner",),
        ("inner",),
        ("outer",),
    ]


def test_both_spellings_of_amounts_are_read_and_the_newer_one_counts() -> None:
    asked = [{"type": "MEMORY", "value": "256"}, {"type": "GPU", "value": "2"}]
    (found,) = nodes(1, a_range("0", vcpus=2, resourceRequirements=asked)).ranges
    assert found.asked == {"VCPU": 2, "MEMORY": 256, "GPU": 2}


def test_ecs_and_eks_say_it_in_their_own_words() -> None:
    task = {"containers": [{"command": ["on", "ecs"], "image": "i"}]}
    pod = {"containers": [{"command": ["on", "eks"], "image": "i"}]}
    found = nodes(
        2,
        {"targetNodes": "0", "ecsProperties": {"taskProperties": [task]}},
        {"targetNodes": "1", "eksProperties": {"podProperties": pod}},
    )
    assert [one.command for one in found.ranges] == [("on", "ecs"), ("on", "eks")]


def test_the_main_node_has_the_tasks_own_place() -> None:
    found = nodes(4, a_range("0:3"), main=2)
    assert [found.seat(index) for index in range(4)] == [2, 1, 0, 3]


@pytest.mark.parametrize(
    ("count", "main", "ranges", "words"),
    [
        (0, 0, [a_range(":")], "numNodes: got 0; allowed: 1 to 1,000"),
        (1001, 0, [a_range(":")], "numNodes: got 1001"),
        (2, 2, [a_range(":")], "mainNode: got 2; allowed: the index of one of the 2 nodes"),
        (3, 0, [a_range("0"), a_range("2")], "got none for node 1; allowed: ranges that have"),
        (1, 0, [a_range("")], "targetNodes: got ''"),
        (1, 0, [a_range("0-1")], "targetNodes: got '0-1'; allowed: a node's index, or two"),
        (1, 0, [a_range("0", vcpus="many")], "VCPU: got 'many'; allowed: a number, 0 or more"),
    ],
)
def test_what_makes_no_sense_is_told(
    count: int, main: int, ranges: list[dict[str, Any]], words: str
) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        nodes(count, *ranges, main=main)


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        {"numNodes": "2", "mainNode": 0, "nodeRangeProperties": []},
        {
            "numNodes": 1,
            "mainNode": 0,
            "nodeRangeProperties": [{"targetNodes": "0", "container": 1}],
        },
        {"numNodes": 1, "mainNode": 0, "nodeRangeProperties": [a_range("0", environment=["A=1"])]},
    ],
)
def test_a_job_that_came_past_submit_job_with_nonsense_is_one_without_nodes(given: Any) -> None:
    assert nodes_of(a_leak(batch={"nodeProperties": given})) is None


def test_the_tasks_of_an_array_are_no_nodes() -> None:
    properties = {"numNodes": 1, "mainNode": 0, "nodeRangeProperties": [a_range("0", "x")]}
    batch = {"nodeProperties": properties}
    assert nodes_of(a_leak(batch=batch, array=True)) is None
    found = nodes_of(a_leak(batch=batch))
    assert found is not None
    assert found.count == 1
