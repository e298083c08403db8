"""What handing a million tasks to AWS Batch costs in calls, and how fast its events are taken.

Twenty sweeps of one shape each (10^6 tasks in all; --quick: 4 x 10^4) go through the whole broker:
store, cycle, policy and the AWS engine, in virtual time. In place of AWS stands a model of it that
counts every call (`batch_model`). Naively, one SubmitJob a task and one DescribeJobs a hundred
tasks each ten seconds are what a scheduler without arrays makes; the row `against` has the submits.

Events are state changes as SQS delivers them, ten a receipt, through parsing, the engine and the
store until they are settled.

Caveats: calls depend on how long tasks run (about two minutes here, log-normal; their kind has run
before, so that this is foretold) and on how many fit at once (a tenth of all); CloudWatch's calls
for measured use are not among them (one for some thousand tasks). A pass comes every two virtual
seconds, eight times less often than in service. The calls follow the number of leaks, which the
policy cuts: a lane's queue is filled up once half of it has drained. That this costs no capacity
is seen in the vCPUs kept busy, from the first start to the last.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.batch_model import MU, SIGMA, BatchModel, a_lane
from benchmarks.report import Options, Result, main
from headgate.job import Job
from headgate.lifecycle import Cause, State
from headgate.resources import ResourceRequest
from headgate.usage import Observation, Usage
from queue_broker.adapters.engines.aws.clients import Clients
from queue_broker.adapters.engines.aws.engine import AwsEngine
from queue_broker.adapters.store.store import SqlStore
from queue_broker.broker import Broker
from queue_broker.core.bucket import TokenBucket
from queue_broker.core.parameters import Parameters
from queue_broker.core.policy import Policy
from queue_broker.main import parts_on, wire
from queue_broker.records import JobId, Submission
from queue_broker.settings import AwsSettings, Settings

SHAPES, LANES = 20, 4
STEP_S = 2.0
#: The end is looked for only so often: counting takes as long as a pass.
PASSES = 10
#: Virtual seconds after which something is wrong.
MOST_S = 50_000


class Queue:
    """SQS with messages in memory: ten a receipt."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def receive_message(self, **_: Any) -> dict[str, Any]:
        now, self.messages = self.messages[:10], self.messages[10:]
        return {"Messages": [{"Body": body, "ReceiptHandle": ""} for body in now]}

    def delete_message_batch(self, **_: Any) -> dict[str, Any]:
        return {}


class World:
    """A broker on the model."""

    def __init__(self, folder: Path, tasks: int, seed: int, **aws: Any) -> None:
        most = tasks // (10 * LANES * 16) + 1  # a tenth of the tasks runs at once
        lanes = [a_lane(f"lane-{n}", 16, 62_000, most) for n in range(LANES)]
        self.model = BatchModel([one for one, _ in lanes], [one for _, one in lanes], seed)
        self.queue = Queue()
        settings = Settings(data_dir=folder)
        store = SqlStore(settings.store_url, self.clock)
        parameters = Parameters(store)
        given = AwsSettings(image="busybox", report_wait_s=0, **aws)
        bucket = TokenBucket()
        engine = AwsEngine(given, self._clients(given), parameters.of, self.clock, bucket)
        self.broker: Broker = wire(
            settings, self.clock, parts_on(settings, store, engine, parameters)
        )
        self.broker.cycle.policy = Policy(bucket=bucket)

    def clock(self) -> float:
        return self.model.now_s

    def _clients(self, settings: AwsSettings) -> Clients:
        clients = Clients(settings, session=None)  # type: ignore[arg-type]  # nobody is called
        clients.__dict__ |= {"submit": self.model, "batch": self.model}
        clients.__dict__ |= {"logs": None, "sqs": self.queue}
        return clients

    def sweep(self, number: int, size: int) -> JobId:
        asked = ResourceRequest(vcpu=1, memory_mib=1_000 + 100 * number, ceiling=True)
        job = Job(name=f"shape-{number}", command=("work",), resources=asked)
        self.broker.forecaster.observe(past_runs(job))
        job_id = JobId(f"sweep-{number}")
        self.broker.store.add(
            [Submission(job_id, job, "bench", "sweep", self.clock(), "d", size, array=True)]
        )
        return job_id


def past_runs(job: Job) -> list[Observation]:
    """The kind of sweep has run before: how long its tasks take is known, as the model draws it."""
    rng = np.random.default_rng(len(job.name))
    runtimes_s = rng.lognormal(MU, SIGMA, 32).tolist()
    return [
        Observation(job, Usage(runtime_s), Cause.EXITED, 0, attempt=1, finished_at_s=0.0)
        for runtime_s in runtimes_s
    ]


def measure(options: Options) -> Iterator[Result]:
    n = 40_000 if options.quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder:
        yield from calls(World(Path(folder), n, options.seed), n)
    n = 10_000 if options.quick else 50_000
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder:
        world = World(Path(folder), n * 10, options.seed, events_queue_url="q", look_s=1e9)
        yield events(world, n)


def calls(world: World, n: int) -> Iterator[Result]:
    begun = time.perf_counter()
    jobs = [world.sweep(number, n // SHAPES) for number in range(SHAPES)]
    while succeeded(world, jobs) < n:
        assert world.model.now_s < MOST_S, f"{succeeded(world, jobs)} of {n} ended"
        for _ in range(PASSES):
            world.broker.lead()
            world.model.now_s += STEP_S
    seconds = time.perf_counter() - begun
    assert world.model.children == n, "something was started twice"
    submits = world.model.calls["SubmitJob"]
    others = sum(world.model.calls.values()) - submits
    naive = {"a call a task": float(n)}
    yield Result("SubmitJob", submits, "calls", n, seconds, naive, target="<= 1000")
    for name, count in sorted(world.model.calls.items()):
        if name != "SubmitJob":
            yield Result(f"  {name}", count, "calls", n, seconds)
    yield Result("all others", others, "calls", n, seconds, target="<= 5000")
    yield Result("vCPUs kept busy", world.model.use(), "of all", n, seconds)


def succeeded(world: World, jobs: list[JobId]) -> int:
    return sum(world.broker.store.job(one).counts[State.SUCCEEDED] for one in jobs)


def events(world: World, n: int) -> Result:
    """Two state changes (RUNNING, SUCCEEDED) of `n` running tasks, until all are settled."""
    job = world.sweep(0, n)
    while world.model.children < n:
        world.broker.lead()
        world.model.now_s += STEP_S
    leaks = world.broker.store.open_leaks()
    world.queue.messages = [
        message(f"{leak.engine_id}:{index}" if len(leak.tasks) > 1 else str(leak.engine_id), state)
        for state in ("RUNNING", "SUCCEEDED")
        for leak in leaks
        for index in range(len(leak.tasks))
    ]
    begun, many = time.perf_counter(), len(world.queue.messages)
    while succeeded(world, [job]) < n:
        world.broker.lead()
    seconds = time.perf_counter() - begun
    return Result("events, to settled", many / seconds, "events/s", many, seconds, target=">= 2000")


def message(job_id: str, state: str) -> str:
    """As EventBridge puts it, with the fields that the engine does not need left at a few."""
    detail: dict[str, Any] = {"jobId": job_id, "status": state, "startedAt": 1_000_000}
    if state == "SUCCEEDED":
        detail |= {"stoppedAt": 1_060_000, "container": {"exitCode": 0}}
    return json.dumps({"detail-type": "Batch Job State Change", "detail": detail})


if __name__ == "__main__":
    main(measure, __doc__)
