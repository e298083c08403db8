"""Workflows drawn at random: nobody who sizes their tasks can have been chosen by them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush, heapreplace

import numpy as np
import numpy.typing as npt
import pandas as pd

GIB = 2.0**30
#: Runtimes of a step in the median, in ms.
MINUTE_MS = 60_000.0
Vector = npt.NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Samples:
    """What each sample is: the size of its input, and a factor that nothing tells but what its
    other steps needed.
    """

    size: Vector
    hidden: Vector

    @classmethod
    def draw(cls, rng: Rng) -> Samples:
        count = int(rng.integers(40, 100))
        size = rng.lognormal(np.log(2e9), rng.uniform(0.2, 1.2), count)
        return cls(size, np.exp(rng.normal(0.0, rng.uniform(0.1, 0.7), count)))

    @property
    def relative(self) -> Vector:
        return self.size / np.median(self.size)


def steady(of: Samples, rng: Rng) -> Vector:
    return spread(of, rng, 0.0005, 0.02)


def line(of: Samples, rng: Rng) -> Vector:
    return (rng.uniform() + of.relative) * spread(of, rng)


def power_law(of: Samples, rng: Rng) -> Vector:
    return of.relative ** rng.uniform(0.2, 1.2) * spread(of, rng)


def step(of: Samples, rng: Rng) -> Vector:
    is_large = of.size > np.quantile(of.size, rng.uniform(0.3, 0.9))
    return np.where(is_large, rng.uniform(1.5, 6.0), 1.0) * spread(of, rng)


def cap(of: Samples, rng: Rng) -> Vector:
    most = np.quantile(of.relative, rng.uniform(0.3, 0.9))
    return np.minimum(of.relative, most) * spread(of, rng, 0.002, 0.02)


def unrelated(of: Samples, rng: Rng) -> Vector:
    return spread(of, rng)


def modes(of: Samples, rng: Rng) -> Vector:
    is_other = rng.random(len(of.size)) < rng.uniform(0.05, 0.5)
    return np.where(is_other, rng.uniform(1.5, 8.0), 1.0) * spread(of, rng)


def heavy_tail(of: Samples, rng: Rng) -> Vector:
    return 1 + rng.uniform(0.1, 1.0) * rng.pareto(rng.uniform(1.5, 4.0), len(of.size))


def drift(of: Samples, rng: Rng) -> Vector:
    return np.exp(np.linspace(0.0, rng.uniform(-1.0, 1.5), len(of.size))) * spread(of, rng)


def jump(of: Samples, rng: Rng) -> Vector:
    is_later = np.arange(len(of.size)) > rng.uniform(0.2, 0.9) * len(of.size)
    return np.where(is_later, rng.uniform(0.5, 4.0), 1.0) * spread(of, rng)


def hidden(of: Samples, rng: Rng) -> Vector:
    return of.hidden ** rng.uniform(0.5, 1.5) * spread(of, rng)


Kind = Callable[[Samples, Rng], Vector]
KINDS: tuple[Kind, ...] = (
    *(steady, line, power_law, step, cap, unrelated),
    *(modes, heavy_tail, drift, jump, hidden),
)


def spread(of: Samples, rng: Rng, least: float = 0.002, most: float = 0.3) -> Vector:
    """Noise of a drawn width, normal or with Student's heavier tails, as a factor."""
    width, count = np.exp(rng.uniform(np.log(least), np.log(most))), len(of.size)
    errors = rng.normal(size=count) if rng.random() < 0.5 else rng.standard_t(3, count)
    factor: Vector = np.exp(width * np.clip(errors, -8.0, 8.0))
    return factor


def workflow(seed: int) -> pd.DataFrame:
    """A table in the format of nextflow_tasks.parquet: some samples through some steps on a machine
    with some slots, each step submitted when the one before it has ended.
    """
    rng = np.random.default_rng(seed)
    samples = Samples.draw(rng)
    kinds = [KINDS[place] for place in rng.integers(len(KINDS), size=rng.integers(4, 7))]
    frames = [_step(f"{at}_{kind.__name__}", kind, samples, rng) for at, kind in enumerate(kinds)]
    is_sorted, wait_ms = rng.random() < 0.3, float(rng.choice([0.0, 1e5, 1e6]))
    order = np.argsort(samples.size) if is_sorted else np.arange(len(samples.size))
    _run(frames, order, wait_ms, slots=int(rng.integers(4, 64)))
    return pd.concat(frames, ignore_index=True).assign(workflow=f"drawn {seed}")


def _step(name: str, kind: Kind, of: Samples, rng: Rng) -> pd.DataFrame:
    need = GIB * np.exp(rng.uniform(np.log(0.2), np.log(40.0))) * kind(of, rng)
    runtime = of.relative ** rng.uniform(0.0, 1.3) * of.hidden ** rng.uniform()
    runtime *= MINUTE_MS * rng.lognormal(0.0, 1.5) * spread(of, rng, 0.05, 0.5)
    asked = 2.0 ** np.ceil(np.log2(need.max() * rng.uniform(1.2, 4.0)))
    return pd.DataFrame(
        {
            "task": name,
            "tag": [f"S{number}" for number in range(len(need))],
            "req_memory_bytes": asked,
            "input_read_bytes": of.size,
            "rss_bytes": need,
            "realtime_ms": runtime,
        }
    )


def _run(
    steps: list[pd.DataFrame], order: npt.NDArray[np.intp], wait_ms: float, slots: int
) -> None:
    """Fill in when each task is submitted and complete, first come, first served."""
    count = len(order)
    submit, complete = np.zeros((len(steps), count)), np.zeros((len(steps), count))
    free = [0.0] * slots
    queue = [(wait_ms * place, place, 0) for place in range(count)]
    while queue:
        at, place, number = heappop(queue)
        sample = order[place]
        end = max(at, free[0]) + float(steps[number]["realtime_ms"].iloc[sample])
        heapreplace(free, end)
        submit[number, sample], complete[number, sample] = at, end
        if number + 1 < len(steps):
            heappush(queue, (end, place, number + 1))
    for frame, begun, ended in zip(steps, submit, complete, strict=True):
        frame["submit_ms"], frame["complete_ms"] = begun, ended
