"""Tasks through an AWS that throttles, fails and loses answers, handed over by a broker that is
killed again and again: none lost, none started twice, counts exact.

HEADGATE_FAULT_TASKS=20000 is a run of a minute.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from headgate.lifecycle import Cause, State
from headgate.resources import Resources
from queue_broker.adapters.engines.instant import InstantEngine, Outcome, World
from queue_broker.adapters.store.store import SqlStore
from queue_broker.records import Lane, Leak
from tests.integration.aws.broker import SWEEPS
from tests.integration.aws.stand_in import Faults, StandIn, make_lane, quick, speak

TASKS = int(os.environ.get("HEADGATE_FAULT_TASKS", "500"))
#: Kills before the work is done, and before a broker is let live.
LEAST_KILLS, MOST_KILLS = 5, max(6, TASKS // 200)
ROOT = Path(__file__).parents[3]
HOST_LOST = Outcome(Cause.CANCELLED, None, reason="Host EC2 (instance i-1) terminated.")
FAILS = Outcome(exit_code=3)
THROTTLED = "TooManyRequestsException"
#: Enough calls, or statements, for any life to come to its end.
FOR_EVER = 10**9


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


class Lives:
    """Processes of a broker, one after another on one store."""

    def __init__(self, url: str, folder: Path, address: str) -> None:
        command = [sys.executable, "-m", "tests.integration.aws.broker", url, str(folder), address]
        self._process = subprocess.Popen(
            [*command, str(TASKS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def live(self, end: int) -> str:
        """One life, to a call to AWS (or, negative, a statement) or to the work's end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{end}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def lives(url: str, folder: Path, address: str) -> Iterator[Lives]:
    made = Lives(url, folder, address)
    try:
        yield made
    finally:
        made.close()


def test_nothing_is_lost_and_nothing_starts_twice(
    sqlite_url: str, second_sqlite_url: str, tmp_path: Path
) -> None:
    fleet, world, rng = Fleet(), World(), random.Random(11)
    lane = Lane("instant", Resources(10_000, 10**8), 1)
    engine = InstantEngine([lane], time.time, world=world, script=fleet.script)
    stand_in = StandIn(second_sqlite_url, tmp_path / "batch", engine)
    address = stand_in.open()
    make_lane(speak(quick(address)).batch, shape="16/64000/0", most=TASKS // 20)
    faults = stand_in.between.faults = Faults(throttled=0.05, failed=0.01, lost=0.02)

    few = TASKS < 20_000  # too few calls for each kind of fault to come up for certain

    with lives(sqlite_url, tmp_path / "ours", address) as brokers:
        said: list[str] = []
        while "finished" not in said:
            end = rng.randrange(5, 60) * rng.choice((1, -3))
            said.append(brokers.live(end if len(said) < MOST_KILLS else FOR_EVER))
            assert said[-1] in ("killed", "finished")

    submitted = stand_in.broker.store.jobs(limit=100_000)
    stand_in.close()
    store = SqlStore(sqlite_url)
    records = store.jobs()
    store.close()
    assert said.count("killed") >= LEAST_KILLS
    assert sum(faults.counts.values()) > 5
    assert min(faults.counts[one] for one in ("lost", "ServerException", THROTTLED)) > 0 or few
    told = Counter((tmp_path / "ours" / "told").read_text().splitlines())
    assert len(told) > 10
    assert max(told.values()) > 1
    assert max(Counter(one.job.name for one in submitted).values()) == 1
    assert world.twice == []
    assert len(records) == SWEEPS
    for record in records:
        mine = [one.size for one in submitted if sweep_of(one.job.name) == record.job_id]
        failed = fleet.failed[record.job_id]
        assert record.counts[State.FAILED] == failed
        assert record.counts[State.SUCCEEDED] == record.size - failed == TASKS // SWEEPS - failed
        assert sum(mine) == record.size + fleet.lost[record.job_id]


def sweep_of(leak: str) -> str:
    """A leak is named by its job and a number."""
    return leak.rpartition("-")[0]
