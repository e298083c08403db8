"""Memory wasted on workflows drawn at random, against the published ways of sizing memory.

    python -m benchmarks.memory_drawn

Each workflow has some samples, four to six steps, whose needs follow the input straight or to a
cap, jump, drift, or follow nothing that anybody is told, requests, and a machine of some slots.
Both protocols and all methods of `memory_waste`; a ratio is to the best peer of the workflow.
By kind of need it is to the peer that was best on each very process, in hindsight, so that less
than 1 is hard to reach. Nothing is to be chosen by these figures: where ours loses by more than the
standard error is where to look.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, stdev

from benchmarks.baselines import drawn
from benchmarks.baselines.protocol import Bill
from benchmarks.memory_waste import Bills, in_time, published, together, workflows
from benchmarks.report import Options, Result, main

WORKFLOWS, QUICK = 20, 3


def measure(options: Options) -> Iterator[Result]:
    count = QUICK if options.quick else WORKFLOWS
    frames = (drawn.workflow(options.seed + place) for place in range(count))
    found = [pair for frame in frames for pair in workflows(frame)]
    timed = [in_time(name, rows, options.seed) for name, rows in found]
    yield from together(timed, 0.7)
    yield doubt("in time", timed)
    alone = {
        name: {
            process: published(name, {process: tasks}, options.seed)
            for process, tasks in rows.items()
        }
        for name, rows in found
    }
    shuffled = [whole(name, list(bills.values())) for name, bills in alone.items()]
    yield from together(shuffled, 0.5)
    yield doubt("published", shuffled)
    yield from by_kind(alone)


def whole(workflow: str, bills: Sequence[Bills]) -> Bills:
    """The bills of a workflow's processes in one."""
    totals = {name: Bill() for name in bills[0].by_method}
    for bill in bills:
        for name, one in bill.by_method.items():
            totals[name].add(one)
    return Bills("published", workflow, totals, sum(bill.seconds for bill in bills))


def by_kind(alone: Mapping[str, Mapping[str, Bills]]) -> Iterator[Result]:
    kinds: dict[str, list[Bills]] = {}
    for bills in alone.values():
        for process, bill in bills.items():
            kinds.setdefault(process.partition("_")[2], []).append(bill)
    for kind, of_kind in sorted(kinds.items()):
        mean, _ = together(of_kind, 1.0)
        wide = f", give or take {doubt('', of_kind).value:.2f}" if len(of_kind) > 1 else ""
        name = f"{kind}, published, against each process's best"
        yield Result(name, mean.value, f"x{wide}", mean.n, mean.seconds)


def doubt(protocol: str, bills: Sequence[Bills]) -> Result:
    """The standard error of the geometric mean, in proportion."""
    logs = [math.log(max(bill.ratio, 1e-12)) for bill in bills]
    wide = math.exp(fmean(logs)) * stdev(logs) / math.sqrt(len(logs))
    seconds = sum(bill.seconds for bill in bills)
    return Result(f"{protocol}, standard error of the mean", wide, "x", len(bills), seconds)


if __name__ == "__main__":
    main(measure, __doc__)
