"""From an attempt that ended to the histories of its families."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from headgate.usage import Observation
from predictor.answers import REQUESTED
from predictor.families import Families
from predictor.features import Facts, facts, family_keys, step_of
from predictor.model import BOOSTERS, Model, high_of
from predictor.past import Past, with_past
from predictor.risk import Vector
from predictor.rows import Rows
from predictor.turns import ALONE, LEARNT, NOTED, Turn, in_turns
from predictor.usage import measured
from predictor.window import Seen

#: Of a long history that is learnt at once, so many of each family's latest are charged one by one;
#: the ledger fades so fast that earlier ones would not be felt.
CHARGED = 16
#: A task that was held to so many cores is taken to need so many times more, up to its request.
WIDER = 1.5
#: Logs that differ by no more are of the same number of cores.
SAME_CORES = 0.05


def learn(
    families: Families,
    observations: Sequence[Observation],
    model: Model | None,
    turn: Turn = ALONE,
) -> None:
    """Add attempts to their families, in the order given. What reads or changes histories is done
    within `turn`, some attempts at a time: others may learn and ask in between.
    """
    rows, known = rows_of_observations(observations, families.past, turn)
    left = Counter(_labels(observations, rows))  # of every family, at every grain
    logs = {name: foretold(rows, observations, name, model) for name in BOOSTERS}

    def add(place: int) -> None:
        item, keys = observations[place], rows.families[rows.family[place]]
        inputs = _inputs(known[place])
        for target, value, censored in labelled(families, keys[0], item):
            middle, high = (_of(logs, name, place) for name in (target, high_of(target)))
            seen = _seen(item, inputs, target, (middle, high, float(np.log(value))))
            if censored:
                families.kill(keys, target, seen)
            else:
                charged = {key for key in keys if left[key, target] <= CHARGED}
                families.learn(keys, target, seen, charged)
                left.subtract((key, target) for key in keys)
        families.rest()

    in_turns(range(len(observations)), add, turn, LEARNT)


def labelled(
    families: Families, family: str, item: Observation
) -> Iterator[tuple[str, float, bool]]:
    """What the attempt tells, as `measured`; cores that it was held to as what it may need."""
    for target, value, censored in measured(item):
        if target == "vcpu" and censored:
            need = wider(families, family, item, value)
            if need is not None:
                yield target, need, False
        else:
            yield target, value, censored


def wider(families: Families, family: str, item: Observation, held_to: float) -> float | None:
    """The cores that a task which used up all it had may need; None where its family tells.

    One that has been seen to do with as many, when it could have had more, needs no more.
    """
    if families.most(family, "vcpu") >= np.log(held_to) - SAME_CORES:
        return None
    return min(WIDER * held_to, item.job.resources.vcpu or np.inf)


def _seen(
    item: Observation, inputs: Mapping[str, float], target: str, logs: tuple[float, float, float]
) -> Seen:
    asked = inputs.get(REQUESTED.get(target, ""), np.nan)
    return Seen(
        at_s=item.finished_at_s,
        inputs=inputs,
        model=logs[0],
        asked=float(np.log(asked)),
        log=logs[2],
        runtime_s=max(item.usage.runtime_s, 1e-3),
        high=logs[1],
    )


def _of(logs: Mapping[str, Vector], name: str, place: int) -> float:
    return float(logs[name][place]) if name in logs else np.nan


def rows_of_observations(
    observations: Sequence[Observation],
    past: Past,
    turn: Turn = ALONE,
) -> tuple[Rows, list[Facts]]:
    """The jobs of attempts as rows and as facts, each with the past as it was at its start.

    Starts and ends are gone through in the order of time. Asked later, the past of a long job would
    have been crowded out by those that ended meanwhile, and what is missing would tell its runtime.
    """
    known = [facts(item.job, item.parameters) for item in observations]
    keys = [family_keys(item.job, row) for item, row in zip(observations, known, strict=True)]

    def happen(event: tuple[float, bool, int]) -> None:
        _, is_start, place = event
        item, row, step = observations[place], known[place], step_of(keys[place])
        if is_start:
            started_s = item.finished_at_s - item.usage.runtime_s
            known[place] = with_past(row, step, past, started_s)
            return
        logs = {target: float(np.log(value)) for target, value, cut in measured(item) if not cut}
        if logs:
            past.add(step, row.names, item.finished_at_s, logs)

    in_turns(_events(observations), happen, turn, NOTED)
    return Rows.of(known, keys), known


def _events(observations: Sequence[Observation]) -> list[tuple[float, bool, int]]:
    """(time, whether it is a start, place) in the order of time; an end comes before a start."""
    ends = [(item.finished_at_s, False, place) for place, item in enumerate(observations)]
    starts = [
        (min(end - observations[place].usage.runtime_s, end - 1e-6), True, place)
        for end, _, place in ends
    ]
    return sorted([*ends, *starts])


def foretold(
    rows: Rows, observations: Sequence[Observation], name: str, model: Model | None
) -> Vector:
    """What a booster of the model foretells, in log, of attempts it has not learnt from.

    Of those that it has, only what it said while they were left out is honest; else NaN.
    """
    if model is None or name not in model.boosters:
        return np.full(rows.size, np.nan)
    at = np.array([item.finished_at_s for item in observations])
    fresh = at > model.to_s
    middles = np.array([model.said(name, float(time)) for time in at])
    if fresh.any():
        places = np.flatnonzero(fresh)
        middles[places] = model.logs(rows.take(places), name)
    return middles


def _labels(observations: Sequence[Observation], rows: Rows) -> list[tuple[str, str]]:
    return [
        (key, target)
        for place, item in enumerate(observations)
        for target, _, censored in measured(item)
        if not censored
        for key in rows.families[rows.family[place]]
    ]


def _inputs(known: Facts) -> dict[str, float]:
    return {name: value for name, value in known.numbers.items() if not name.startswith("history.")}
