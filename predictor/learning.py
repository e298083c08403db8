"""From an attempt that ended to the histories of its families."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from headgate.usage import Observation
from predictor.answers import REQUESTED
from predictor.families import Families
from predictor.features import Facts, facts, family_keys, step_of
from predictor.model import TARGETS, Model
from predictor.past import Past, with_past
from predictor.risk import Vector
from predictor.rows import Rows
from predictor.usage import measured
from predictor.window import Seen

#: Of a long history that is learnt at once, so many of each family's latest are charged one by one;
#: the ledger fades so fast that earlier ones would not be felt.
CHARGED = 16
#: Parameters and inputs are looked at before what was requested or typed.
FIRST = ("parameter.", "input.", "kin.")


def learn(families: Families, observations: Sequence[Observation], model: Model | None) -> None:
    """Add attempts to their families, in the order given."""
    rows, known = rows_of_observations(observations, families.past)
    left = Counter(_labels(observations, rows))
    logs = {target: model_middles(rows, observations, target, model) for target in TARGETS}
    for place, item in enumerate(observations):
        keys = rows.families[rows.family[place]]
        for target, value, censored in measured(item):
            middle = float(logs[target][place])
            seen = _seen(item, known[place], target, (middle, float(np.log(value))))
            if censored:
                families.kill(keys, target, seen)
            else:
                families.learn(keys, target, seen, left[keys[0], target] <= CHARGED)
                left[keys[0], target] -= 1


def _seen(item: Observation, known: Facts, target: str, logs: tuple[float, float]) -> Seen:
    asked = known.numbers.get(REQUESTED.get(target, ""), np.nan)
    return Seen(
        at_s=item.finished_at_s,
        inputs=_inputs(known),
        model=logs[0],
        asked=float(np.log(asked)),
        log=logs[1],
        runtime_s=max(item.usage.runtime_s, 1e-3),
    )


def rows_of_observations(
    observations: Sequence[Observation], past: Past
) -> tuple[Rows, list[Facts]]:
    """The jobs of attempts as rows and as facts, each with the past of its start; the past
    grows.
    """
    known: list[Facts] = []
    keys: list[tuple[str, ...]] = []
    for item in observations:
        row = facts(item.job, item.parameters)
        key = family_keys(item.job, row)
        started_s = item.finished_at_s - item.usage.runtime_s
        known.append(with_past(row, step_of(key), past, started_s))
        keys.append(key)
        logs = {target: float(np.log(value)) for target, value, cut in measured(item) if not cut}
        if logs:
            past.add(step_of(key), row.words, item.finished_at_s, logs)
    return Rows.of(known, keys), known


def model_middles(
    rows: Rows, observations: Sequence[Observation], target: str, model: Model | None
) -> Vector:
    """The log medians that the model foretells of attempts it has not learnt from.

    Of those that it has, only what it said while they were left out is honest; else NaN.
    """
    if model is None or target not in model.targets:
        return np.full(rows.size, np.nan)
    at = np.array([item.finished_at_s for item in observations])
    fresh = at > model.to_s
    middles = np.array([model.said(target, float(time)) for time in at])
    if fresh.any():
        places = np.flatnonzero(fresh)
        middles[places] = model.logs(rows.take(places), target)[:, 0]
    return middles


def _labels(observations: Sequence[Observation], rows: Rows) -> list[tuple[str, str]]:
    return [
        (rows.families[rows.family[place]][0], target)
        for place, item in enumerate(observations)
        for target, _, censored in measured(item)
        if not censored
    ]


def _inputs(known: Facts) -> dict[str, float]:
    own = [name for name in known.numbers if not name.startswith("history.")]
    own.sort(key=lambda name: not name.startswith(FIRST))
    return {name: known.numbers[name] for name in own}
