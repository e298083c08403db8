"""From the history to a matrix and labels by target, through the predictor's own feature code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headgate.usage import Observation
from predictor.features import Facts
from predictor.learning import rows_of_observations
from predictor.model import TARGETS
from predictor.past import Past
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


def build(observations: Sequence[Observation]) -> Dataset:
    """The data set of a history; attempts that tell nothing are left out, censored ones are never
    labels.
    """
    ordered = sorted(observations, key=lambda item: item.finished_at_s)
    rows, known = rows_of_observations(ordered, Past())
    found = [
        {target: value for target, value, censored in measured(item) if not censored}
        for item in ordered
    ]
    kept = [place for place, labels in enumerate(found) if labels]
    labels = {
        target: np.array([found[place].get(target, np.nan) for place in kept], dtype=np.float64)
        for target in TARGETS
    }
    return Dataset(
        [known[place] for place in kept],
        [rows.families[rows.family[place]] for place in kept],
        labels,
        np.array([ordered[place].finished_at_s for place in kept], dtype=np.float64),
    )
