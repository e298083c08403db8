from __future__ import annotations

import numpy as np

from predictor.risk import Outlook, Price, charge, outlook


def test_too_much_costs_the_rest_and_too_little_costs_all_of_it_and_the_wait() -> None:
    given, need, runtime = np.array([10.0, 5.0]), np.array([8.0, 8.0]), np.array([2.0, 2.0])
    assert charge(given, need, runtime, 3.0).tolist() == [4.0, (5 + 3 * 8) * 2.0]


def test_few_errors_leave_a_wider_margin_than_many() -> None:
    few = outlook(np.sort([-0.01, 0.0, 0.01]), 0.5).cheapest(3.0)
    many = outlook(np.sort([-0.01, 0.0, 0.01] * 40), 0.5).cheapest(3.0)
    assert few > many > 0.0


def test_a_dearer_failure_widens_the_margin() -> None:
    what = outlook(np.sort(np.random.default_rng(0).normal(0, 0.1, 100)), 0.8)
    assert what.cheapest(20.0) >= what.cheapest(3.0) >= what.cheapest(0.5)


def test_what_is_known_to_be_beyond_a_point_is_beyond_it() -> None:
    what = outlook(np.sort(np.random.default_rng(0).normal(0, 0.1, 100)), 0.8)
    left = what.beyond(0.15)
    assert left is not None
    assert left.points.min() > 0.15
    assert np.isclose(left.chances.sum(), 1.0)
    assert what.beyond(100.0) is None


def test_a_lost_minute_weighs_more_on_a_short_task_than_on_a_long_one() -> None:
    weights = Price(3.0, 60.0).weights(np.array([6.0, 60.0, 6000.0]))
    assert np.allclose(weights, [33.0, 6.0, 3.03])


def test_the_cheapest_margin_leaves_a_small_chance_of_a_kill() -> None:
    what = outlook(np.sort(np.random.default_rng(0).normal(0, 0.1, 100)), 0.8)
    chances = [what.chance_beyond(what.cheapest(weight)) for weight in (1.0, 3.0, 20.0)]
    assert 0.2 > chances[0] > chances[1] > chances[2] > 0.0


def two_sizes(small: int, large: int) -> Outlook:
    """Needs about 1 GiB, and a few about 100, in log MiB."""
    rng = np.random.default_rng(0)
    logs = [*rng.normal(np.log(1e3), 0.05, small), *rng.normal(np.log(1e5), 0.05, large)]
    return outlook(np.sort(logs), 0.98)


def test_of_attempts_that_follow_each_other_the_first_reckons_with_the_next() -> None:
    """One at a time, a little more than the small need is cheapest: large ones are few and dear."""
    left = two_sizes(200, 40).beyond(np.log(1.1e3))
    assert left is not None
    assert np.exp(left.cheapest(3.0)) <= np.exp(left.first_of_many(3.0))
    assert np.exp(left.first_of_many(3.0)) > 90_000


def test_where_needs_hardly_differ_the_first_of_many_attempts_is_the_cheapest_one() -> None:
    what = outlook(np.sort(np.random.default_rng(0).normal(0, 0.02, 200)), 0.92)
    assert abs(what.first_of_many(20.0) - what.cheapest(20.0)) < 0.05
