"""From jobs to estimates: the model where there is one, the family's history, the request, a
default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from headgate.estimate import Estimate, Quantiles, Source
from headgate.job import Job
from headgate.resources import Resources
from headgate.usage import Observation
from predictor.families import Families
from predictor.features import facts, family_keys
from predictor.model import TARGETS, Model
from predictor.rows import Rows, Sweep, distinct_rows, rows_of_jobs
from predictor.settings import PredictorSettings
from predictor.shape import Guess, assemble, merge_shapes
from predictor.usage import measured

Indexes = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an estimate is what it is."""

    estimate: Estimate
    families: Mapping[str, int]
    contributions: Mapping[str, float]


class Predictor:
    """Estimates jobs, and learns from each attempt that ends. Not thread-safe: one owner at a
    time.
    """

    def __init__(
        self, model: Model | None = None, settings: PredictorSettings | None = None
    ) -> None:
        self.model = model
        self.settings = settings or PredictorSettings()
        self.families = Families()

    @property
    def version(self) -> str | None:
        return self.model.version if self.model else None

    def with_model(self, model: Model | None) -> Self:
        """The same predictor, online histories and all, under another model."""
        other = type(self)(model, self.settings)
        other.families = self.families
        return other

    def estimate(self, jobs: Sequence[Job], modes: Sequence[str] | str = "cost") -> list[Estimate]:
        """One estimate a job. Never raises on a valid `Job`, whatever little is known of it."""
        each = list(repeat(modes, len(jobs))) if isinstance(modes, str) else list(modes)
        return self._estimate(jobs, rows_of_jobs(jobs), each)

    def estimate_task(
        self, job: Job, parameters: Mapping[str, object], mode: str = "cost"
    ) -> Estimate:
        """The estimate of one task of a sweep, with its own parameters."""
        return self._estimate([job], rows_of_jobs([job], [parameters]), [mode])[0]

    def estimate_sweep(
        self,
        job: Job,
        columns: Mapping[str, npt.NDArray[Any]] | None,
        size: int,
        mode: str = "cost",
    ) -> list[tuple[Indexes, Estimate]]:
        """The tasks of a sweep by predicted shape: at most `max_sweep_groups`, each with its
        estimate.

        `columns` holds the tasks' parameters by name, `size` values each; None: the tasks are
        alike.
        """
        if not columns:
            return [(np.arange(size, dtype=np.uint32), self.estimate([job], mode)[0])]
        distinct = distinct_rows(columns, size)
        sweep = Sweep(job, columns)
        parameters = [sweep.parameters(int(index)) for index in distinct.first]
        jobs = [job] * len(parameters)
        each = self._estimate(jobs, rows_of_jobs(jobs, parameters), [mode] * len(jobs))
        shapes, chosen = merge_shapes(each, self.settings.max_sweep_groups)
        group = np.asarray(chosen)[distinct.inverse]
        return [
            (np.flatnonzero(group == place).astype(np.uint32), shape)
            for place, shape in enumerate(shapes)
        ]

    def observe(self, observations: Sequence[Observation]) -> None:
        """Learn from attempts that ended, in the order given."""
        for item in observations:
            keys = family_keys(item.job, facts(item.job, item.parameters))
            for target, value, censored in measured(item):
                self.families.observe(keys, target, value, censored)

    def retry(self, failed: Observation, largest: Resources) -> Resources:
        """What to give the next attempt: more memory after a kill for memory, else the same
        again.
        """
        given = failed.allocation or Resources(1.0, self.settings.default.memory_mib, 0)
        if not failed.memory_is_censored:
            return given
        keys = family_keys(failed.job, facts(failed.job, failed.parameters))
        found = self.families.best_informed(keys, "memory_mib")
        most = max(found[1].values) * 1.05 if found else 0.0
        grown = most if most > given.memory_mib else given.memory_mib * self.settings.retry_factor
        memory_mib = max(given.memory_mib, min(int(np.ceil(grown)), largest.memory_mib))
        return Resources(given.vcpu, memory_mib, given.gpus)

    def explain(self, job: Job, mode: str = "cost") -> Explanation:
        """The estimate with the histories and the model's contributions behind it."""
        rows = rows_of_jobs([job])
        counts = {
            key: self.families.by_key[key].count("memory_mib")
            for key in rows.keys[0]
            if key in self.families.by_key
        }
        return Explanation(
            self._estimate([job], rows, [mode])[0], counts, self._contributions(rows)
        )

    def _contributions(self, rows: Rows) -> dict[str, float]:
        if self.model is None or "memory_mib" not in self.model.targets:
            return {}
        booster = self.model.boosters["memory_mib", 0.95]
        shares = booster.predict(rows.encode(self.model.encoder), pred_contrib=True)[0]
        names = [column.name for column in self.model.encoder.columns]
        return {name: float(share) for name, share in zip(names, shares[:-1], strict=True) if share}

    def _estimate(self, jobs: Sequence[Job], rows: Rows, modes: Sequence[str]) -> list[Estimate]:
        bounds = self._model_bounds(rows)
        return [
            self._one(job, keys, mode, {target: found[place] for target, found in bounds.items()})
            for place, (job, keys, mode) in enumerate(zip(jobs, rows.keys, modes, strict=True))
        ]

    def _model_bounds(self, rows: Rows) -> dict[str, npt.NDArray[np.float64]]:
        if self.model is None or not rows.known:
            return {}
        matrix = rows.encode(self.model.encoder)
        families = [keys[0] for keys in rows.keys]
        return {
            target: self.model.bounds(matrix, target, families) for target in self.model.targets
        }

    def _one(
        self,
        job: Job,
        keys: Sequence[str],
        mode: str,
        model: Mapping[str, npt.NDArray[np.float64]],
    ) -> Estimate:
        guesses = {target: self._guess(target, keys, mode, model.get(target)) for target in TARGETS}
        return assemble(job, keys[0], mode, guesses, self.settings, self.version)

    def _guess(
        self, target: str, keys: Sequence[str], mode: str, model: npt.NDArray[np.float64] | None
    ) -> Guess | None:
        if model is not None:
            p50, p95 = float(model[0]), float(model[1])
            return Guess(Quantiles(p50, p95), p95 * 1.05, Source.MODEL, "the trained model")
        found = self.families.best_informed(keys, target)
        if found is None:
            return None
        key, series = found
        weight = self.settings.failure_weight.get(mode, self.settings.failure_weight["safe"])
        why = f"the {len(series.values)} latest of family {key}"
        return Guess(Quantiles(*series.quantiles()), series.cheapest(weight), Source.FAMILY, why)
