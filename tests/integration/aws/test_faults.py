"""Twenty thousand tasks through an AWS that throttles, fails and loses answers, handed over by a
broker that dies: none lost, none started twice, counts exact."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from headgate.lifecycle import Cause, State
from headgate.resources import Resources
from queue_broker.adapters.engines.instant import InstantEngine, Outcome, World
from queue_broker.records import JobId, Lane, Leak
from tests.integration.aws.broker import AwsBroker, Rumours
from tests.integration.aws.stand_in import Faults, StandIn, make_lane, quick, speak

TASKS, SWEEPS = 20_000, 10
PATIENCE_S = 400.0
HOST_LOST = Outcome(Cause.CANCELLED, None, reason="Host EC2 (instance i-1) terminated.")
FAILS = Outcome(exit_code=3)
THROTTLED = "TooManyRequestsException"


class Fleet:
    """How tasks end: some lose their host, some fail by themselves. Remembers which."""

    def __init__(self) -> None:
        self.rng = random.Random(7)
        self.lost: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    def script(self, leak: Leak) -> Mapping[int, Outcome]:
        """Inside AWS Batch: the job's name is the name of the broker's own leak."""
        sweep = sweep_of(leak.job.name)
        ends: dict[int, Outcome] = {}
        for task in leak.tasks:
            draw = self.rng.random()
            if draw < 0.03:
                ends[task] = HOST_LOST
                self.lost[sweep] += 1
            elif draw < 0.05:
                ends[task] = FAILS
                self.failed[sweep] += 1
        return ends


def test_nothing_is_lost_and_nothing_starts_twice(
    sqlite_url: str, second_sqlite_url: str, tmp_path: Path
) -> None:
    fleet, world = Fleet(), World()
    lane = Lane("instant", Resources(10_000, 10**8), 1)
    engine = InstantEngine([lane], time.time, world=world, script=fleet.script)
    stand_in = StandIn(second_sqlite_url, tmp_path / "batch", engine)
    address = stand_in.open()
    clients = speak(quick(address))
    make_lane(clients.batch, shape="16/64000/0", most=400)
    faults = stand_in.between.faults = Faults(throttled=0.05, failed=0.01, lost=0.02)
    rng = random.Random(11)
    rumours = Rumours(clients.batch, rng)
    clients.__dict__["sqs"] = rumours
    settings = quick(address, events_queue_url="queue", lanes_s=5.0, look_s=0.2, children_s=0.5)
    ours = AwsBroker(sqlite_url, tmp_path / "ours", settings, clients)
    ours.deaths = lambda: rng.random() < 0.06

    jobs = [ours.sweep(f"s{n}", TASKS // SWEEPS) for n in range(SWEEPS)]
    run(ours, jobs, rumours)

    records = [ours.broker.store.job(one) for one in jobs]
    submitted = stand_in.broker.store.jobs(limit=10_000)
    ours.close()
    stand_in.close()
    assert ours.lives > 1
    assert min(faults.counts[one] for one in ("lost", "ServerException", THROTTLED)) > 0
    assert rumours.told > 20
    assert max(Counter(one.job.name for one in submitted).values()) == 1
    assert world.twice == []
    for record in records:
        mine = [one.size for one in submitted if sweep_of(one.job.name) == record.job_id]
        failed = fleet.failed[record.job_id]
        assert record.counts[State.FAILED] == failed
        assert record.counts[State.SUCCEEDED] == record.size - failed
        assert sum(mine) == record.size + fleet.lost[record.job_id]


def run(ours: AwsBroker, jobs: list[JobId], rumours: Rumours) -> None:
    """Turn the cycle until every task has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while left := unfinished(ours, jobs):
        assert time.monotonic() < deadline, f"{left} tasks have not ended"
        ours.turn()
        rumours.overhear(ours.broker.store.open_leaks())


def sweep_of(leak: str) -> str:
    """A leak is named by its job and a number."""
    return leak.rpartition("-")[0]


def unfinished(ours: AwsBroker, jobs: list[JobId]) -> int:
    counts = [ours.broker.store.job(one).counts for one in jobs]
    ended = sum(one.get(state, 0) for one in counts for state in (State.SUCCEEDED, State.FAILED))
    return TASKS - ended
