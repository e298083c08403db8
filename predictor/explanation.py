"""Why an estimate is what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from headgate.estimate import Estimate
from predictor.answers import known_of
from predictor.bases import strongest
from predictor.families import ANYONE, Families, Voice
from predictor.model import Heard, Model
from predictor.regression import logged
from predictor.rows import Rows

NEIGHBOURS = 5
#: The most inputs that nearness is judged by.
MOST_INPUTS = 4
TARGET = "memory_mib"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A past attempt that is like the job: when it ended, what it needed, and what was known of it
    of the inputs that its family's need moves with; of all, where it moves with none.
    """

    finished_at_s: float
    memory_mib: float
    runtime_s: float
    inputs: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Explanation:
    """An estimate of memory with what is behind it.

    `families` counts the attempts seen at each grain; `prices` is what each way would have cost,
    where 1 is the cost of the family's median with a margin; `contributions` are the
    model's SHAP values: what each feature adds to the log of its median.
    """

    estimate: Estimate
    families: Mapping[str, int]
    contributions: Mapping[str, float]
    prices: Mapping[str, float] = field(default_factory=dict)
    neighbours: tuple[Neighbour, ...] = ()


def explain(
    estimate: Estimate, rows: Rows, families: Families, model: Model | None, weight: float
) -> Explanation:
    """The explanation of the estimate of a single row, at a price of a lost attempt."""
    keys = rows.families[0]
    voice = families.voice(keys, TARGET, weight)
    if voice is not None and voice.key == ANYONE:
        voice = None  # jobs of other kinds are not like it
    return Explanation(
        estimate,
        families.counts(keys, TARGET),
        {} if model is None else model.contributions(rows, TARGET),
        {} if voice is None else _in_words(voice.choice.prices()),
        () if voice is None else _neighbours(voice, rows),
    )


def _in_words(prices: Mapping[str, float]) -> dict[str, float]:
    """`line/0.92` as `line, tail above 92 %`: from there on its errors are smoothed.

    A price is made of two halves, each 1 for the family's median; told is their mean.
    """
    ways = ((*way.rpartition("/"), price) for way, price in prices.items())
    return {
        f"{base}, tail above {100 * float(tail):g} %": price / 2 for base, _, tail, price in ways
    }


def _neighbours(voice: Voice, rows: Rows) -> tuple[Neighbour, ...]:
    """The nearest by the inputs that tell most, each scaled by its spread; ties to the latest."""
    window, seen = voice.series.ring.window(), voice.series.ring.seen
    names = (strongest(window) or list(window.known.inputs))[:MOST_INPUTS]
    asked = known_of(rows, TARGET, Heard(), np.arange(1))
    distance = np.zeros(len(seen))
    for name in names:
        shaped = logged(window.known.inputs[name])
        gap = (shaped - logged(window.reader(name)(asked)[0])) / (np.nanstd(shaped) + 1e-12)
        distance += np.nan_to_num(gap) ** 2
    order = np.lexsort((-np.arange(len(seen)), distance))[:NEIGHBOURS]
    return tuple(
        Neighbour(
            seen[place].at_s,
            float(np.exp(seen[place].log)),
            seen[place].runtime_s,
            {
                name: float(values[place])
                for name, values in window.known.inputs.items()
                if name in names and np.isfinite(values[place])
            },
        )
        for place in order
    )
