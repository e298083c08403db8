"""Sweeps of many rows are estimated a block at a time."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from headgate.estimate import Estimate
from predictor import sweeps
from predictor.model import Heard, Model
from predictor.predictor import Predictor
from predictor.rows import Rows
from tests.unit.predictor.examples import Turns, sweep_history
from training.dataset import build
from training.fit import fit

HISTORY = sweep_history(110)
ROWS = 1000


def columns() -> dict[str, npt.NDArray[Any]]:
    words = ["forest", "svm", "logistic", "unheard"] * (ROWS // 4)
    return {
        "algorithm": np.array(words, dtype=object),
        "rows": np.random.default_rng(0).integers(1_000, 100_000, ROWS),
    }


@cache
def a_model() -> Model:
    return fit(build(HISTORY))


def by_task(groups: list[tuple[npt.NDArray[np.uint32], Estimate]]) -> dict[int, Estimate]:
    return {int(task): estimate for tasks, estimate in groups for task in tasks}


@pytest.mark.parametrize("trained", [False, True])
def test_in_blocks_they_come_out_as_in_one(
    monkeypatch: pytest.MonkeyPatch, *, trained: bool
) -> None:
    predictor = Predictor(a_model() if trained else None)
    predictor.observe(HISTORY)
    whole = by_task(predictor.estimate_sweep(HISTORY[0].job, columns(), ROWS))
    monkeypatch.setattr(sweeps, "BLOCK_ROWS", 70)
    assert by_task(predictor.estimate_sweep(HISTORY[0].job, columns(), ROWS)) == whole


def test_others_get_the_predictor_while_the_model_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns()

    class Speaking(Predictor):
        def _hear(self, rows: Rows) -> Heard:
            assert not turns.held
            return super()._hear(rows)

    monkeypatch.setattr(sweeps, "BLOCK_ROWS", 100)
    predictor = Speaking(a_model())
    predictor.observe(HISTORY)
    predictor.estimate_sweep(HISTORY[0].job, columns(), ROWS, "cost", turns)
    assert turns.taken == 1 + ROWS // 100
