"""Whether the stated bounds hold on later tasks: the share that stayed below each bound of
memory.

    python -m benchmarks.coverage PATH.parquet

PATH is a table in the format of nextflow_tasks.parquet, or of calcloud_awsbatch_jobs.parquet.
Workflow tasks come in the order of submission, the first 30 % of each process as history; the
bound is the published 95 % one. A bound that always holds is too wide, so the target is a band.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.baselines import synthetic, traces
from benchmarks.baselines.headgate import MIB, Headgate
from benchmarks.baselines.plots import calibration, picture
from benchmarks.baselines.tables import foretell, shuffled_folds
from benchmarks.report import Options, Result, main
from benchmarks.runtime_error import CALCLOUD, calcloud_rows
from headgate.estimate import Quantiles
from training.dataset import Vector

LOW, HIGH = 0.93, 0.97
Pair = tuple[Quantiles, float]


def measure(options: Options) -> Iterator[Result]:
    if options.path is None:
        found = workflows(synthetic.workflow(80, 7))
    elif "ipst" in (frame := traces.load(options.path)):
        found = {"CALCLOUD, 5-fold": table(frame.iloc[:: 8 if options.quick else 1], options.seed)}
    else:
        found = workflows(traces.read(options.path))
    shown: dict[str, Vector] = {}
    for name, (pairs, seconds) in found.items():
        need = np.array([actual for _, actual in pairs])
        shown[name] = np.array(
            [np.mean([bound.p50 for bound, _ in pairs] >= need), covered(pairs, need)]
        )
        yield from judged(name, covered(pairs, need), len(pairs), seconds)
    calibration(picture("coverage"), "Bounds of memory", np.array([0.5, 0.95]), shown)


def covered(pairs: list[Pair], need: Vector) -> float:
    return float(np.mean(np.array([bound.p95 for bound, _ in pairs]) >= need))


def judged(name: str, share: float, size: int, seconds: float) -> Iterator[Result]:
    yield Result(f"{name}: 95 % bound", share, "held", size, seconds, target=f">= {LOW}")
    yield Result(f"{name}: 95 % bound", share, "held", size, seconds, target=f"<= {HIGH}")


def workflows(frame: pd.DataFrame) -> dict[str, tuple[list[Pair], float]]:
    """Each process in the order of submission, learnt from task by task."""
    found: dict[str, tuple[list[Pair], float]] = {}
    for workflow, _, tasks in traces.processes(frame):
        began = time.perf_counter()
        history, later = traces.time_split(tasks)
        ours = Headgate(inputs=False)
        for task in history:
            ours.learn(task)
        pairs: list[Pair] = []
        for task in later:
            estimate = ours.predictor.estimate([ours.job(task)])[0]
            pairs.append((estimate.memory_mib, task.need_bytes / MIB))
            ours.learn(task)
        before, seconds = found.get(workflow, ([], 0.0))
        found[workflow] = (before + pairs, seconds + time.perf_counter() - began)
    return found


def table(frame: pd.DataFrame, seed: int) -> tuple[list[Pair], float]:
    began = time.perf_counter()
    kept = calcloud_rows(frame)
    said = foretell(kept, CALCLOUD, shuffled_folds(len(kept), seed))
    pairs = [(said[place].memory_mib, float(need)) for place, need in enumerate(kept["memory_mib"])]
    return pairs, time.perf_counter() - began


if __name__ == "__main__":
    main(measure, __doc__)
