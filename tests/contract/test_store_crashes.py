"""A broker is killed at random statements, over and over; no task is lost, none runs twice."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from headgate.lifecycle import State
from queue_broker.adapters.store.store import SqlStore
from queue_broker.records import JobId
from tests.contract import crashing
from tests.contract.crashing import CANCELLED, CHAIN, FIRST, LAST, SECOND, SIZE, FileEngine
from tests.contract.stores import check_books

ROOT = Path(__file__).parents[2]
#: Kills before a broker is let live; HEADGATE_CRASHES=200 is a long run.
CRASHES = int(os.environ.get("HEADGATE_CRASHES", "12"))


class Lives:
    """A broker that is started again as often as it dies."""

    def __init__(self, url: str, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.contract.crashing", url, str(folder)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
        )

    def live(self, statements: int) -> str:
        """Let a broker live for so many statements: "killed", "finished" or "broken"."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(statements, file=self._process.stdin, flush=True)
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        self._process.communicate()


def test_a_broker_killed_at_random_points_loses_and_doubles_nothing(
    store_url: str, tmp_path: Path
) -> None:
    dice = random.Random(1996)
    lives = Lives(store_url, tmp_path)
    ends = [lives.live(dice.randrange(1, 60)) for _ in range(CRASHES)]
    ends.append(lives.live(10**9))
    lives.close()
    assert "broken" not in ends
    assert ends[-1] == "finished"
    with SqlStore(store_url) as store:
        check_books(store)
        check_against_engine(store, FileEngine(tmp_path / "engine"))


def check_against_engine(store: SqlStore, engine: FileEngine) -> None:
    """What the store says is what the engine saw, and what the tasks' scripts say."""
    seen: Counter[tuple[str, int, int]] = Counter()
    for taken in engine.taken():
        seen.update((taken["job"], taken["attempt"], task) for task in taken["tasks"])
    assert set(seen.values()) == {1}
    for job_id, size in ((FIRST, SIZE), (SECOND, SIZE), (CHAIN, 4), (LAST, 1)):
        for task in range(size):
            attempts = [a.attempt for a in store.attempts(JobId(job_id), task)]
            assert attempts == sorted(a for j, a, t in seen if (j, t) == (job_id, task))
            assert store.state_of(JobId(job_id), task)[0] in allowed(job_id, task)


def allowed(job_id: str, task: int) -> set[State]:
    """Where a task may end: where it was cancelled in flight, it may have been too late."""
    if job_id in {FIRST, SECOND} and task in CANCELLED:
        return {State.SUCCEEDED, State.FAILED}
    failing = job_id in {FIRST, SECOND} and crashing.fails(FIRST, task)
    return {State.FAILED if failing else State.SUCCEEDED}
