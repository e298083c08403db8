"""AWS Batch's protocol through boto3 itself, requests signed and verified.

SubmitJob: jobs a second over 32 connections, each durable before the answer, against moto's server
on the same machine, which keeps jobs in memory and verifies nothing. Once through 32 threads of a
boto3 client in one process; once through as many of two processes, as clients of a queue are
several; and once with the very requests that boto3 built and signed, sent by a generator that costs
next to nothing, which is the servers' own ratio.

DescribeJobs: 100 jobs a call while a million tasks are stored, all of them run: single jobs, whole
arrays, and children of the arrays, each with its attempts; through boto3, which takes about as long
to read such an answer as the broker to give it, and as boto3 signs it, one call after the other.

Caveats: boto3 takes half a millisecond or more of the client's own time for each call, and the
client shares the machine with the servers. The client's garbage collector is told to leave alone
what was there before the first call: it took up to a quarter of a second, which was no answer's.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from itertools import count
from multiprocessing import get_context
from os import getpid
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config

from benchmarks.load import Load, send_all, to_bytes
from benchmarks.report import Options, Result, main
from benchmarks.stages import SQLITE, Served, database, in_process, served_broker
from queue_broker.adapters.store.database import Database
from queue_broker.adapters.store.migrate import upgrade
from queue_broker.adapters.store.shelf import SqlShelf
from queue_broker.footprint import rest_collector
from queue_broker.wire.keys import AccessKey, new_key

THREADS, PROCESSES = 32, 2
ROUNDS = 3
NAMED = 100
#: A way to submit so many jobs.
Way = Callable[["Place", int], "Submits"]
#: No two submissions are alike: what is signed twice within a second has one signature.
SAMPLES = count()
MOTO = """
import logging
from werkzeug.serving import make_server
from moto.server import DomainDispatcherApplication, create_backend_app
logging.disable(logging.ERROR)  # else lines for each request, and for each job without Docker
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
"""
CONTAINER = {"image": "busybox", "vcpus": 1, "memory": 512, "command": ["echo", "Ref::sample"]}


@dataclass(frozen=True, slots=True)
class Place:
    """A server, and the key that its clients sign with."""

    address: str
    key: AccessKey

    @property
    def client(self) -> Any:
        """The same for all of a process."""
        return speak(self)


@dataclass(frozen=True, slots=True)
class Submits:
    """One run of SubmitJob."""

    n: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.n / self.seconds


def measure(options: Options) -> Iterator[Result]:
    logging.getLogger("botocore").setLevel(logging.ERROR)
    yield from submitting(400 if options.quick else 4_000)
    arrays, size = (20, 5_000) if options.quick else (100, 10_000)
    yield from describing(arrays, size, calls=60 if options.quick else 500)


def submitting(n: int) -> Iterator[Result]:
    """Ours and moto's in turns, after a warm-up of each: through boto3, then without its cost."""
    with broker(has_room=False) as ours, in_process(MOTO) as moto, apart() as submit_apart:
        ways: dict[str, Way] = {
            "through boto3": submit_many,
            f"through boto3 in {PROCESSES} processes": submit_apart,
            "as boto3 signs it": send_prepared,
        }
        peer = Place(moto.address, AccessKey("key", "secret", ""))
        prepare_moto(peer.client, moto)
        for place in (ours, peer):
            define(place.client)
        for what, send in ways.items():
            send(ours, 4 * THREADS)
            send(peer, 4 * THREADS)
            yield compared(f"wire: SubmitJob {what}, sqlite", send, (ours, peer), n)


def compared(name: str, send: Way, places: tuple[Place, Place], n: int) -> Result:
    mine, peer = places
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(send(mine, n))
        theirs.append(send(peer, n // 4))
    best, peers_best = max(one.rate for one in ours), max(one.rate for one in theirs)
    seconds = sum(one.seconds for one in ours)
    against = {"moto": peers_best}
    return Result(name, best, "jobs/s", n * ROUNDS, seconds, against, best / peers_best, ">= 5")


def submit_many(place: Place, n: int, threads: int = THREADS) -> Submits:
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda _: submit(place.client), range(n)):
            pass
    return Submits(n, time.perf_counter() - started)


@contextmanager
def apart() -> Iterator[Way]:
    """A way to submit from several processes, which have their clients before the clock starts."""
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:

        def submit_apart(place: Place, n: int) -> Submits:
            started = time.perf_counter()
            share = partial(submit_many, place, threads=THREADS // PROCESSES)
            for _ in pool.map(share, [n // PROCESSES] * PROCESSES):
                pass
            return Submits(n, time.perf_counter() - started)

        yield submit_apart


def send_prepared(place: Place, n: int) -> Submits:
    """The requests are built and signed before the clock starts."""
    client = place.client
    requests = prepared(client, "SubmitJob", [lambda: submit(client)] * n)
    load = send_all(client.meta.endpoint_url, requests, THREADS)
    return Submits(n, load.seconds)


def prepared(client: Any, operation: str, calls: Sequence[Callable[[], object]]) -> list[bytes]:
    """Calls as boto3 would send them, each with its own signature and invocation id."""
    taken: list[bytes] = []

    def take(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        where = urlsplit(request.url)
        headers = {"Host": where.netloc} | {k: text(v) for k, v in request.headers.items()}
        assert isinstance(request.body, bytes)
        taken.append(to_bytes(request.method, where.path, headers, request.body))
        return AWSResponse(request.url, 200, HTTPHeaders(), Unsent(b'{"jobId": "unsent"}'))

    event = f"before-send.batch.{operation}"
    client.meta.events.register(event, take, unique_id="prepared")
    for call in calls:
        call()
    client.meta.events.unregister(event, unique_id="prepared")
    return taken


def text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


class Unsent(BytesIO):
    """A body as botocore reads it."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


def submit(client: Any, **more: Any) -> str:
    given = {"jobName": "align", "jobQueue": "default", "jobDefinition": "align"} | more
    given["parameters"] = {"sample": f"{getpid()}-{next(SAMPLES)}"}
    return str(client.submit_job(**given)["jobId"])


def describing(arrays: int, size: int, calls: int) -> Iterator[Result]:
    with broker(has_room=True) as place:
        client = place.client
        define(client)
        jobs = [submit(client, arrayProperties={"size": size}) for _ in range(arrays)]
        singles = [submit(client) for _ in range(NAMED)]
        wait_for_all(client, [*jobs, *singles])
        asked = {
            "single jobs": singles,
            "arrays": (jobs * NAMED)[:NAMED],
            "children": [f"{jobs[at % arrays]}:{at * 7 % size}" for at in range(NAMED)],
        }
        rest_collector()
        for what, ids in asked.items():
            yield from latencies(f"{what}, {arrays * size:,} tasks stored", client, ids, calls)


def latencies(what: str, client: Any, ids: list[str], calls: int) -> Iterator[Result]:
    def call() -> None:
        assert len(client.describe_jobs(jobs=ids)["jobs"]) == len(set(ids)), what

    first_ms = 1000 * timed(call)  # it alone unpacks the ends of attempts that nobody asked for yet
    each = [timed(call) for _ in range(calls)]
    against = {"first call": first_ms}
    yield latency(f"{what}, p99 through boto3", Load(sum(each), each), against)
    requests = prepared(client, "DescribeJobs", [lambda: client.describe_jobs(jobs=ids)] * calls)
    load = send_all(client.meta.endpoint_url, requests, at_once=1)
    yield latency(f"{what}, p99 as boto3 signs it", load, {})


def latency(what: str, load: Load, against: dict[str, float]) -> Result:
    name, calls = f"wire: DescribeJobs of {NAMED} {what}", len(load.latencies_s)
    against = {"median": load.quantile_ms(0.5)} | against
    return Result(name, load.quantile_ms(0.99), "ms", calls, load.seconds, against, target="<= 20")


def timed(call: Callable[[], None]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def wait_for_all(client: Any, ids: list[str]) -> None:
    waiting = list(ids)
    while waiting:
        time.sleep(0.2)
        for at in range(0, len(waiting), NAMED):
            found = client.describe_jobs(jobs=waiting[at : at + NAMED])["jobs"]
            done = {one["jobId"] for one in found if one["status"] in ("SUCCEEDED", "FAILED")}
            waiting = [one for one in waiting if one not in done]


@contextmanager
def broker(*, has_room: bool) -> Iterator[Place]:
    """A broker in a process of its own, that verifies its clients' signatures."""
    with database(SQLITE) as url:
        opened = Database(url)
        upgrade(opened)
        key = new_key(SqlShelf(opened), "bench", time.time())
        opened.close()
        with served_broker(url, has_room=has_room) as served:
            yield Place(served.address, key)


@cache
def speak(place: Place) -> Any:
    return boto3.client(
        "batch",
        endpoint_url=place.address,
        region_name="us-east-1",
        aws_access_key_id=place.key.key_id,
        aws_secret_access_key=place.key.secret,
        config=Config(max_pool_connections=THREADS, retries={"total_max_attempts": 1}),
    )


def define(client: Any) -> None:
    client.register_job_definition(
        jobDefinitionName="align", type="container", containerProperties=CONTAINER
    )


def prepare_moto(client: Any, moto: Served) -> None:
    """What moto wants before it takes a job: a role, an environment, a queue."""
    iam = boto3.client(
        "iam",
        endpoint_url=moto.address,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",  # noqa: S106 - moto looks at none
    )
    role = iam.create_role(RoleName="batch", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    made = client.create_compute_environment(
        computeEnvironmentName="env", type="UNMANAGED", state="ENABLED", serviceRole=role
    )
    order = [{"order": 1, "computeEnvironment": made["computeEnvironmentArn"]}]
    client.create_job_queue(
        jobQueueName="default", state="ENABLED", priority=1, computeEnvironmentOrder=order
    )


if __name__ == "__main__":
    main(measure, __doc__)
