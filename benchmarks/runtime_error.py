"""Errors of predicted memory and runtime on real batch jobs: CALCLOUD's, or Galaxy's bowtie2.

    python -m benchmarks.runtime_error calcloud_awsbatch_jobs.parquet
    python -m benchmarks.runtime_error galaxy_memory_bowtie2.parquet

CALCLOUD (Hubble calibrations on AWS Batch, github.com/alphasentaurii/calcloud-ml-dashboard) holds
the answers of a peer's neural network in production, beside which ours are put. Two splits:
5-fold, shuffled; and by the order of the job ids, the last fifth, which is an instrument that
training has hardly seen: once frozen, once learnt from as jobs end, as the broker does. Galaxy
(github.com/atyryshkina/algorithm-performance-analysis) has only memory. Without PATH a seeded
table stands in. `--quick` takes every fourth row.

What is reserved is what the broker would give CALCLOUD's jobs as production on EC2's instances: no
less than comes with a core (`queue_broker/core/offer.py`). What the predictor alone would give
stands beside it, as "allocated".
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm
from sklearn.metrics import r2_score

from benchmarks.baselines.plots import picture, scatter
from benchmarks.baselines.tables import Columns, Folds, foretell, mape, shuffled_folds
from benchmarks.baselines.traces import load
from benchmarks.money import lanes
from benchmarks.report import Options, Result, main
from headgate.job import Job
from predictor.series import BOUND
from predictor.settings import PredictorSettings
from queue_broker.core.offer import Offer
from queue_broker.core.predict import COST

Vector = npt.NDArray[np.float64]
MIB_PER_GB = 1e9 / 2**20
#: The peer's four sizes, in GB; a job gets the one that its predicted bin stands for.
BINS_GB = np.array([2.0, 8.0, 16.0, 64.0])
CALCLOUD = Columns(
    "calcloud",
    ("n_files", "total_mb", "drizcorr", "pctecorr", "crsplit", "subarray", "detector", "dtype"),
    "memory_mib",
    "wallclock",
    words=("instr",),
    tags=("program", "visit"),
)
MEASURED, PEERS = ("memory", "wallclock", "mem_bin"), ("mem_pred", "wall_pred", "bin_pred")
NEEDED = ("ipst", *MEASURED, *PEERS, *CALCLOUD.parameters, *CALCLOUD.words)
#: In the order of ids, so many jobs run at a time; each is learnt from when they have ended.
AT_ONCE = 20
GALAXY_TARGET = "memory.max_usage_in_bytes"


@dataclass(frozen=True, slots=True)
class Foretold:
    """The tested rows, and what was foretold of each and given it: MiB and seconds."""

    rows: pd.DataFrame
    memory: Vector
    bound: Vector
    runtime: Vector
    allocated: Vector  #: by the predictor alone
    given: Vector

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        columns: Columns,
        folds: Folds,
        mode: str = COST,
        at_once: int = 0,
    ) -> Foretold:
        found = foretell(frame, columns, folds, mode, at_once)
        places = sorted(found)
        fleet, kind = Offer.of(lanes()), Job(name=columns.name, command=("run",))
        said = [found[place] for place in places]
        fitted = [fleet.fit(one, kind, mode != COST) for one in said]
        return cls(
            frame.iloc[places],
            np.array([one.memory_mib.p50 for one in said]),
            np.array([one.memory_mib.p95 for one in said]),
            np.array([one.runtime_s.p50 for one in said]),
            np.array([float(one.allocation.memory_mib) for one in said]),
            np.array([float(one.allocation.memory_mib) for one in fitted]),
        )


def edges(frame: pd.DataFrame) -> Vector:
    """The bins' edges in GB, read off the labels."""
    spans = frame.groupby("mem_bin")["memory"].agg(["min", "max"]).sort_index()
    highest = spans["max"].to_numpy(dtype=np.float64)
    lowest = spans["min"].to_numpy(dtype=np.float64)
    return np.asarray((highest[:-1] + lowest[1:]) / 2)


def calcloud_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that were measured. A job id is Hubble's IPPPSSOOT: instrument and programme, then
    the visit, then the exposure; so the first four and six letters say what a job works on.
    """
    kept = frame[(frame["memory"] > 0) & (frame["wallclock"] > 0)].reset_index(drop=True)
    return kept.assign(
        memory_mib=kept["memory"] * MIB_PER_GB,
        program=kept["ipst"].str[:4],
        visit=kept["ipst"].str[:6],
    )


def calcloud(frame: pd.DataFrame, options: Options) -> Iterator[Result]:
    frame = calcloud_rows(frame.iloc[::4] if options.quick else frame)
    ordered = np.argsort(frame["ipst"].to_numpy(), kind="stable")
    cut = round(0.8 * len(frame))
    by_id = [(ordered[:cut], ordered[cut:])]
    folds = shuffled_folds(len(frame), options.seed)
    for name, splits, at_once in (
        ("by id, frozen", by_id, 0),
        ("by id", by_id, AT_ONCE),
        ("5-fold", folds, 0),
    ):
        began = time.perf_counter()
        found = Foretold.of(frame, CALCLOUD, splits, "safe", at_once)
        yield from judged(name, found, time.perf_counter() - began)
        actual = found.rows["memory_mib"].to_numpy()
        title = f"CALCLOUD memory, {name} (MiB)"
        scatter(picture(f"calcloud_{name}"), title, found.memory, actual)


def judged(name: str, found: Foretold, seconds: float) -> Iterator[Result]:
    rows = found.rows
    actual, truth = rows["memory"].to_numpy(), rows["mem_bin"].to_numpy()
    both = rows["bin_pred"].notna().to_numpy()
    peer, wall = rows["bin_pred"].to_numpy()[both], rows["wallclock"].to_numpy()
    memory = mape(found.memory / MIB_PER_GB, actual)
    peer_memory = mape(rows["mem_pred"].to_numpy()[both], actual[both])
    peer_wall = mape(rows["wall_pred"].to_numpy()[both], wall[both])
    bins, theirs = chosen(found), peer - truth[both]
    hit, low = float(np.mean(theirs == 0)), float(np.mean(theirs < 0))
    for what, off in (
        ("bin", bins - truth),
        ("where the peer answered, bin", (bins - truth)[both]),
        ("of medians, bin", np.searchsorted(edges(rows), found.memory / MIB_PER_GB) - truth),
    ):
        for verb, share, its, target in (
            ("right", float(np.mean(off == 0)), hit, ">= 0.985"),
            ("under-predicted", float(np.mean(off < 0)), low, "<= 0.002"),
        ):
            label, against = f"CALCLOUD {name}: {what} {verb}", {"peer": its}
            yield Result(label, share, "", len(off), seconds, against, None, target)
    for what, value, its, target in (
        ("memory MAPE", memory, peer_memory, "<= 0.1"),
        ("wall clock MAPE", mape(found.runtime, wall), peer_wall, "<= 0.22"),
    ):
        label, against = f"CALCLOUD {name}: {what}", {"peer": its}
        yield Result(label, value, "", len(rows), seconds, against, None, target)
    for what, given in ((name, found.given), (f"{name}, allocated", found.allocated)):
        yield from money(what, rows[both], given[both] / MIB_PER_GB, seconds)


def chosen(found: Foretold) -> npt.NDArray[np.intp]:
    """The bin that costs least at production's price of a kill, as `charge` reckons, were the need
    log-normal with the stated median and 95 % bound. A bin is a size to give, not a foretold need.
    """
    middle, high = found.memory / MIB_PER_GB, found.bound / MIB_PER_GB
    spread = np.maximum(np.log(high / middle) / norm.ppf(BOUND), 1e-3)
    mean, weight = middle * np.exp(spread**2 / 2), PredictorSettings().failure_weight["safe"]
    beyond = [
        mean * norm.cdf((np.log(middle / edge) + spread**2) / spread) for edge in edges(found.rows)
    ]
    lost = (weight + 1) * np.array([*beyond, np.zeros_like(mean)])
    return np.asarray(np.argmin(BINS_GB[: len(lost), None] + lost, axis=0))


def money(name: str, rows: pd.DataFrame, given: Vector, seconds: float) -> Iterator[Result]:
    """What is reserved in the end: a killed attempt costs all it held, then the job gets enough."""
    hours, need = rows["wallclock"].to_numpy() / 3600, rows["memory"].to_numpy()
    theirs = BINS_GB[rows["bin_pred"].to_numpy().astype(int)]
    ours_gbh, ours_kills = reserved(given, need, hours)
    peer_gbh, peer_kills = reserved(theirs, need, hours)
    label, size = f"CALCLOUD {name}: reserved", len(rows)
    against = {"peer's bins": peer_gbh}
    yield Result(label, ours_gbh, "GBh", size, seconds, against, ours_gbh / peer_gbh, "<= 0.7")
    target = f"<= {peer_kills}"
    label, against = f"CALCLOUD {name}: kills", {"peer's bins": float(peer_kills)}
    yield Result(label, ours_kills, "attempts", size, seconds, against, None, target)


def reserved(given: Vector, need: Vector, hours: Vector) -> tuple[float, int]:
    """GB-hours held, and attempts killed; the retry of a killed one is given the next of the
    peer's bins.
    """
    killed = given < need
    retry = BINS_GB[np.minimum(np.searchsorted(BINS_GB, need), len(BINS_GB) - 1)]
    return float(((given + np.where(killed, retry, 0.0)) * hours).sum()), int(killed.sum())


def galaxy(frame: pd.DataFrame, options: Options) -> Iterator[Result]:
    frame = frame[frame[GALAXY_TARGET] > 0].iloc[:: 4 if options.quick else 1]
    frame = frame.reset_index(drop=True)
    frame["memory_mib"] = frame[GALAXY_TARGET] / 2**20
    names = [str(name) for name in frame.columns if "memory" not in str(name)]
    numbers = [name for name in names if frame[name].dtype.kind in "if"]
    words = [name for name in names if name not in numbers]
    frame[words] = frame[words].astype(str)
    columns = Columns("bowtie2", tuple(numbers), "memory_mib", words=tuple(words))
    began = time.perf_counter()
    found = Foretold.of(frame, columns, shuffled_folds(len(frame), options.seed))
    actual = found.rows["memory_mib"].to_numpy()
    seconds = time.perf_counter() - began
    score = float(r2_score(actual, found.memory))
    peers = {"random forest, published": 0.95}
    yield Result(
        "Galaxy bowtie2, 5-fold: R2", score, "", len(frame), seconds, peers, None, ">= 0.96"
    )
    scatter(picture("galaxy"), "Galaxy bowtie2 memory (MiB)", found.memory, actual)


def drawn(options: Options) -> Iterator[Result]:
    """No trace: a table of the same shape, with errors of 10 % that nothing can foretell."""
    rng = np.random.default_rng(options.seed)
    size = rng.lognormal(5, 1, 1500)
    memory = (100 + size) * rng.lognormal(0, 0.1, 1500)
    runtime = size * rng.lognormal(0, 0.1, 1500)
    table = pd.DataFrame({"size": size, "memory_mib": memory, "runtime": runtime})
    began = time.perf_counter()
    columns = Columns("drawn", ("size",), "memory_mib", "runtime")
    found = Foretold.of(table, columns, [(np.arange(1000), np.arange(1000, 1500))])
    value = mape(found.memory, memory[1000:])
    yield Result("drawn: memory MAPE", value, "", 500, time.perf_counter() - began, target="<= 0.1")


def measure(options: Options) -> Iterator[Result]:
    if options.path is None:
        yield from drawn(options)
        return
    if GALAXY_TARGET in (frame := load(options.path)):
        yield from galaxy(frame, options)
    else:
        yield from calcloud(load(options.path, NEEDED), options)


if __name__ == "__main__":
    main(measure, __doc__)
