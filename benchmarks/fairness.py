"""Four tenants of different weights and different shapes, all with more work than fits.

One needs cores, one memory, two a bit of both. Over windows of ten minutes each should hold the
part of the sum of dominant shares that its weight says; the largest deviation counts, after the
fleet has filled. AWS Batch's fair share counts vCPU-seconds alone.

PATH: a trace, from which the run times are drawn (those up to half an hour: what runs for a day
cannot be shared in ten minutes by anybody). Without it they are generated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.replays import baseline, fixed_fleet, headgate, watched
from benchmarks.report import Options, Result, main
from headgate.resources import Resources
from headgate.tenancy import Tenant
from queue_broker.simulation.baselines import BASELINES, BatchFairShare, KueueCohort
from queue_broker.simulation.direct import Direct
from queue_broker.simulation.generate import plain
from queue_broker.simulation.outcome import Outcome
from queue_broker.simulation.replay import Setting
from queue_broker.simulation.trace import Trace, read_trace

WEIGHTS = {"cores": 1.0, "memory": 1.0, "mixed": 2.0, "heavy": 4.0}
SHAPES = {
    "cores": Resources(2, 1_024),
    "memory": Resources(1, 12_288),
    "mixed": Resources(1, 4_096),
    "heavy": Resources(2, 10_240),
}
WINDOW_S = 600.0
VCPUS = 400.0


@dataclass(frozen=True, slots=True)
class Contest:
    trace: Trace
    setting: Setting
    hours: float

    def deviation(self, outcome: Outcome) -> tuple[float, float]:
        """The largest deviation from the weights over all windows, and the mean of each window's
        largest, as parts of what is shared."""
        names = list(WEIGHTS)
        index = {name: place for place, name in enumerate(names)}
        groups = np.array([index[tenant] for tenant in self.trace.tenant])
        edges = np.arange(2 * WINDOW_S, self.hours * 3600 + 1, WINDOW_S)
        shares = outcome.shares(groups, len(names), edges)
        fair = np.array([WEIGHTS[name] for name in names]) / sum(WEIGHTS.values())
        parts = shares / shares.sum(axis=1, keepdims=True)
        off = np.abs(parts - fair).max(axis=1)
        return float(off.max()), float(off.mean())


def measure(options: Options) -> Iterator[Result]:
    case = contest(options, hours=2.0 if options.quick else 8.0)
    ours = headgate(case.trace, case.setting)
    shares, cohort = BatchFairShare(WEIGHTS), KueueCohort(case.setting.total, WEIGHTS)
    peers: Mapping[str, Outcome] = {
        "batch-fair-share": watched(Direct(case.trace, case.setting, shares), "fair share"),
        "kueue-cohort": watched(Direct(case.trace, case.setting, cohort), "cohort"),
        "batch-fifo": baseline("batch-fifo", case.trace, case.setting),
    }
    found = {name: case.deviation(outcome) for name, outcome in peers.items()}
    most, mean = case.deviation(ours)
    n, seconds = len(case.trace), ours.seconds
    yield Result(
        "largest deviation of dominant share from weight",
        most,
        "of all",
        n,
        seconds,
        {name: worst for name, (worst, _) in found.items()},
        most / found["batch-fair-share"][0],
        "<= 0.5",
    )
    yield Result(
        "mean deviation",
        mean,
        "of all",
        n,
        seconds,
        {name: usual for name, (_, usual) in found.items()},
        mean / found["batch-fair-share"][1],
    )


def contest(options: Options, hours: float) -> Contest:
    """Work for every tenant for longer than the windows, whatever share it gets."""
    random = np.random.default_rng(options.seed)
    setting = fixed_fleet(VCPUS)
    setting = replace(
        setting,
        tenants=[Tenant(name=name, weight=weight) for name, weight in WEIGHTS.items()],
        groups_per_tenant=400,
    )
    runtimes = run_times(options)
    mean = float(runtimes.mean())
    parts = []
    for name, shape in WEIGHTS.items():
        del shape
        given = SHAPES[name]
        most = setting.total.vcpu / given.vcpu, setting.total.memory_mib / given.memory_mib
        tasks = int(min(most) * hours * 3600 / mean * 0.75)
        one = plain(np.zeros(tasks), random.choice(runtimes, tasks), np.full(tasks, name))
        parts.append(shaped(one, given))
    trace = parts[0]
    for part in parts[1:]:
        trace = trace.merged(part)
    return Contest(trace, setting, hours)


def shaped(trace: Trace, given: Resources) -> Trace:
    columns = {name: getattr(trace, name) for name in trace.__slots__}
    columns["vcpu"] = np.full(len(trace), float(given.vcpu))
    columns["memory_mib"] = np.full(len(trace), given.memory_mib, dtype=np.int64)
    columns["memory_used_mib"] = columns["memory_mib"]
    columns["job"] = np.arange(len(trace)) // 50
    return Trace(**columns)


def run_times(options: Options) -> np.ndarray:
    if options.path is not None:
        runtimes = read_trace(options.path).runtime_s
    else:
        runtimes = np.random.default_rng(options.seed).lognormal(np.log(240), 0.8, 10_000)
    return runtimes[(runtimes >= 10) & (runtimes <= 1800)]


assert set(WEIGHTS) == set(SHAPES)
assert "batch-fair-share" in BASELINES

if __name__ == "__main__":
    main(measure, __doc__)
