"""What a backlog costs the cycle, and production, from 10^3 to 10^7 waiting tasks.

A hundred sweeps of twenty teams wait; each team may run five tasks at once, so that as much runs
at every size and only the waiting grows. The lane has room left, so that a production job waits for
the broker alone: from the call that submits it until the engine is handed it.

Caveats: a pass that finds nothing to leak is measured, which is what a long backlog looks like.
The largest backlog is also tried as single jobs, a row each, which is no sweep's case.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence

from benchmarks.report import Options, Result, main
from benchmarks.stages import LANE, POSTGRES, SQLITE, database, instant_broker
from headgate.job import Job
from headgate.resources import ResourceRequest
from headgate.tenancy import Tenant
from queue_broker.adapters.engines.instant import InstantEngine
from queue_broker.broker import Broker
from queue_broker.records import HandOver, JobId, Leak, Submission

TEAMS, SWEEPS, RUNNING_EACH = 20, 100, 5
ASKED = ResourceRequest(vcpu=1, memory_mib=1024)
PASSES = 30


class WatchedEngine(InstantEngine):
    """Keeps tasks running, and notes when each job was handed to it."""

    def __init__(self) -> None:
        super().__init__([LANE], time.time, at_once=False)
        self.handed_at: dict[str, float] = {}

    def hand_over(self, leaks: Sequence[Leak]) -> list[HandOver]:
        now = time.perf_counter()
        for leak in leaks:
            self.handed_at.setdefault(leak.job_id, now)
        return super().hand_over(leaks)


def measure(options: Options) -> Iterator[Result]:
    sizes = [10**3, 10**5, 10**7] if options.quick else [10**3, 10**4, 10**5, 10**6, 10**7]
    singles = 2_000 if options.quick else 50_000
    shots = 40 if options.quick else 200
    for kind in (POSTGRES, SQLITE):
        sweeps = {size: one(kind, sweeps_of(size), shots) for size in sizes}
        yield from results(kind, sweeps)
        cycle_ms, waits_ms = one(kind, singles_of(singles), shots)
        yield plain(f"backlog, {kind}: one pass, {singles:,} single jobs", cycle_ms)
        yield plain(f"backlog, {kind}: production p99, {singles:,} single jobs", waits_ms)


def one(kind: str, work: list[Submission], shots: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each pass, and of each production job's wait, at one backlog."""
    engine = WatchedEngine()
    with database(kind) as url, instant_broker(url, engine=engine) as broker:
        for team in range(TEAMS):
            broker.store.put_tenant(Tenant(name=f"team-{team}", max_running=RUNNING_EACH))
        for start in range(0, len(work), 1000):
            broker.store.add(work[start : start + 1000])
        settle_down(broker)
        passes = [timed_pass(broker) for _ in range(PASSES)]
        return passes, production_waits(broker, engine, shots)


def settle_down(broker: Broker) -> None:
    """Until everything is estimated and each team runs all that it may."""
    while broker.lead():
        pass


def timed_pass(broker: Broker) -> float:
    start = time.perf_counter()
    broker.lead()
    return 1000 * (time.perf_counter() - start)


def production_waits(broker: Broker, engine: WatchedEngine, shots: int) -> list[float]:
    """Milliseconds from the submission of production jobs, one at a time, to their hand-over."""
    broker.start()
    return [production_wait(broker, engine, f"production-{shot}") for shot in range(shots)]


def production_wait(broker: Broker, engine: WatchedEngine, job_id: str) -> float:
    start = time.perf_counter()
    broker.store.add([submission(job_id, "payments", "production", 1)])
    broker.wake()
    while job_id not in engine.handed_at:
        time.sleep(0.0005)
    return 1000 * (engine.handed_at[job_id] - start)


def sweeps_of(size: int) -> list[Submission]:
    each = size // SWEEPS
    return [submission(f"sweep-{n}", f"team-{n % TEAMS}", "sweep", each) for n in range(SWEEPS)]


def singles_of(size: int) -> list[Submission]:
    return [submission(f"single-{n}", f"team-{n % TEAMS}", "sweep", 1) for n in range(size)]


def submission(job_id: str, tenant: str, tier: str, size: int) -> Submission:
    job = Job(name="bench", command=("true",), resources=ASKED)
    array = size > 1
    return Submission(JobId(job_id), job, tenant, tier, time.time(), "d", size, array)


def results(kind: str, sweeps: dict[int, tuple[list[float], list[float]]]) -> Iterator[Result]:
    smallest = min(sweeps)
    for at, name in enumerate(("one pass", "production submit -> leaked")):
        base = statistics.median(sweeps[smallest][at])
        for size, found in sweeps.items():
            values = found[at]
            value = statistics.median(values)
            against = {f"at {smallest:,}": base}
            target = "<= 1.5" if size == max(sweeps) else None
            label = f"backlog, {kind}: {name}, {size:,} tasks"
            seconds = sum(values) / 1000
            ratio = value / base
            yield Result(label, value, "ms", len(values), seconds, against, ratio, target)
    worst = sorted(sweeps[max(sweeps)][1])
    label = f"backlog, {kind}: production p99, {max(sweeps):,} tasks"
    p99 = worst[int(0.99 * (len(worst) - 1))]
    yield Result(label, p99, "ms", len(worst), sum(worst) / 1000, target="<= 250")


def plain(name: str, values: list[float]) -> Result:
    q = 0.99 if "p99" in name else 0.5
    value = sorted(values)[int(q * (len(values) - 1))]
    return Result(name, value, "ms", len(values), sum(values) / 1000)


if __name__ == "__main__":
    main(measure, __doc__)
