"""Memory wasted and attempts lost on workflow traces, against the published ways of sizing
memory.

    python -m benchmarks.memory_waste PATH.parquet

PATH is a table in the format of nextflow_tasks.parquet, or such a CSV: one row a task, with
workflow, task, rss_bytes and realtime_ms; where it is known req_memory_bytes (without a request
those who foretell nothing give a node of 128 GB), input_read_bytes and tag (the sample); and for
the order in time submit_ms and complete_ms. Processes with fewer than 34 rows are left out, as
are rows without a need or a runtime (how many is told), and those that a column
sizey_eval_subset does not mark. The public traces are those of
https://github.com/dos-group/sizey. Without PATH the tasks are drawn from a seeded generator.

Two protocols. *published*: Sizey's simulator (30 % of each process as history, the rest in a
shuffled order, each learnt from at once; the input size is Nextflow's rchar, which is measured
after the run). *in time*: the first 30 % by submission are history, the rest come as they were
submitted, each is learnt from once it has completed, and nothing is known but what is known at
submission: no rchar. Ours sees the tasks through `Predictor` as the broker does, without a
trained model, in MiB and snapped.

The peers' published figures are met to the digit where the trace is the public one; see README.md
for caveats.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from benchmarks.baselines import synthetic, traces
from benchmarks.baselines.headgate import Headgate
from benchmarks.baselines.plots import bars, picture
from benchmarks.baselines.presets import MostSeen, Presets
from benchmarks.baselines.protocol import Bill, Method, Task, replay, replay_in_time
from benchmarks.baselines.tovar import Tovar
from benchmarks.baselines.witt import WittPercentile, WittRegression
from benchmarks.report import Options, Result, main

OURS = "headgate"
#: What no run here repeats, as published with the traces: Sizey (30 minutes a workflow), and the
#: low-wastage regression of Witt et al., whose figures are for peak_rss. Quoted only where the
#: trace is the public one.
PUBLISHED = {
    "methylseq": {"Sizey": Bill(630.0, 99, 99, 634), "Witt wastage": Bill(3565.0, 150, 150, 634)},
    "rnaseq": {"Witt wastage": Bill(176.0, 173, 173, 840)},
    "eager": {"Witt wastage": Bill(492.0, 269, 269, 1102)},
}
#: What Tovar's method gives on the public traces, by which they are known.
PUBLIC_TOVAR_GBH = {"methylseq": 4080.6, "rnaseq": 195.3, "eager": 624.1}
MAX_FAILURES = 0.03


@dataclass(frozen=True, slots=True)
class Bills:
    """What each method cost on one workflow under one protocol."""

    protocol: str
    workflow: str
    by_method: Mapping[str, Bill]
    seconds: float

    @property
    def ours(self) -> Bill:
        return self.by_method[OURS]

    @property
    def best(self) -> tuple[str, Bill]:
        """The peer that wasted least."""
        peers = [(name, bill) for name, bill in self.by_method.items() if name != OURS]
        return min(peers, key=lambda pair: pair[1].gbh)

    @property
    def ratio(self) -> float:
        return self.ours.gbh / self.best[1].gbh


def peers(errors: list[float]) -> dict[str, Callable[[], Method]]:
    """The baselines; the published run shares the errors of both regressions within a workflow."""
    return {
        "presets": Presets,
        "most seen": MostSeen,
        "Witt LR (STD)": lambda: WittRegression(under=False, errors=errors),
        "Tovar": Tovar,
        "Witt percentile": WittPercentile,
        "Witt LR (UNDER)": lambda: WittRegression(under=True, errors=errors),
    }


def published(workflow: str, rows: Mapping[str, list[Task]], seed: int) -> Bills:
    """Each process by itself, in the shuffled order."""
    began = time.perf_counter()
    methods: dict[str, Callable[[], Method]] = peers([]) | {OURS: Headgate}
    totals = {name: Bill() for name in methods}
    for tasks in rows.values():
        history, later = traces.published_split(tasks, seed)
        for name, make in methods.items():
            totals[name].add(replay(make(), history, later))
    is_public = math.isclose(
        totals["Tovar"].gbh, PUBLIC_TOVAR_GBH.get(workflow, -1.0), rel_tol=1e-3
    )
    quoted = PUBLISHED[workflow] if is_public else {}
    return Bills("published", workflow, totals | quoted, time.perf_counter() - began)


def in_time(workflow: str, rows: Mapping[str, list[Task]], seed: int) -> Bills:
    """All processes as they were submitted, with nothing known that is measured later."""
    began = time.perf_counter()
    history: list[Task] = []
    later: list[Task] = []
    for tasks in rows.values():
        first, rest = traces.time_split([replace(task, input_bytes=0.0) for task in tasks])
        history, later = history + first, later + rest
    totals = {
        name: replay_in_time(each_its_own(make), history, later) for name, make in peers([]).items()
    }
    ours = Headgate(inputs=False)
    totals[OURS] = replay_in_time(lambda _: ours, history, later)
    return Bills("in time", workflow, totals, time.perf_counter() - began)


def each_its_own(make: Callable[[], Method]) -> Callable[[str], Method]:
    made: dict[str, Method] = {}

    def method_of(process: str) -> Method:
        if process not in made:
            made[process] = make()
        return made[process]

    return method_of


def workflows(frame: pd.DataFrame) -> Iterator[tuple[str, dict[str, list[Task]]]]:
    found: dict[str, dict[str, list[Task]]] = {}
    for workflow, process, tasks in traces.processes(frame):
        found.setdefault(workflow, {})[process] = tasks
    yield from found.items()


Protocol = Callable[[str, Mapping[str, list[Task]], int], Bills]


def measure(options: Options) -> Iterator[Result]:
    frame = read(options.path, options.quick)
    goals: list[tuple[Protocol, float, float]] = [(published, 0.5, 0.8)]
    if traces.has_times(frame):
        goals.append((in_time, 0.7, 0.7))
    else:
        print("no submit_ms and complete_ms: not judged in the order of time", file=sys.stderr)
    for protocol, goal, worst in goals:
        bills = [protocol(name, rows, options.seed) for name, rows in workflows(frame)]
        for bill in bills:
            bars(
                picture(f"memory_waste_{bill.workflow}_{bill.protocol}"),
                bill.workflow,
                waste(bill),
            )
            yield from one(bill, worst)
        yield from together(bills, goal)


def read(path: Path | None, quick: bool) -> pd.DataFrame:
    if path is None:
        return synthetic.workflow(rows=60 if quick else 150, seed=7)
    frame = traces.read(path)
    if not quick:
        return frame
    kept = frame.groupby(["workflow", "task"], sort=False).head(40)
    return kept.reset_index(drop=True)


def waste(bills: Bills) -> dict[str, float]:
    return {name: bill.gbh for name, bill in bills.by_method.items()}


def one(bills: Bills, worst: float) -> Iterator[Result]:
    """A workflow's waste and failures beside each peer's."""
    name, best = bills.best
    label, ours = f"{bills.workflow}, {bills.protocol}", bills.ours
    against = {peer: bill.gbh for peer, bill in bills.by_method.items() if peer != OURS}
    target = f"<= {worst}"
    yield Result(
        f"{label}: waste", ours.gbh, "GBh", ours.tasks, bills.seconds, against, bills.ratio, target
    )
    against = {f"{name} (the least waste)": float(best.failures)}
    target = f"<= {best.failures}"
    yield Result(
        f"{label}: failures",
        ours.failures,
        "attempts",
        ours.tasks,
        bills.seconds,
        against,
        None,
        target,
    )


def together(bills: list[Bills], goal: float) -> Iterator[Result]:
    """The geometric mean of the ratios, and the share of failures in all."""
    count = sum(bill.ours.tasks for bill in bills)
    seconds = sum(bill.seconds for bill in bills)
    mean = math.exp(sum(math.log(max(bill.ratio, 1e-12)) for bill in bills) / len(bills))
    label = f"{bills[0].protocol}, geometric mean"
    yield Result(label, mean, "x the best peer", count, seconds, target=f"<= {goal}")
    failures = sum(bill.ours.failures for bill in bills) / count
    label = f"{bills[0].protocol}, failures in all"
    yield Result(label, failures, "of the tasks", count, seconds, target=f"<= {MAX_FAILURES}")


if __name__ == "__main__":
    main(measure, __doc__)
