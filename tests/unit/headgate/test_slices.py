from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.errors import InvalidInput
from headgate.slices import parse_slice, show_slice, spans


@pytest.mark.parametrize(
    ("tasks", "text"),
    [
        (7, "7"),
        ("0-99,200", "0-99,200"),
        (range(100), "0-99"),
        (range(0, 6, 2), "0,2,4"),
        ([5, 3, 4, 3, 9], "3-5,9"),
        ([], ""),
    ],
)
def test_tasks_are_shown_as_ranges(tasks: object, text: str) -> None:
    assert show_slice(tasks) == text  # type: ignore[arg-type]


def test_ranges_are_read_with_both_ends() -> None:
    assert parse_slice("0-99, 200") == [(0, 99), (200, 200)]


@given(st.sets(st.integers(0, 50), min_size=1))
@settings(max_examples=50)
def test_what_is_shown_is_read_back(tasks: set[int]) -> None:
    read = {
        index for first, last in parse_slice(show_slice(tasks)) for index in range(first, last + 1)
    }

    assert read == tasks


@given(st.sets(st.integers(0, 50)))
@settings(max_examples=50)
def test_no_two_spans_touch(tasks: set[int]) -> None:
    found = list(spans(sorted(tasks)))

    assert all(before[1] + 1 < after[0] for before, after in pairwise(found))


@pytest.mark.parametrize("text", ["", "a", "3-", "-3", "9-3", "1,,2", "1.5", "0-999999999", "٣-x"])
def test_what_is_no_range_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"tasks: got .* ranges such as 0-99,200"):
        parse_slice(text)
