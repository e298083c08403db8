"""A broker in miniature that is killed with SIGKILL at chosen statements, and started again.

`python -m tests.contract.crashing URL FOLDER` reads numbers from standard input. For each it forks
a broker that kills itself when it is about to send that many statements or commits, and answers
with "killed" or, when there was nothing left to do, "finished". Forking spares the imports.

The engine is a file: a line for each leak that it ever took, by name, written before the answer.
It is the witness that the tests hear, since it survives what the broker does not.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

from sqlalchemy import event

from headgate.errors import Unavailable
from headgate.job import Dependency
from headgate.lifecycle import Cause
from queue_broker.adapters.store.store import SqlStore
from queue_broker.records import (
    Fail,
    HandOver,
    JobId,
    Judged,
    Leak,
    Retry,
    Split,
    Submission,
    Succeed,
    Tasks,
)
from tests.factories import START_S, a_submission, a_sweep, an_end, an_estimate, an_intent, starts

T = TypeVar("T")

FIRST, SECOND, CHAIN, LAST = "first", "second", "chain", "last"
SIZE = 40
CANCELLED = Tasks(range(30, 35))


def submissions() -> list[Submission]:
    """A sweep, one that follows it task by task, a chain, and a job that waits for the first."""
    n_to_n = (Dependency(job_id=FIRST, type="N_TO_N"),)
    sequential = (Dependency(job_id=CHAIN, type="SEQUENTIAL"),)
    return [
        a_sweep(FIRST, SIZE, client_token=FIRST),
        a_sweep(SECOND, SIZE, depends_on=n_to_n, client_token=SECOND),
        a_sweep(CHAIN, 4, depends_on=sequential, client_token=CHAIN),
        a_submission(LAST, depends_on=(Dependency(job_id=CHAIN),), client_token=LAST),
    ]


def runs_out_of_memory(job_id: str, task: int) -> bool:
    """On its first attempt; the same for whoever asks, and whenever."""
    return job_id in {FIRST, SECOND} and crc32(f"{job_id}/{task}".encode()) % 4 == 0


def fails(job_id: str, task: int) -> bool:
    return job_id == FIRST and task % 10 == 9


@dataclass(frozen=True, slots=True)
class FileEngine:
    """Takes leaks, each name once, for ever."""

    path: Path

    def take(self, leak: Leak) -> HandOver:
        if all(taken["name"] != leak.name for taken in self.taken()):
            line = {"name": leak.name, "job": leak.job_id, "attempt": leak.attempt}
            text = json.dumps(line | {"tasks": list(leak.tasks)}) + "\n"
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(descriptor, text.encode())
            os.close(descriptor)
        return HandOver(leak.name, engine_id=f"file-{leak.name}")

    def taken(self) -> Iterator[dict[str, Any]]:
        if self.path.exists():
            yield from map(json.loads, self.path.read_text().splitlines())


def judge(leak: Leak, task: int) -> Judged:
    if task in leak.cancelling:
        return Judged(an_end(leak, task, Cause.CANCELLED), Fail("cancelled"))
    if leak.attempt == 1 and runs_out_of_memory(leak.job_id, task):
        bigger = Retry(an_estimate(2048, memory_kills=1), "out of memory")
        return Judged(an_end(leak, task, Cause.OUT_OF_MEMORY, exit_code=137), bigger)
    if fails(leak.job_id, task):
        return Judged(an_end(leak, task, exit_code=1), Fail("exit code 1"))
    return Judged(an_end(leak, task), Succeed())


def one_pass(store: SqlStore, engine: FileEngine) -> bool:
    """Everything that a broker does, a little of each."""
    leaks = store.open_leaks()
    for leak in leaks:
        if leak.handed_over_at_s is not None:
            some = list(leak.open)[:3]
            store.started(starts(leak, some))
            store.settle([judge(leak, task) for task in some])
    store.settle_dependencies(2)
    waiting = store.submitted(2)
    store.estimated([(group, [Split(group.waiting, an_estimate())]) for group in waiting])
    for group in store.eligible(3):
        store.write_intents([an_intent(group, group.waiting[:7])], START_S)
    unclear = [leak for leak in store.open_leaks() if leak.handed_over_at_s is None]
    store.handed_over([engine.take(leak) for leak in unclear], START_S)
    return True


def work(url: str, folder: Path, statements: int) -> None:
    """A broker's whole life; one that does not lead waits for its turn."""
    engine = FileEngine(folder / "engine")
    with insist(lambda: SqlStore(url, clock=lambda: START_S)) as store:
        die_after(store, statements)
        insist(lambda: submit(store))
        while insist(store.backlog):
            if not insist(lambda: store.try_lead() and one_pass(store, engine)):
                time.sleep(0.01)


def submit(store: SqlStore) -> None:
    for answer in store.add(submissions()):
        assert not isinstance(answer, Exception), answer
    store.cancel(JobId(FIRST), CANCELLED, "a change of mind")


def insist(what: Callable[[], T]) -> T:
    """Try again for as long as the database is away."""
    while True:
        try:
            return what()
        except Unavailable:
            time.sleep(0.01)


def die_after(store: SqlStore, statements: int) -> None:
    left = iter(range(statements))

    def count(*_: object) -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(store.database.engine, "before_cursor_execute", count)
    event.listen(store.database.engine, "commit", count)


def main(url: str, folder: Path) -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            work(url, folder, int(line))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        answer = "killed" if killed else "finished" if status == 0 else "broken"
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
