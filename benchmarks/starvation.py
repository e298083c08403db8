"""A sweep of a million tasks, and production never feels it.

Replays arrivals on a fixed fleet of a hundred lanes in virtual time, a tenth of them marked
production at random, alone and with a sweep of another tenant, under Headgate's own cycle and under
the baselines of the same simulator. Waits are from submission to the start of the process.

PATH: a trace (docs/howto/simulate.md), for example LCG-2005-1 of the Parallel Workloads Archive
(https://www.cs.huji.ac.il/labs/parallel/workload/). Without it arrivals of that kind are generated.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.replays import baseline, burst, headgate
from benchmarks.report import Options, Result, main

OTHERS = ("batch-fifo-priorities", "batch-fair-share", "slurm-multifactor", "kueue-cohort")


def measure(options: Options) -> Iterator[Result]:
    case = (
        burst(options, days=0.25, sweep_tasks=30_000)
        if options.quick
        else burst(options, days=11.0, sweep_tasks=1_000_000)
    )
    production = case.alone.tier == "production"
    alone = headgate(case.alone, case.setting)
    ours = headgate(case.swept, case.setting)
    fifo = baseline("batch-fifo", case.swept, case.setting)
    swept = case.swept.tier == "production"
    sweeps = case.swept.tier == "sweep"
    n, seconds = len(case.swept), ours.seconds
    p99 = ours.wait_quantile_s(swept, 0.99)
    p99_alone = alone.wait_quantile_s(production, 0.99)
    p99_fifo = fifo.wait_quantile_s(swept, 0.99)
    yield Result(
        "production p99 wait, with the sweep against without",
        p99,
        "s",
        n,
        seconds,
        {"without the sweep": p99_alone},
        p99 / p99_alone,
        "<= 1.1",
    )
    yield Result(
        "production p99 wait against Batch FIFO (one queue)",
        p99,
        "s",
        n,
        seconds,
        {"batch-fifo": p99_fifo},
        p99 / p99_fifo,
        "<= 0.05",
    )
    until_s = case.saturated_until_s(ours, fifo)
    use, use_fifo = (one.use(case.sweep_at_s, until_s) for one in (ours, fifo))
    yield Result(
        "use of the fleet meanwhile",
        use,
        "of its vCPUs",
        n,
        seconds,
        {"batch-fifo": use_fifo},
        use / use_fifo,
        ">= 0.97",
    )
    done, done_fifo = ours.makespan_s(sweeps), fifo.makespan_s(sweeps)
    yield Result(
        "the sweep's end, against a FIFO queue that makes all who come after it wait for it",
        done,
        "s",
        case.sweep_tasks,
        seconds,
        {"batch-fifo": done_fifo},
        done / done_fifo,
        "<= 1.1",
    )
    left_s = case.left_over_s(baseline("strict-priority", case.alone, case.setting))
    yield Result(
        "the sweep's end, against the soonest that takes nothing from the others",
        done,
        "s",
        case.sweep_tasks,
        seconds,
        {"bound": left_s},
        done / left_s,
    )
    everybody = np.ones(n, dtype=bool)
    whole, whole_fifo = (one.makespan_s(everybody) for one in (ours, fifo))
    yield Result(
        "everybody's makespan",
        whole,
        "s",
        n,
        seconds,
        {"batch-fifo": whole_fifo},
        whole / whole_fifo,
        "<= 1.1",
    )
    others = {
        name: baseline(name, case.swept, case.setting).wait_quantile_s(swept, 0.99)
        for name in OTHERS
    }
    best = min(others.values())
    yield Result(
        "production p99 wait against ideal peers", p99, "s", n, seconds, others, p99 / best
    )


if __name__ == "__main__":
    main(measure, __doc__)
