"""Tasks a second from submitted to finished, every state durable, on an engine that ends at once.

One sweep is submitted, and the broker's own cycle estimates, packs, leaks, observes and settles
until nothing is left. Flat means that the last fifth of a million tasks goes no slower than the
first. The peers drain the same number of empty jobs with a worker of their own, on the same server.

Caveats: an engine that ends at once is no engine; what a fleet adds is not in this figure. Peers
run a coroutine a job, which is work that our engine is spared; they do not predict or pack.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from benchmarks import peers
from benchmarks.report import Options, Result, main
from benchmarks.stages import POSTGRES, SQLITE, database, instant_broker
from headgate.job import Job
from headgate.lifecycle import State
from headgate.resources import ResourceRequest
from queue_broker.broker import Broker
from queue_broker.records import JobId, Submission

JOB_ID = JobId("bench-drain")


def measure(options: Options) -> Iterator[Result]:
    peers.say_missing()
    n = 100_000 if options.quick else 1_000_000
    for kind in (POSTGRES, SQLITE):
        with database(kind) as url, instant_broker(url) as broker:
            marks = drain(broker, n)
        rates = against(n // 200 if n >= 1_000_000 else 1_000) if kind == POSTGRES else {}
        yield from results(kind, n, marks, rates)


def drain(broker: Broker, n: int) -> list[tuple[int, float]]:
    """(tasks finished, seconds since the submission), pass by pass."""
    start = time.perf_counter()
    broker.store.add([submission(n)])
    marks = [(0, 0.0)]
    while marks[-1][0] < n:
        broker.lead()
        done = broker.store.job(JOB_ID).counts[State.SUCCEEDED]
        if done > marks[-1][0]:
            marks.append((done, time.perf_counter() - start))
    return marks


def submission(n: int) -> Submission:
    asked = ResourceRequest(vcpu=1, memory_mib=1024)
    job = Job(name="bench", command=("true",), resources=asked)
    return Submission(JOB_ID, job, "bench", "sweep", time.time(), "d", n, array=True)


def against(n: int) -> dict[str, float]:
    """The peers' rates on a durable PostgreSQL of the same kind."""
    rates = {}
    absent = peers.missing()
    if peers.PGQUEUER not in absent:
        rates[peers.PGQUEUER] = peer_rate(n, fill_pgqueuer, peers.drain_pgqueuer)
    if peers.PROCRASTINATE not in absent:
        rates[peers.PROCRASTINATE] = peer_rate(n, fill_procrastinate, peers.drain_procrastinate)
    return rates


def peer_rate(n: int, fill: Callable[[str, int], None], drain_: Callable[[str], float]) -> float:
    with database(POSTGRES) as url:
        fill(url, n)
        return n / drain_(url)


def fill_pgqueuer(url: str, n: int) -> None:
    peers.install_pgqueuer(url)
    peers.enqueue_pgqueuer(url, [b"{}"] * n)


def fill_procrastinate(url: str, n: int) -> None:
    peers.install_procrastinate(url)
    peers.enqueue_procrastinate(url, n)


def results(
    kind: str, n: int, marks: list[tuple[int, float]], rates: dict[str, float]
) -> Iterator[Result]:
    seconds = marks[-1][1]
    rate = n / seconds
    target = ">= 20000" if kind == POSTGRES else None
    yield Result(f"drain, {kind}", rate, "tasks/s", n, seconds, target=target)
    first, last = rate_between(marks, 0.0, 0.2), rate_between(marks, 0.8, 1.0)
    yield Result(
        f"drain, {kind}: last fifth against the first",
        last,
        "tasks/s",
        n,
        seconds,
        {"first fifth": first},
        last / first,
        ">= 0.8",
    )
    if rates:
        best = max(rates.values())
        name = f"drain, {kind}: against the best peer"
        yield Result(name, rate, "tasks/s", n, seconds, rates, rate / best, ">= 10")


def rate_between(marks: list[tuple[int, float]], low: float, high: float) -> float:
    """Tasks a second between two shares of the work, at the passes nearest to them."""
    total = marks[-1][0]
    begin, end = (min(marks, key=lambda mark: abs(mark[0] - total * at)) for at in (low, high))
    return (end[0] - begin[0]) / (end[1] - begin[1])


if __name__ == "__main__":
    main(measure, __doc__)
