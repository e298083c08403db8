"""Splits that never let a model see its future."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.intp]


def by_time(size: int, share: float) -> tuple[Places, Places]:
    """The earlier part of `size` rows in time order, and the last `share` of them."""
    cut = size - max(1, round(size * share)) if size > 1 else size
    return np.arange(cut), np.arange(cut, size)


def forward(size: int, folds: int) -> Iterator[tuple[Places, Places]]:
    """Growing windows: each of `folds` blocks of the later half is tested on all that came before
    it; smaller windows would tell of a poorer model than the one that is fitted on all.
    """
    edges = np.linspace(size / 2, size, folds + 1).astype(int)
    for start, stop in pairwise(edges):
        if 0 < start < stop:
            yield np.arange(start), np.arange(start, stop)


def by_family(families: npt.NDArray[np.str_], folds: int) -> Iterator[tuple[Places, Places]]:
    """Each fold tests whole families that its training part has never seen."""
    names, place = np.unique(families, return_inverse=True)
    fold = place % max(2, folds)
    for number in range(min(len(names), max(2, folds))):
        tested = fold == number
        if tested.any() and not tested.all():
            yield np.flatnonzero(~tested), np.flatnonzero(tested)
