"""Splits in time order."""

from __future__ import annotations

import numpy as np

from training.split import by_time, forward


def test_a_block_is_tested_on_all_that_came_before_it_and_on_half_at_least() -> None:
    folds = list(forward(100, 2))

    assert [(len(train), len(test)) for train, test in folds] == [(50, 25), (75, 25)]
    assert all(train.max() < test.min() for train, test in folds)


def test_blocks_of_few_rows_are_never_empty() -> None:
    assert all(len(train) and len(test) for train, test in forward(2, 5))
    assert list(forward(1, 3)) == []


def test_the_last_share_is_held_out() -> None:
    assert np.array_equal(by_time(10, 0.2)[1], [8, 9])
