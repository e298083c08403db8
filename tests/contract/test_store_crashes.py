"""A broker is killed at random statements, over and over; no task is lost, none runs twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from headgate.lifecycle import State
from queue_broker.adapters.store.store import SqlStore
from queue_broker.records import JobId
from tests.contract import crashing
from tests.contract.crashing import (
    CANCELLED,
    CHAIN,
    CRASHES,
    FIRST,
    KNOWN,
    LAST,
    SECOND,
    SIZE,
    Witness,
)
from tests.contract.stores import check_books
from tests.postgres import Server, private_server

ROOT = Path(__file__).parents[2]
#: What was submitted, and its tasks.
SIZES = {FIRST: SIZE, SECOND: SIZE, CHAIN: 4, LAST: 1, KNOWN: 1}
#: More statements than a whole life takes.
FOR_EVER = 10**9


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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()


def test_a_broker_killed_at_random_points_loses_and_doubles_nothing(
    store_url: str, tmp_path: Path
) -> None:
    ends = live_and_die(store_url, tmp_path, random.Random(1996))
    assert ends == {"killed": CRASHES}, "there must be work left for each life"
    check_all(store_url, tmp_path)


def test_two_replicas_killed_at_random_points_lose_and_double_nothing(
    postgres_url: str, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(2) as pool:
        dice = [random.Random(seed) for seed in (1, 2)]
        ends = list(pool.map(lambda one: live_and_die(postgres_url, tmp_path, one), dice))
    assert sum(one["killed"] for one in ends) >= CRASHES
    check_all(postgres_url, tmp_path)


def test_a_database_that_crashes_loses_and_doubles_nothing(
    postgres: Server, tmp_path: Path
) -> None:
    del postgres  # says whether there can be a server at all
    dice = random.Random(1996)
    with private_server(durable=True) as server:
        SqlStore(server.url()).close()
        with Lives(server.url(), tmp_path) as lives, ThreadPoolExecutor(1) as pool:
            end = pool.submit(lives.live, FOR_EVER)
            for _ in range(CRASHES // 3):
                time.sleep(dice.uniform(0.05, 0.3))
                server.kill()
                server.start()
            assert end.result() == "finished"
        check_all(server.url(), tmp_path)


def live_and_die(url: str, folder: Path, dice: random.Random) -> Counter[str]:
    """A broker dies over and over, and is let live at last; how its lives ended."""
    with Lives(url, folder) as lives:
        ends = Counter(lives.live(dice.randrange(1, 120)) for _ in range(CRASHES))
        assert ends.keys() <= {"killed", "finished"}
        assert lives.live(FOR_EVER) == "finished"
        return ends


def check_all(url: str, folder: Path) -> None:
    with SqlStore(url) as store:
        check_books(store)
        check_against_engine(store, Witness(folder / "engine"))


def check_against_engine(store: SqlStore, engine: Witness) -> None:
    """What the store says is what the engine saw, and what the tasks' scripts say."""
    seen: Counter[tuple[str, int, int]] = Counter()
    for taken in engine.taken():
        seen.update((taken["job"], taken["attempt"], task) for task in taken["tasks"])
    assert set(seen.values()) == {1}
    for job_id, size in SIZES.items():
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
