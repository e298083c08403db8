"""What a model would have cost on jobs that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headgate.estimate import Estimate
from headgate.usage import Observation
from predictor.predictor import Predictor
from predictor.risk import charge
from training.dataset import Vector

MIB_PER_GB = 1e9 / 2**20


@dataclass(frozen=True, slots=True)
class Score:
    """A back-test's result; costs in GB-hours, lost attempts included."""

    jobs: int
    cost_gbh: float
    wasted_gbh: float
    failures: int
    coverage: float
    memory_error: float
    runtime_error: float

    @property
    def failure_rate(self) -> float:
        return self.failures / self.jobs if self.jobs else 0.0


def score(predictor: Predictor, held_out: Sequence[Observation]) -> Score:
    """Estimate each held-out attempt, without learning from it, and charge what would have
    happened, at the price of a lost attempt that sweeps have.
    """
    labelled = [item for item in held_out if _has_label(item)]
    if not labelled:
        return Score(0, 0.0, 0.0, 0, float("nan"), float("nan"), float("nan"))
    estimates = estimate_tasks(predictor, labelled)
    need = np.array([item.usage.peak_memory_mib or 0.0 for item in labelled])
    runtime = np.array([item.usage.runtime_s for item in labelled])
    given = np.array([float(estimate.allocation.memory_mib) for estimate in estimates])
    hours = runtime / 3600 / MIB_PER_GB
    price = predictor.settings.failure_weight["cost"]
    return Score(
        jobs=len(labelled),
        cost_gbh=float(charge(given, need, hours, price).sum()),
        wasted_gbh=float(charge(given, need, hours, 0.0).sum()),
        failures=int((given < need).sum()),
        coverage=float(np.mean([e.memory_mib.p95 for e in estimates] >= need)),
        memory_error=_mape(np.array([e.memory_mib.p50 for e in estimates]), need),
        runtime_error=_mape(np.array([e.runtime_s.p50 for e in estimates]), runtime),
    )


def estimate_tasks(predictor: Predictor, tasks: Sequence[Observation]) -> list[Estimate]:
    """Each task as it would have been estimated with its own parameters, by cost."""
    jobs = [
        item.job.model_copy(update={"parameters": item.job.parameters | item.parameters})
        for item in tasks
    ]
    return predictor.estimate(jobs, "cost")


def _has_label(item: Observation) -> bool:
    return item.usage.peak_memory_mib is not None and item.exit_code in (0, None)


def _mape(predicted: Vector, actual: Vector) -> float:
    return float(np.mean(np.abs(predicted - actual) / np.maximum(actual, 1e-9)))
