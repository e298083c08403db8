"""What knowing runtimes saves: money with lifetimes against the same packer blind to time.

    python -m benchmarks.lifetime [--quick] [--json] [PATH]

Tasks are packed by their predicted runtimes, and the plan is then billed by their true ones: each
instance at its price until its last task ends. The blind plan minimises USD an hour at the start,
and is billed the same. Without PATH runtimes come from a seeded generator, and a prediction is the
truth times a lognormal error (sigma 0.5); with PATH `runtime_s` is the truth and `predicted_s`,
where there is one, the prediction (CALCLOUD's table brings its production model's `wall_pred`).
Caveats: all tasks start together, and nothing is put on an instance later; in a busy fleet the
blind plan's idle tails would partly be filled.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from benchmarks.demands import catalogue, read
from benchmarks.report import Options, Result, main
from headgate.resources import Resources
from packer.catalogue import InstanceType
from packer.demand import Demand
from packer.options import Objective, PackOptions
from packer.pack import pack
from packer.plan import Plan
from packer.verify import verify

SIZES = (1_000, 5_000)
ERROR_SIGMA = 0.5
DEADLINE_S = 4.0


def measure(options: Options) -> Iterator[Result]:
    types = catalogue()
    for tasks in SIZES[:1] if options.quick else SIZES:
        frame = runtimes(options, tasks)
        demands, truth = list(to_demands(frame)), dict(enumerate(frame["runtime_s"]))
        started = time.perf_counter()
        bills = {
            objective: bill(planned(demands, types, objective), types, truth)
            for objective in ("money", "rate")
        }
        yield Result(
            name=f"money with lifetimes, {tasks} tasks",
            value=bills["money"],
            unit="USD",
            n=tasks,
            seconds=time.perf_counter() - started,
            against={"blind to time": bills["rate"]},
            ratio=bills["money"] / bills["rate"],
            target="<= 0.9",
        )


def runtimes(options: Options, tasks: int) -> pd.DataFrame:
    random = np.random.default_rng(options.seed)
    if options.path is not None:
        frame = read(options.path)
        if "runtime_s" not in frame:
            raise SystemExit(f"{options.path}: needed: a column runtime_s")
        if "predicted_s" in frame:
            frame = frame[frame["predicted_s"].notna()]
        return frame.sample(tasks, replace=True, weights=frame["count"], random_state=options.seed)
    memory = np.ceil(np.minimum(800 * np.exp(random.normal(0, 0.8, tasks)), 60_000))
    runtime = np.exp(random.normal(5.0, 1.5, tasks))
    predicted = runtime * np.exp(random.normal(0, ERROR_SIGMA, tasks))
    columns = {"vcpu": 1.0, "memory_mib": memory, "gpus": 0}
    return pd.DataFrame(columns | {"runtime_s": runtime, "predicted_s": predicted})


def to_demands(frame: pd.DataFrame) -> Iterator[Demand]:
    """One demand a task; the key is the row's number, so that the order tells nothing of the
    time."""
    for i, row in enumerate(frame.to_dict("records")):
        yield Demand(
            key=f"{i:07d}",
            shape=Resources(float(row["vcpu"]), int(row["memory_mib"]), int(row["gpus"])),
            count=1,
            runtime_s=max(1.0, float(row.get("predicted_s", row["runtime_s"]))),
        )


def planned(demands: list[Demand], types: list[InstanceType], objective: str) -> Plan:
    kind: Objective = "money" if objective == "money" else "rate"
    options = PackOptions(deadline_s=DEADLINE_S, objective=kind)
    plan = pack(demands, catalogue=types, options=options)
    broken = verify(plan, demands, (), types, options)
    assert not broken, broken
    return plan


def bill(plan: Plan, types: list[InstanceType], truth: Mapping[int, float]) -> float:
    """USD for the plan's instances until the last task on each has truly ended."""
    price = {kind.key: kind.price_usd_hour or 0.0 for kind in types}
    return sum(
        price[one.host] * one.instances * max(truth[int(key)] for key in one.contents) / 3600
        for one in plan.placements
    )


if __name__ == "__main__":
    main(measure, __doc__)
