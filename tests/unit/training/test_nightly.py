from __future__ import annotations

from headgate.estimate import Source
from predictor.artifact import from_files, to_files
from predictor.history import to_table
from predictor.predictor import Predictor
from tests.unit.predictor.examples import sweep_history
from training.gate import Promote
from training.nightly import train


def test_a_night_on_a_hundred_trainings_sizes_the_next_round_right() -> None:
    history = sweep_history(110)
    result = train(to_table(history))
    assert isinstance(result.decision, Promote), result.decision
    assert result.model is not None
    predictor = Predictor(from_files(to_files(result.model)))
    predictor.observe(history)
    later = sweep_history(110, seed=7)
    given = [predictor.estimate_task(item.job, item.parameters) for item in later]
    need = [item.usage.peak_memory_mib or 0.0 for item in later]
    killed = sum(e.allocation.memory_mib < n for e, n in zip(given, need, strict=True))
    asked = sum(e.allocation.memory_mib for e in given) / sum(need)
    assert given[0].source in (Source.MODEL, Source.FAMILY)
    assert killed <= 6
    assert asked <= 1.5, asked
