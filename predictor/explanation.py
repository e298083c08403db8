"""Why an estimate is what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from headgate.estimate import Estimate
from predictor.families import Families, Voice
from predictor.model import Model
from predictor.regression import logged
from predictor.rows import Rows

NEIGHBOURS = 5
TARGET = "memory_mib"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A past attempt that is like the job: when it ended, what it needed, what was known of it."""

    finished_at_s: float
    memory_mib: float
    runtime_s: float
    inputs: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Explanation:
    """An estimate of memory with what is behind it.

    `families` counts the attempts seen at each grain; `prices` is what each way would have cost,
    where 1 is twice the cost of the family's median with a margin; `contributions` are the
    model's SHAP values: what each feature adds to the log of its median.
    """

    estimate: Estimate
    families: Mapping[str, int]
    contributions: Mapping[str, float]
    prices: Mapping[str, float] = field(default_factory=dict)
    neighbours: tuple[Neighbour, ...] = ()


def explain(estimate: Estimate, rows: Rows, families: Families, model: Model | None) -> Explanation:
    """The explanation of the estimate of a single row."""
    keys = rows.families[0]
    voice = families.voice(keys, TARGET)
    return Explanation(
        estimate,
        families.counts(keys, TARGET),
        {} if model is None else model.contributions(rows, TARGET),
        {} if voice is None else voice.series.prices(),
        () if voice is None else _neighbours(voice, rows),
    )


def _neighbours(voice: Voice, rows: Rows) -> tuple[Neighbour, ...]:
    """The nearest by the inputs that differ within the family, each scaled by its spread;
    ties to the latest.
    """
    inputs = voice.series.ring.window().known.inputs
    seen = list(voice.series.ring.seen)
    distance = np.zeros(len(seen))
    for name, values in inputs.items():
        shaped = logged(values)
        gap = (shaped - logged(rows.number(name)[0])) / (shaped.std() + 1e-12)
        distance += np.nan_to_num(gap) ** 2
    order = np.lexsort((-np.arange(len(seen)), distance))[:NEIGHBOURS]
    return tuple(
        Neighbour(item.at_s, float(np.exp(item.log)), item.runtime_s, item.inputs)
        for item in (seen[place] for place in order)
    )
