"""A broker whose engine is AWS Batch (the stand-in), killed with SIGKILL and started again.

`python -m tests.integration.aws.broker URL FOLDER ADDRESS TASKS` reads numbers from standard input.
For each it forks a broker that kills itself at that many calls to AWS or (negative) statements of
its database, and answers with "killed" or, where nothing was left to do, "finished". Forking spares
the imports.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from headgate.errors import Unavailable
from headgate.job import Job
from headgate.lifecycle import State
from headgate.resources import ResourceRequest
from predictor.predictor import Predictor
from queue_broker.adapters.engines.aws.clients import Clients
from queue_broker.adapters.engines.aws.engine import AwsEngine
from queue_broker.adapters.registry import FolderRegistry
from queue_broker.adapters.store.shelf import SqlShelf
from queue_broker.adapters.store.standings import SqlDescriber
from queue_broker.adapters.store.store import SqlStore
from queue_broker.broker import Broker
from queue_broker.core.forecast import Forecaster
from queue_broker.core.parameters import Parameters
from queue_broker.main import Parts, wire
from queue_broker.records import JobId, Leak, Submission
from queue_broker.settings import Settings
from tests.contract.dying import die_after
from tests.integration.aws.stand_in import quick, speak

SWEEPS = 10


@dataclass(slots=True)
class Rumours:
    """An SQS queue whose events come late, twice, and out of order: whatever was ever true. What
    was told is kept in a file, since its teller is killed."""

    batch: Any
    rng: random.Random
    kept: Path
    waiting: list[str] = field(default_factory=list)

    def overhear(self, leaks: Sequence[Leak]) -> None:
        """The states of some children of some leaks, as they are now, to be told some time."""
        known = [leak for leak in leaks if leak.engine_id]
        for leak in self.rng.sample(known, min(3, len(known))):
            index = self.rng.randrange(len(leak.tasks))
            child = f"{leak.engine_id}:{index}" if len(leak.tasks) > 1 else leak.engine_id
            for detail in self.batch.describe_jobs(jobs=[child])["jobs"]:
                event = {"detail-type": "Batch Job State Change", "detail": detail}
                self.waiting += [json.dumps(event, default=str)] * 2
        self.rng.shuffle(self.waiting)

    def receive_message(self, **_: Any) -> dict[str, Any]:
        now, self.waiting = self.waiting[:4], self.waiting[4:]
        with self.kept.open("a") as file:
            file.writelines(f"{body}\n" for body in now)
        return {"Messages": [{"Body": body, "ReceiptHandle": "r"} for body in now]}

    def delete_message_batch(self, **_: Any) -> dict[str, Any]:
        return {}


def sweeps(tasks: int) -> Iterator[Submission]:
    """Ten sweeps told apart by index."""
    asked = ResourceRequest(vcpu=1, memory_mib=512)
    for number in range(SWEEPS):
        job = Job(name=f"s{number}", command=("work",), resources=asked)
        given = (JobId(f"sweep-s{number}"), job, "acme", "sweep", time.time(), "d")
        yield Submission(*given, size=tasks // SWEEPS, array=True)


def broker(url: str, folder: Path, clients: Clients, **aws: Any) -> Broker:
    """A broker's parts, wired, over the stand-in's clients."""
    store, registry = SqlStore(url), FolderRegistry(folder / "models")
    parameters = Parameters(store)
    parts = Parts(
        store=store,
        shelf=SqlShelf(store.database),
        describer=SqlDescriber(store.database),
        engine=AwsEngine(quick("", **aws), clients, parameters.of, time.time),
        registry=registry,
        forecaster=Forecaster(Predictor(), registry),
        parameters=parameters,
    )
    return wire(Settings(data_dir=folder), time.time, parts)


def live(url: str, folder: Path, address: str, end: int, seed: int) -> None:
    """A life, until nothing is left to do or the process kills itself."""
    pace = {"lanes_s": 5.0, "look_s": 0.2, "children_s": 0.5, "events_queue_url": "queue"}
    clients = speak(quick(address))
    folder.mkdir(exist_ok=True)
    # Nothing is tried again by boto3, which waits before it does: each fault is the broker's.
    clients.__dict__["batch"] = clients.submit
    rumours = Rumours(clients.batch, random.Random(seed), folder / "told")
    clients.__dict__["sqs"] = rumours
    one = broker(url, folder, clients, **pace)
    store: Any = one.store
    if end > 0:
        die_at_call(clients, end)
    else:
        die_after(store, -end)
    for turn in count():
        if not unfinished(store):
            return
        with suppress(Unavailable):
            one.lead()
        if rumours.waiting or turn % 4:
            continue
        with suppress(ClientError, BotoCoreError):
            rumours.overhear(store.open_leaks())


def die_at_call(clients: Clients, calls: int) -> None:
    """Every second time it is before a call is sent, and else after its answer has come."""
    left = iter(range(calls))

    def step(**_: Any) -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    clients.batch.meta.events.register("before-send.batch", step)
    clients.batch.meta.events.register("response-received.batch", step)


def unfinished(store: SqlStore) -> int:
    counts = [job.counts for job in store.jobs()]
    over = (State.SUCCEEDED, State.FAILED)
    return sum(n for one in counts for state, n in one.items() if state not in over)


def main(url: str, folder: str, address: str, tasks: str) -> None:
    store = SqlStore(url)
    store.add(list(sweeps(int(tasks))))
    store.close()
    for seed, line in enumerate(sys.stdin):
        pid = os.fork()
        if pid == 0:
            try:
                live(url, Path(folder), address, int(line), seed)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if killed else "finished" if status == 0 else f"broken {status}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
