from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import InvalidInput
from headgate.sweep import Grid, Sweep
from headgate.validation import parse

axes = st.dictionaries(
    st.sampled_from("abcd"), st.lists(st.integers(0, 9), min_size=1, max_size=4), min_size=1
)


@given(axes)
def test_a_grid_computes_the_cartesian_product_in_order(axes: dict[str, list[int]]) -> None:
    grid = parse(Grid, {"axes": axes})

    expected = [dict(zip(axes, row, strict=True)) for row in itertools.product(*axes.values())]
    assert list(grid.tasks()) == expected
    assert grid.size == len(expected)


def test_a_grid_keeps_the_kinds_of_its_values() -> None:
    grid = parse(Grid, '{"axes": {"a": [1, 1.5, true, "x", null]}}')

    assert [type(value).__name__ for value in grid.axes["a"]] == [
        "int",
        "float",
        "bool",
        "str",
        "NoneType",
    ]


def test_a_task_beyond_the_grid_is_an_index_error() -> None:
    with pytest.raises(IndexError, match="task 2 of a sweep of 2"):
        Grid(axes={"a": (1, 2)}).task(2)


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        ({"grid": {"axes": {"a": []}}}, "grid.axes.a: got []; allowed: at least one value"),
        ({"grid": {"axes": {}}}, "grid.axes"),
        (
            {"grid": {"axes": {"a": [1, math.nan]}}},
            "grid.axes.a.1: got nan; allowed: a finite number",
        ),
        ({"grid": {"axes": {"a": [-math.inf]}}}, "grid.axes.a.0: got -inf"),
        ({}, "grid: got neither; allowed: either a grid or a size"),
        ({"size": 3, "grid": {"axes": {"a": [1]}}}, "grid: got both"),
        ({"size": 0}, "size: got 0; allowed: greater than or equal to 1"),
        ({"size": 10**12}, "size: got 1000000000000"),
    ],
)
def test_a_bad_sweep_is_refused_by_field(sweep: dict[str, object], words: str) -> None:
    job = {"name": "train", "command": ["train"]}

    with pytest.raises(InvalidInput) as refused:
        parse(Sweep, {"job": job, **sweep})
    assert words in str(refused.value)


def test_a_grid_of_a_million_million_tasks_is_refused_without_spelling_it_out() -> None:
    axis = list(range(10_000))

    with pytest.raises(InvalidInput, match="at most 100,000,000 tasks"):
        parse(Grid, {"axes": {"a": axis, "b": axis, "c": axis}})


def test_a_template_that_names_an_unknown_parameter_is_refused_with_the_known_ones() -> None:
    job = {"name": "train", "command": ["train", "--rate", "Ref::rate"]}

    with pytest.raises(InvalidInput, match="Ref::rate; allowed: a parameter of this sweep: depth"):
        parse(Sweep, {"job": job, "grid": {"axes": {"depth": [1, 2]}}})
