"""Figures as data."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from queue_broker.core.scoreboard import Point
from queue_broker.dashboard import figures


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1e-3, 1e12), min_size=1, max_size=20))
def test_axis_limits_hold_every_point_with_room_but_not_too_much(values: list[float]) -> None:
    low, high = figures.limits(values)
    assert low < min(values) <= max(values) < high
    assert low >= min(values) / 3
    assert high <= max(values) * 3
    assert round(low / 10 ** math.floor(math.log10(low) + 1e-9)) in (1, 2, 5)


def test_a_zero_is_drawn_at_the_edge_and_not_lost_in_the_logarithm() -> None:
    assert figures.limits([0.0])[0] > 0


def test_points_are_parted_by_source_and_share_the_names_of_families() -> None:
    points = [Point(1, 2, "a", "model"), Point(3, 4, "b", "family"), Point(5, 6, "a", "family")]
    drawn = figures.scatter(points, figures.WORDS["runtime_s"])
    assert drawn["families"] == ["a", "b"]
    assert drawn["points"]["model"] == {"predicted": [1], "actual": [2], "family": [0]}
    assert drawn["points"]["family"] == {"predicted": [3, 5], "actual": [4, 6], "family": [1, 0]}
