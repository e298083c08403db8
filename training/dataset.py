"""From the history to a matrix and labels by target, through the predictor's own feature code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headgate.usage import Observation
from predictor.features import Facts, facts, family_keys
from predictor.model import TARGETS
from predictor.usage import measured

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Attempts in the order they ended. A label is NaN where it was not measured or was
    censored.
    """

    known: Sequence[Facts]
    families: Sequence[tuple[str, ...]]
    labels: dict[str, Vector]
    finished_at_s: Vector

    def __len__(self) -> int:
        return len(self.known)

    def take(self, places: npt.NDArray[np.intp]) -> Dataset:
        return Dataset(
            [self.known[place] for place in places],
            [self.families[place] for place in places],
            {target: values[places] for target, values in self.labels.items()},
            self.finished_at_s[places],
        )


def build(observations: Sequence[Observation]) -> Dataset:
    """The data set of a history; attempts that tell nothing are left out, censored ones are never
    labels.
    """
    ordered = sorted(observations, key=lambda item: item.finished_at_s)
    known: list[Facts] = []
    families: list[tuple[str, ...]] = []
    labels: dict[str, list[float]] = {target: [] for target in TARGETS}
    times: list[float] = []
    for item in ordered:
        found = {target: value for target, value, censored in measured(item) if not censored}
        if not found:
            continue
        row = facts(item.job, item.parameters)
        known.append(row)
        families.append(family_keys(item.job, row))
        times.append(item.finished_at_s)
        for target in TARGETS:
            labels[target].append(found.get(target, np.nan))
    arrays = {target: np.asarray(values, dtype=np.float64) for target, values in labels.items()}
    return Dataset(known, families, arrays, np.asarray(times, dtype=np.float64))
