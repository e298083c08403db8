from __future__ import annotations

from dataclasses import replace

from training.evaluate import Score
from training.gate import Keep, Promote, decide

CURRENT = Score(100, 10.0, 8.0, 2, 0.95, 0.1, 0.2)


def test_a_cheaper_model_is_promoted() -> None:
    assert isinstance(decide(replace(CURRENT, cost_gbh=9.0), CURRENT), Promote)


def test_a_dearer_model_is_not() -> None:
    kept = decide(replace(CURRENT, cost_gbh=11.0), CURRENT)
    assert isinstance(kept, Keep)
    assert "11" in kept.reason


def test_a_cheaper_model_that_fails_more_than_is_allowed_is_not() -> None:
    assert isinstance(decide(replace(CURRENT, cost_gbh=5.0, failures=20), CURRENT), Keep)


def test_nothing_is_promoted_without_proof() -> None:
    assert isinstance(decide(replace(CURRENT, jobs=0), CURRENT), Keep)


def test_no_better_is_kept_out_unless_there_was_no_model_at_all() -> None:
    assert isinstance(decide(CURRENT, CURRENT), Keep)
    assert isinstance(decide(CURRENT, CURRENT, is_first=True), Promote)
