"""What production waits while a sweep is estimated whose tasks all differ.

A model takes half a minute of every core for a million rows, and the broker has one predictor. From
the call that submits a production job until the engine is handed it: before the sweep comes, and
from then on until the last of its tasks has its estimate.

Caveats: the jobs come one at a time, each when the one before was handed over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count

import numpy as np

from benchmarks.backlog import WatchedEngine, production_wait
from benchmarks.estimate_speed import ALGORITHMS, JOB, trained
from benchmarks.report import Options, Result, main
from benchmarks.stages import LANE, POSTGRES, SQLITE, database, instant_broker
from headgate.job import Scalar
from headgate.lifecycle import State
from headgate.sweep import Grid
from queue_broker.broker import Broker
from queue_broker.records import JobId, Submission

SWEEP = JobId("sweep")
#: Jobs that are timed before the sweep comes.
ALONE = 40
#: Between two jobs.
PAUSE_S = 0.03


def measure(options: Options) -> Iterator[Result]:
    rates = 33 if options.quick else 333
    _, predictor = trained(options.seed)
    for kind in (POSTGRES, SQLITE):
        engine = WatchedEngine()
        with database(kind) as url, instant_broker(url, LANE, engine, predictor) as broker:
            broker.start()
            alone = [shot(broker, engine, f"before-{at}") for at in range(ALONE)]
            start, size = time.perf_counter(), submit(broker, rates, options.seed)
            beside = list(shots(broker, engine))
            yield from results(kind, size, alone, beside, time.perf_counter() - start)


def submit(broker: Broker, rates: int, seed: int) -> int:
    """A grid of 3,000 tasks for each rate; how many there are."""
    rng = np.random.default_rng(seed)
    axes: dict[str, tuple[Scalar, ...]] = {
        "algorithm": tuple(ALGORITHMS),
        "rows": tuple(range(1_000, 201_000, 200)),
        "rate": tuple(rng.lognormal(-3, 1, rates).tolist()),
    }
    grid = Grid(axes=axes)
    now_s = time.time()
    sweep = Submission(SWEEP, JOB, "team", "sweep", now_s, "d", grid.size, True, parameters=grid)
    broker.store.add([sweep])
    broker.wake()
    return grid.size


def shots(broker: Broker, engine: WatchedEngine) -> Iterator[float]:
    """Milliseconds that each production job waits, until the sweep has its estimates."""
    for at in count():
        yield shot(broker, engine, f"beside-{at}")
        if not broker.store.job(SWEEP).counts[State.SUBMITTED]:
            return


def shot(broker: Broker, engine: WatchedEngine, job_id: str) -> float:
    time.sleep(PAUSE_S)
    return production_wait(broker, engine, job_id)


def results(
    kind: str, size: int, alone: list[float], beside: list[float], seconds: float
) -> Iterator[Result]:
    for q in (0.5, 0.99, 1.0):
        name = "longest" if q == 1 else f"p{100 * q:.0f}"
        label = f"arrival, {kind}: production's {name} while {size:,} tasks are estimated"
        value, before = (float(np.quantile(waits, q)) for waits in (beside, alone))
        # What is promised is the time; beside a ratio the ratio would be judged.
        ratio, target = (None, "<= 250") if q == 0.99 else (value / before, None)
        yield Result(label, value, "ms", len(beside), seconds, {"before": before}, ratio, target)


if __name__ == "__main__":
    main(measure, __doc__)
