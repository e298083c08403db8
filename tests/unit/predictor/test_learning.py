"""A long history is learnt in many short turns."""

from __future__ import annotations

import pytest

from predictor import turns as turns_
from predictor.predictor import Predictor
from tests.unit.predictor.examples import Turns, sweep_history

HISTORY = sweep_history(110)


def test_in_turns_as_much_is_learnt_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parted = Predictor(), Predictor()
    whole.observe(HISTORY)
    monkeypatch.setattr(turns_, "A_TURN", 7)
    parted.observe(HISTORY, Turns())
    jobs = [one.job for one in HISTORY]
    assert parted.estimate(jobs) == whole.estimate(jobs)


def test_others_get_the_predictor_while_it_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns()
    monkeypatch.setattr(turns_, "A_TURN", 10)
    Predictor().observe(HISTORY, turns)
    assert (
        turns.taken == (2 * len(HISTORY) + len(HISTORY)) / 10
    )  # starts and ends, and each attempt
