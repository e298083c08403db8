"""A long history is learnt in many short turns."""

from __future__ import annotations

from math import ceil

from predictor.predictor import Predictor
from predictor.turns import LEARNT, NOTED
from tests.unit.predictor.examples import Turns, sweep_history

HISTORY = sweep_history(110)


def test_in_turns_as_much_is_learnt_as_at_once() -> None:
    whole, parted = Predictor(), Predictor()
    whole.observe(HISTORY)
    parted.observe(HISTORY, Turns())
    jobs = [one.job for one in HISTORY]
    assert parted.estimate(jobs) == whole.estimate(jobs)


def test_others_get_the_predictor_while_it_learns() -> None:
    turns = Turns()
    Predictor().observe(HISTORY, turns)
    starts_and_ends = ceil(2 * len(HISTORY) / NOTED)
    assert turns.taken == starts_and_ends + ceil(len(HISTORY) / LEARNT)
