"""A whole broker that is killed with SIGKILL at chosen statements, and started again.

`python -m tests.contract.crashing URL FOLDER` reads numbers from standard input. For each it forks
a broker that kills itself when it is about to send that many statements or commits, and answers
with "killed" or, when there was nothing left to do, "finished". Forking spares the imports.

Only the engine is not the real one: `Witness` keeps a line for each leak that it ever took, written
before the answer. It is what the tests hear, since it survives what the broker does not.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

from headgate.errors import Unavailable
from headgate.job import Dependency, RetryStrategy
from headgate.lifecycle import Cause
from headgate.resources import ResourceRequest, Resources
from predictor.predictor import Predictor
from queue_broker.adapters.engines.instant import SUCCESS, InstantEngine, Outcome
from queue_broker.adapters.registry import FolderRegistry
from queue_broker.adapters.store.shelf import SqlShelf
from queue_broker.adapters.store.standings import SqlDescriber
from queue_broker.adapters.store.store import SqlStore
from queue_broker.broker import Broker
from queue_broker.core.forecast import Forecaster
from queue_broker.core.parameters import Parameters
from queue_broker.events import Event
from queue_broker.main import Parts, wire
from queue_broker.records import HandOver, JobId, Lane, Leak, Submission, Tasks
from queue_broker.settings import Settings
from tests.contract.dying import die_after
from tests.factories import a_submission, a_sweep, an_estimate

T = TypeVar("T")

FIRST, SECOND, CHAIN, LAST, KNOWN = "first", "second", "chain", "last", "known"
#: Kills before a broker is let live; HEADGATE_CRASHES=200 is a run of a quarter of an hour.
CRASHES = int(os.environ.get("HEADGATE_CRASHES", "8"))
SIZE = max(40, 2 * CRASHES)
CANCELLED = Tasks(range(30, 35))
#: A quarter of the tasks need more than all ask for.
ASKED, NEEDED_MIB = ResourceRequest(vcpu=1, memory_mib=1000), 1100
#: So few tasks at once that each sweep takes many leaks.
LANE = Lane("small", Resources(vcpu=8, memory_mib=16_000), instances=1, purchase="ON_DEMAND")
#: Of each leak so many tasks end between two polls.
AT_A_POLL = 3


def submissions() -> list[Submission]:
    """A sweep, one that follows it task by task, a chain, a job that waits for that, and one that
    was estimated on arrival.
    """
    n_to_n = (Dependency(job_id=FIRST, type="N_TO_N"),)
    sequential = (Dependency(job_id=CHAIN, type="SEQUENTIAL"),)
    twice = RetryStrategy(attempts=2)
    return [
        a_sweep(FIRST, SIZE, client_token=FIRST, resources=ASKED, retry_strategy=twice),
        a_sweep(SECOND, SIZE, depends_on=n_to_n, client_token=SECOND, resources=ASKED),
        a_sweep(CHAIN, 4, depends_on=sequential, client_token=CHAIN, resources=ASKED),
        a_submission(LAST, depends_on=(Dependency(job_id=CHAIN),), client_token=LAST),
        a_submission(KNOWN, client_token=KNOWN, estimate=an_estimate()),
    ]


def needs_more(job_id: str, task: int) -> bool:
    """The same for whoever asks, and whenever."""
    return job_id in {FIRST, SECOND} and crc32(f"{job_id}/{task}".encode()) % 4 == 0


def fails(job_id: str, task: int) -> bool:
    """At every attempt."""
    return job_id == FIRST and task % 10 == 9


def outcome(leak: Leak, task: int) -> Outcome:
    if needs_more(leak.job_id, task) and leak.allocation.memory_mib < NEEDED_MIB:
        return Outcome(Cause.OUT_OF_MEMORY, 137, reason="out of memory")
    return Outcome(exit_code=1) if fails(leak.job_id, task) else SUCCESS


class Witness(InstantEngine):
    """Takes leaks, each name once, for ever; what it took is in a file."""

    def __init__(self, path: Path) -> None:
        super().__init__([LANE], time.time, at_once=False)
        self.path = path

    def hand_over(self, leaks: Sequence[Leak]) -> list[HandOver]:
        known = self._known()
        for leak in leaks:
            if leak.name not in known:
                self._note(leak)
        return super().hand_over(leaks)

    def adopt(self, leaks: Sequence[Leak]) -> None:
        known = self._known()
        for leak in leaks:
            if leak.name in known:
                self.world.start(leak, time.time()).running &= leak.open
        super().adopt(leaks)

    def poll(self, limit: int) -> list[Event]:
        for name, run in self.world.runs.items():
            for task in list(run.running)[:AT_A_POLL]:
                self.finish(name, Tasks([task]), outcome(run.leak, task))
        return super().poll(limit)

    def taken(self) -> Iterator[dict[str, Any]]:
        if self.path.exists():
            yield from map(json.loads, self.path.read_text().splitlines())

    def _known(self) -> set[str]:
        """Read anew: another replica's hand-overs are in it too."""
        return {taken["name"] for taken in self.taken()}

    def _note(self, leak: Leak) -> None:
        line = {"name": leak.name, "job": leak.job_id, "attempt": leak.attempt}
        text = json.dumps(line | {"tasks": list(leak.tasks)}) + "\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, text.encode())
        os.close(descriptor)


def broker_on(store: SqlStore, folder: Path) -> Broker:
    registry = FolderRegistry(folder / "models")
    parts = Parts(
        store=store,
        shelf=SqlShelf(store.database),
        describer=SqlDescriber(store.database),
        engine=Witness(folder / "engine"),
        registry=registry,
        forecaster=Forecaster(Predictor(), registry),
        parameters=Parameters(store),
    )
    return wire(Settings(data_dir=folder), time.time, parts)


def work(url: str, folder: Path, statements: int) -> None:
    """A broker's whole life; one that does not lead waits for its turn."""
    with insist(lambda: SqlStore(url)) as store:
        die_after(store, statements)
        insist(lambda: submit(store))
        broker = insist(lambda: broker_on(store, folder))
        while insist(store.backlog):
            if not insist(broker.lead):
                time.sleep(0.01)
            insist(broker.keep)


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
