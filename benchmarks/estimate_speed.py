"""How fast estimates are made: one at a time, in the batches of a pass, and a sweep of 10^6 rows
beside LightGBM's own predict; and what it costs that a sweep is cut into few shapes.

The trained model and the histories come from a seeded sweep. The sweep that is timed has 10^6
distinct rows, so that there is nothing to save: LightGBM's own time is that of the same boosters
on the same encoded matrix. Sizey needed about 30 minutes for some 700 predictions on this size of
machine (its published run, repeated once).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.report import Options, Result, main
from headgate.job import Job
from headgate.lifecycle import Cause
from headgate.resources import ResourceRequest
from headgate.usage import Meter, Observation, Usage
from predictor.model import Model, raw_predict
from predictor.predictor import Predictor
from predictor.rows import Rows, split_columns
from training.dataset import build
from training.fit import FitOptions, fit

SIZEY_PER_S = 700 / 1800
#: Jobs that the broker estimates in one pass, and how many of them are timed one by one.
BATCH, ALONE = 500, 50
#: Tasks of a sweep that are sized each by itself, too.
SAMPLE = 500
JOB = Job(name="train", command=("python", "train.py"), resources=ResourceRequest(memory_mib=16384))
ALGORITHMS = {"forest": 0.02, "svm": 0.01, "logistic": 0.002}


def history(rows: int, seed: int) -> list[Observation]:
    """A sweep of trainings whose memory and runtime follow their parameters."""
    rng = np.random.default_rng(seed)
    found = []
    for place in range(rows):
        algorithm = list(ALGORITHMS)[place % len(ALGORITHMS)]
        size, rate = int(rng.integers(1_000, 200_000)), float(rng.lognormal(-3, 1))
        memory = (120 + ALGORITHMS[algorithm] * size) * float(rng.lognormal(0, 0.05))
        usage = Usage(1 + size / 5_000 / (1 + rate), memory, size / 2_000, meter=Meter.CGROUP)
        own: dict[str, object] = {"algorithm": algorithm, "rows": size, "rate": rate}
        found.append(Observation(JOB, usage, Cause.EXITED, 0, 1, 1e9 + place, parameters=own))
    return found


def trained(seed: int) -> tuple[Model, Predictor]:
    seen = history(2_000, seed)
    model = fit(build(seen), FitOptions(folds=2))
    predictor = Predictor(model)
    predictor.observe(seen)
    return model, predictor


def measure(options: Options) -> Iterator[Result]:
    model, predictor = trained(options.seed)
    yield from singles(predictor, 300 if options.quick else 2_000)
    yield batches(predictor, 4 if options.quick else 20)
    size = 100_000 if options.quick else 1_000_000
    yield sweep(model, predictor, size, options.seed)
    yield in_shapes(predictor, size, options.seed)


def jobs_of(count: int, seed: int) -> list[Job]:
    """Jobs that all differ in their parameters."""
    seen = history(count, seed)
    return [JOB.model_copy(update={"parameters": item.parameters}) for item in seen]


def singles(predictor: Predictor, count: int) -> Iterator[Result]:
    jobs = jobs_of(count, seed=2)
    predictor.estimate(jobs[:1])
    times = []
    for job in jobs:
        began = time.perf_counter()
        predictor.estimate([job])
        times.append(time.perf_counter() - began)
    total = sum(times)
    p99_ms = float(np.percentile(times, 99)) * 1000
    yield Result("one estimate, p99", p99_ms, "ms", count, total, target="<= 5")
    rate = count / total
    against = {"Sizey": SIZEY_PER_S}
    yield Result(
        "estimates a second", rate, "1/s", count, total, against, rate / SIZEY_PER_S, ">= 1000"
    )


def batches(predictor: Predictor, count: int) -> Result:
    """A job's share of a batch, and of the same jobs one by one, in turn; the medians."""
    jobs = jobs_of(BATCH, seed=3)
    together, alone = [], []
    for _ in range(count):
        began = time.perf_counter()
        predictor.estimate(jobs)
        together.append(time.perf_counter() - began)
        began = time.perf_counter()
        for job in jobs[:ALONE]:
            predictor.estimate([job])
        alone.append((time.perf_counter() - began) * BATCH / ALONE)
    ours, theirs = (float(np.median(times)) / BATCH * 1e6 for times in (together, alone))
    spent = sum(together) + sum(alone) * ALONE / BATCH
    against = {"one by one": theirs}
    return Result(
        f"a job in a batch of {BATCH}", ours, "us", count * BATCH, spent, against, ours / theirs
    )


def columns_of(size: int, seed: int) -> dict[str, npt.NDArray[Any]]:
    """The parameters of a sweep, no two tasks alike."""
    rng = np.random.default_rng(seed)
    return {
        "algorithm": rng.choice(list(ALGORITHMS), size),
        "rows": rng.integers(1_000, 200_000, size),
        "rate": rng.lognormal(-3, 1, size),
    }


def sweep(model: Model, predictor: Predictor, size: int, seed: int) -> Result:
    """Ours and LightGBM's in turn, the least of three of each."""
    columns = columns_of(size, seed)
    rows = Rows.of_sweep(JOB, split_columns(dict(columns)), size, predictor.families.past)
    matrix = model.encoder.encode(rows)
    ours, theirs = [], []
    for _ in range(3):
        began = time.perf_counter()
        predictor.estimate_sweep(JOB, dict(columns), size)
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        for booster in model.boosters.values():
            raw_predict(booster, matrix)
        theirs.append(time.perf_counter() - began)
    against = {"LightGBM predict": min(theirs)}
    ratio = min(ours) / min(theirs)
    spent = sum(ours) + sum(theirs)
    return Result("a sweep of distinct rows", min(ours), "s", size, spent, against, ratio, "<= 1.3")


def in_shapes(predictor: Predictor, size: int, seed: int) -> Result:
    """The memory that tasks are given as the sweep's shapes, and as each would be by itself."""
    columns, given = columns_of(size, seed), np.empty(size)
    began = time.perf_counter()
    for tasks, estimate in predictor.estimate_sweep(JOB, dict(columns), size):
        given[tasks] = estimate.allocation.memory_mib
    sample = np.random.default_rng(seed).choice(size, SAMPLE, replace=False)
    each = [{name: values[at].item() for name, values in columns.items()} for at in sample]
    alone = [predictor.estimate_task(JOB, own).allocation.memory_mib for own in each]
    ours, own = float(given[sample].mean()), float(np.mean(alone))
    spent, against = time.perf_counter() - began, {"each by itself": own}
    return Result("memory of a sweep's tasks", ours, "MiB", SAMPLE, spent, against, ours / own)


if __name__ == "__main__":
    main(measure, __doc__)
