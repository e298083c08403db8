"""One night: history in, a decision and a model out. Where they are read from and written to is
the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa

from headgate.usage import Observation
from predictor.history import from_table
from predictor.model import Model
from predictor.predictor import Predictor
from training.dataset import build
from training.evaluate import Score, score
from training.fit import FitOptions, fit
from training.gate import Decision, Keep, decide
from training.split import by_time


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How a night is run. `held_out` is the latest share of the history, on which the gate
    judges.
    """

    fit: FitOptions = field(default_factory=FitOptions)
    held_out: float = 0.2
    max_failure_rate: float = 0.05


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """`model` was fitted on all of the history; it is to be published when `decision`
    promotes it.
    """

    decision: Decision
    model: Model | None
    card: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)


def train(
    history: pd.DataFrame | pa.Table,
    current: Model | None = None,
    options: TrainingOptions = TrainingOptions(),
) -> TrainingResult:
    """Back-test a candidate on the latest jobs against the current model, then fit it on
    everything.
    """
    observations = sorted(_observations(history), key=lambda item: item.finished_at_s)
    earlier, later = by_time(len(observations), options.held_out)
    past, future = _take(observations, earlier), _take(observations, later)
    if not past or not future:
        return TrainingResult(Keep(f"{len(observations)} attempts are too few to learn from"), None)
    candidate = _backtest(fit(build(past), options.fit), past, future)
    incumbent = _backtest(current, past, future)
    decision = decide(candidate, incumbent, options.max_failure_rate, is_first=current is None)
    card = _card(observations, candidate)
    report = {"candidate": asdict(candidate), "current": asdict(incumbent)}
    return TrainingResult(decision, fit(build(observations), options.fit, card), card, report)


def _observations(history: pd.DataFrame | pa.Table) -> list[Observation]:
    table = history if isinstance(history, pa.Table) else pa.Table.from_pandas(history)
    return from_table(table)


def _take(items: Sequence[Observation], places: Any) -> list[Observation]:
    return [items[place] for place in places]


def _backtest(model: Model | None, past: list[Observation], future: list[Observation]) -> Score:
    predictor = Predictor(model)
    predictor.observe(past)
    return score(predictor, future)


def _card(observations: Sequence[Observation], candidate: Score) -> dict[str, Any]:
    return {
        "rows": len(observations),
        "from_s": observations[0].finished_at_s,
        "to_s": observations[-1].finished_at_s,
        "metrics": asdict(candidate),
    }
