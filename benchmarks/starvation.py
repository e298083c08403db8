"""A sweep of a million tasks, and production never feels it.

Replays arrivals on a fixed fleet of a hundred lanes in virtual time, a tenth of them marked
production at random, alone and with a sweep of another tenant, under Headgate's own cycle and under
the baselines of the same simulator. Waits are from submission to the start of the process.

PATH: a trace (docs/howto/simulate.md), for example LCG-2005-1 of the Parallel Workloads Archive
(https://www.cs.huji.ac.il/labs/parallel/workload/). Without it arrivals of that kind are generated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.replays import Burst, baseline, burst, headgate
from benchmarks.report import Options, Result, main
from queue_broker.simulation.outcome import Outcome

OTHERS = ("batch-fifo-priorities", "batch-fair-share", "slurm-multifactor", "kueue-cohort")


@dataclass(frozen=True, slots=True)
class Replays:
    """The same arrivals and sweep under Headgate and in one FIFO queue."""

    case: Burst
    ours: Outcome
    fifo: Outcome

    def claim(
        self, name: str, value: float, unit: str, against: dict[str, float], target: str | None
    ) -> Result:
        """Of all tasks of our replay, as a ratio to the best of `against`."""
        n, seconds = len(self.case.swept), self.ours.seconds
        ratio = value / min(against.values())
        return Result(name, value, unit, n, seconds, against, ratio, target)

    def p99_s(self, outcome: Outcome) -> float:
        return outcome.wait_quantile_s(self.case.swept.tier == "production", 0.99)


def measure(options: Options) -> Iterator[Result]:
    days, sweep_tasks = (0.25, 30_000) if options.quick else (11.0, 1_000_000)
    case = burst(options, days, sweep_tasks)
    alone = headgate(case.alone, case.setting)
    ours = headgate(case.swept, case.setting)
    both = Replays(case, ours, baseline("batch-fifo", case.swept, case.setting))
    yield from waits(both, alone)
    yield use(both)
    yield from ends(both)
    yield peers(both)


def waits(both: Replays, alone: Outcome) -> Iterator[Result]:
    p99_s = both.p99_s(both.ours)
    without = {
        "without the sweep": alone.wait_quantile_s(both.case.alone.tier == "production", 0.99)
    }
    name = "production p99 wait, with the sweep against without"
    yield both.claim(name, p99_s, "s", without, "<= 1.1")
    name = "production p99 wait against Batch FIFO (one queue)"
    yield both.claim(name, p99_s, "s", {"batch-fifo": both.p99_s(both.fifo)}, "<= 0.05")


def use(both: Replays) -> Result:
    """Of the fleet's vCPUs, while the sweep could fill them under either."""
    until_s = both.case.saturated_until_s(both.ours, both.fifo)
    ours, fifo = (one.use(both.case.sweep_at_s, until_s) for one in (both.ours, both.fifo))
    name = "use of the fleet meanwhile"
    return both.claim(name, ours, "of its vCPUs", {"batch-fifo": fifo}, ">= 0.97")


def ends(both: Replays) -> Iterator[Result]:
    sweeps = both.case.swept.tier == "sweep"
    done_s, fifo_s = both.ours.makespan_s(sweeps), both.fifo.makespan_s(sweeps)
    name = "the sweep's end, against a FIFO queue that makes all who come after it wait for it"
    yield both.claim(name, done_s, "s", {"batch-fifo": fifo_s}, "<= 1.1")
    strict = baseline("strict-priority", both.case.alone, both.case.setting)
    name = "the sweep's end, against the soonest that takes nothing from the others"
    yield both.claim(name, done_s, "s", {"bound": both.case.left_over_s(strict)}, None)
    everybody = np.ones(len(both.case.swept), dtype=bool)
    whole_s, fifo_s = both.ours.makespan_s(everybody), both.fifo.makespan_s(everybody)
    yield both.claim("everybody's makespan", whole_s, "s", {"batch-fifo": fifo_s}, "<= 1.1")


def peers(both: Replays) -> Result:
    """Schedulers that know all and act at once, the better of which we are held against."""
    swept, setting = both.case.swept, both.case.setting
    others = {name: both.p99_s(baseline(name, swept, setting)) for name in OTHERS}
    name = "production p99 wait against ideal peers"
    return both.claim(name, both.p99_s(both.ours), "s", others, None)


if __name__ == "__main__":
    main(measure, __doc__)
