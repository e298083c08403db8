"""How fast the simulator and the policy are.

Replays a million tasks (arrivals and one sweep) under Headgate's cycle, on a fleet on which that
takes about two days of virtual time, and times one decision over ten thousand groups of two hundred
tenants on a hundred lanes. Seconds are of processor time, since the machine may be shared; the
replay runs on one core. Beside it stands what the same machine takes for as many bare events: a
heap in order of time, from which three events a task are taken and put back, and nothing else done.

PATH: a trace whose first two days are the arrivals. Without it arrivals of that kind are generated.
"""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.replays import burst, fixed_fleet, headgate, lanes, slower
from benchmarks.report import Options, Result, main
from headgate.estimate import Estimate, Quantiles, Source
from headgate.job import Job
from headgate.lifecycle import State
from headgate.resources import Resources
from headgate.tenancy import DEFAULT_TIERS
from queue_broker.core.leak import Snapshot, decide
from queue_broker.core.ledger import Ledger
from queue_broker.core.yard import Yard
from queue_broker.records import Group, GroupId, JobId, Table, Tasks

GROUPS, TENANTS = 10_000, 200
#: A task is handed over, starts, and ends.
EVENTS_A_TASK = 3
#: About as many tasks run at once in the replay.
AT_ONCE = 2_000


def measure(options: Options) -> Iterator[Result]:
    # First, while there is no replay in memory for the garbage collector to walk through.
    full, empty = (one_pass(options.seed, full=full) for full in (True, False))
    yield Result(
        "a decision over 10,000 groups, an empty fleet to fill",
        empty * 1000,
        "ms",
        GROUPS,
        empty,
        {"a full fleet": full * 1000},
        target="<= 50",
    )
    tasks = 100_000 if options.quick else 1_000_000
    days = 0.2 if options.quick else 2.0
    case = burst(options, days, tasks)
    swept = case.swept.head(tasks)
    need = swept.work_vcpu_s / (days * 86_400 * 0.9)
    began = time.process_time()
    outcome = headgate(swept, slower(fixed_fleet(need), 20.0))
    seconds = time.process_time() - began
    bare = bare_events(EVENTS_A_TASK * tasks, options.seed)
    target = None if options.quick else "<= 60"
    yield Result(
        f"{tasks:,} tasks replayed in {outcome.passes:,} passes",
        seconds,
        "s",
        tasks,
        outcome.seconds,
        {"bare events": bare},
        target=target,
    )
    yield Result("replay against bare events", seconds / bare, "x", tasks, outcome.seconds)
    yield Result("of these a second", tasks / seconds, "tasks", tasks, outcome.seconds)


def bare_events(count: int, seed: int) -> float:
    """Processor seconds of so many events that nobody listens to."""
    draw = random.Random(seed).expovariate
    began = time.process_time()
    agenda = [(draw(1.0), number) for number in range(AT_ONCE)]
    heapq.heapify(agenda)
    for _ in range(count):
        at_s, number = heapq.heappop(agenda)
        heapq.heappush(agenda, (at_s + draw(1.0), number))
    return time.process_time() - began


def one_pass(seed: int, *, full: bool) -> float:
    """Processor seconds of one decision, the best of five after one that has seen all shapes."""
    draw = random.Random(seed)
    groups = [a_group(number, draw) for number in range(GROUPS)]
    fleet = [replace(lane, closed="full") if full else lane for lane in lanes(5)]
    snapshot = Snapshot(
        groups=groups,
        leaks=(),
        lanes=fleet,
        tiers=DEFAULT_TIERS,
        now_s=10_000.0,
        kept_ledger=Ledger.of((), fleet),
        kept_yard=Yard.of(fleet),
    )
    decide(snapshot)
    seconds = []
    for _ in range(5):
        began = time.process_time()
        decide(snapshot)
        seconds.append(time.process_time() - began)
    return min(seconds)


def a_group(number: int, draw: random.Random) -> Group:
    given = Resources(draw.choice([1, 2, 4]), 512 * draw.randint(1, 30))
    runtime = Quantiles(draw.choice([60.0, 600.0]), 6000.0)
    memory = Quantiles(given.memory_mib, given.memory_mib)
    vcpu = Quantiles(given.vcpu, given.vcpu)
    tasks = draw.choice([1, 1, 100, 5000])
    return Group(
        group_id=GroupId(number),
        job_id=JobId(f"job-{number}"),
        job=Job(name="train", command=("run",)),
        tenant=f"org{number % TENANTS % 7}/user{number % TENANTS}",
        tier=draw.choice(["production", "interactive", "sweep"]),
        priority=0,
        attempt=1,
        state=State.RUNNABLE,
        waiting=Tasks(range(tasks)),
        version=1,
        queued_at_s=float(number),
        size=tasks,
        array=tasks > 1,
        parameters=Table.NONE,
        estimate=Estimate(given, memory, vcpu, runtime, Source.REQUEST, "train"),
    )


if __name__ == "__main__":
    main(measure, __doc__)
