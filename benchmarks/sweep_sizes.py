"""What a sweep costs whose size nobody knew, beside one whose size is known.

One sweep of alike tasks (needs within a thousandth of each other, runtimes that scatter by a fifth)
on a fixed fleet, in virtual time, sized by the broker's own predictor: of a kind that nobody has
seen and that asks for four times its need, or for seven tenths of it; and of a kind whose history
needed two thirds of it, all alike, or in four arrays each something else. Against each, the same
tasks with a history that fits. Paid is the fleet until the last task ends.

Nothing is measured on a PATH.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from benchmarks.money import Case, imported
from benchmarks.replays import watched
from benchmarks.report import Options, Result, main
from headgate.resources import Resources
from headgate.usage import Observation
from queue_broker.adapters.engines.simulated.model import FleetModel
from queue_broker.simulation.fleets import running_lanes
from queue_broker.simulation.generate import plain
from queue_broker.simulation.outcome import Outcome
from queue_broker.simulation.replay import Replay, Setting
from queue_broker.simulation.trace import Floats, Trace

NEED_MIB = 3_500.0
RUNTIME_S = 600.0
#: An instance: sixteen tasks, by cores and by memory.
SHAPE, PRICE_USD_HOUR = Resources(16, 64_000), 0.768
LANES = 4
#: Attempts of the kind that are known, and how long before the sweep they began.
KNOWN, BEFORE_S = 200, 86_400.0
#: A request that leaves the predictor free.
AMPLE = 4 * NEED_MIB


@dataclass(frozen=True, slots=True)
class Kind:
    """A sweep: what it asks for, what it needs, and what the arrays known of it needed, MiB."""

    name: str
    asked: float
    need: float = NEED_MIB
    arrays: Sequence[float] = ()
    target: str | None = None


KINDS = (
    Kind("new, asks for four times its need", AMPLE, target="<= 1.3"),
    Kind("new, asks for seven tenths of its need", 0.7 * NEED_MIB, target="<= 1.3"),
    Kind("half as much again as before", AMPLE, 1.5 * NEED_MIB, (NEED_MIB,), "<= 2"),
    Kind(
        "half as much again as arrays that differ",
        AMPLE,
        1.5 * NEED_MIB,
        [part * NEED_MIB for part in (1.0, 1.3, 0.8, 1.1)],
        "<= 2",
    ),
)


def measure(options: Options) -> Iterator[Result]:
    tasks, slots = (1_000, 100) if options.quick else (10_000, 1_000)
    for kind in KINDS:
        known = replayed(Kind("known", AMPLE, kind.need, (kind.need,)), tasks, slots, options)
        ours = replayed(kind, tasks, slots, options)
        paid, ideal, took = ours.cost_usd, known.cost_usd, ours.seconds
        against = {"size known": ideal}
        name, ratio = kind.name, paid / ideal
        yield Result(f"the bill, {name}", paid, "USD", tasks, took, against, ratio, kind.target)
        killed = float(ours.account.killed)
        yield Result(f"kills for memory, {name}", killed, "attempts", tasks, took)


def replayed(kind: Kind, tasks: int, slots: int, options: Options) -> Outcome:
    random = np.random.default_rng(options.seed)
    trace = a_sweep(kind, tasks, kind.need, random)
    case = Case(kind.name, trace, past(kind, random))
    each = max(1, ceil(slots / SHAPE.vcpu / LANES))
    lanes = running_lanes(LANES, SHAPE, each, PRICE_USD_HOUR)
    setting = Setting(FleetModel(lanes), forecaster=case.forecaster)
    return watched(Replay(trace, setting), f"{kind.name}, {tasks:,} tasks")


def past(kind: Kind, random: np.random.Generator) -> list[Observation]:
    """What is known of the kind, its arrays one after the other."""
    each = KNOWN // max(1, len(kind.arrays))
    days = range(len(kind.arrays), 0, -1)
    arrays = [
        a_sweep(kind, each, need, random, -day * BEFORE_S)
        for need, day in zip(kind.arrays, days, strict=True)
    ]
    return [one for array in arrays for one in imported(array)]


def a_sweep(
    kind: Kind, tasks: int, need: float, random: np.random.Generator, at_s: float = 0.0
) -> Trace:
    owner = np.full(tasks, "sweeper", dtype=object)
    runtime_s = RUNTIME_S * random.lognormal(0.0, 0.2, tasks)
    one = plain(np.full(tasks, at_s), runtime_s, owner)
    columns = {name: getattr(one, name) for name in one.__slots__}
    columns["tier"] = np.full(tasks, "sweep", dtype=object)
    columns["job"] = np.zeros(tasks, dtype=np.int64)
    columns["memory_mib"] = np.full(tasks, int(kind.asked))
    columns["memory_used_mib"] = alike(need, tasks, random).astype(np.int64)
    columns["vcpu_used"] = np.full(tasks, 0.95)
    return Trace(**columns)


def alike(need: float, tasks: int, random: np.random.Generator) -> Floats:
    drawn: Floats = need * random.lognormal(0.0, 0.001, tasks)
    return drawn


if __name__ == "__main__":
    main(measure, __doc__)
