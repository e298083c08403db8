"""Single jobs a second through HTTP, durable before the answer, until the last has its estimate.

The floor is a FastAPI endpoint that only validates the same body, under uvicorn as anybody would
serve it, and the same load generator: it says what HTTP and validation cost by themselves. The
broker is served by uvicorn too, and takes its busiest requests where uvicorn reads them. The
peer is procrastinate's single enqueue of the same fields as arguments, from within a process: it is
spared HTTP.

Caveats: the load generator shares the machine with the servers. Nothing is run meanwhile.
"""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import httpx
import uvicorn
from fastapi import FastAPI

from benchmarks import peers
from benchmarks.load import Load, post_all
from benchmarks.report import Options, Result, main
from benchmarks.stages import POSTGRES, SQLITE, database, in_process, served_broker
from headgate.job import Job

#: Callers that wait for their answers at any time; a commit is shared by those that came meanwhile.
AT_ONCE = 256
ROUNDS = 3


def measure(options: Options) -> Iterator[Result]:
    peers.say_missing()
    n = 2_000 if options.quick else 10_000
    peer = peer_rate(n, options.seed)
    for kind in (POSTGRES, SQLITE):
        ours, floor = alternately(kind, n, options.seed)
        yield from results(kind, n, ours, floor, peer if kind == POSTGRES else None)


def alternately(kind: str, n: int, seed: int) -> tuple[list[Load], list[Load]]:
    """Ours and the floor in turns, after a warm-up of each."""
    ours, floor = [], []
    with database(kind) as url, served_broker(url) as served, validator() as address:
        for turn in range(ROUNDS + 1):
            bodies = jobs(n if turn else n // 10, seed + turn)
            floor.append(post_all(address, "/jobs", bodies, AT_ONCE))
            ours.append(take(served.address, bodies))
    return ours[1:], floor[1:]


def take(address: str, bodies: Sequence[bytes]) -> Load:
    """The latencies are of the answers; the seconds run until the last job has its estimate."""
    start = time.perf_counter()
    load = post_all(address, "/jobs", bodies, AT_ONCE)
    unestimated = {"state": "SUBMITTED", "limit": "1"}
    while httpx.get(f"{address}/jobs", params=unestimated).json()["jobs"]:
        time.sleep(0.02)
    return replace(load, seconds=time.perf_counter() - start)


def jobs(n: int, seed: int) -> list[bytes]:
    """Jobs as somebody would submit them, no two alike, each with its client token."""
    pick = random.Random(seed)
    return [json.dumps(job(pick, at)).encode() for at in range(n)]


def job(pick: random.Random, at: int) -> dict[str, object]:
    size = int(pick.lognormvariate(20, 2))
    return {
        "name": f"align-{at % 7}",
        "command": ["align", "--in", "Ref::sample", "--threads", "4"],
        "image": "registry.example/align:1.4",
        "environment": {"REFERENCE": "hg38"},
        "queue": "genomics",
        "tenant": f"team-{at % 5}",
        "inputs": [{"uri": f"s3://bucket/sample-{at}.fastq.gz", "size_bytes": size}],
        "parameters": {"sample": f"sample-{at}", "seed": pick.randrange(10**6)},
        "resources": {"vcpu": 4, "memory_mib": 16384},
        "tags": {"project": "p1"},
        "client_token": f"{pick.getrandbits(64):016x}",
    }


def validate_only() -> FastAPI:
    """What HTTP and validation cost by themselves."""
    app = FastAPI()

    @app.post("/jobs", status_code=201)
    async def submit(job: Job) -> dict[str, str]:
        return {"job_id": job.name}

    return app


def serve_validator() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(validate_only(), log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def validator() -> Iterator[str]:
    with in_process("from benchmarks.submit_rate import serve_validator as s; s()") as served:
        yield served.address


def peer_rate(n: int, seed: int) -> float | None:
    if peers.PROCRASTINATE in peers.missing():
        return None
    rows = [json.loads(body) for body in jobs(n // 4, seed)]
    with database(POSTGRES) as url:
        peers.install_procrastinate(url)
        return len(rows) / peers.enqueue_one_by_one(url, rows, AT_ONCE)


def results(
    kind: str, n: int, ours: list[Load], floor: list[Load], peer: float | None
) -> Iterator[Result]:
    best, bound = max(ours, key=lambda load: load.rate), max(floor, key=lambda load: load.rate)
    seconds = sum(load.seconds for load in ours)
    rate, name = best.rate, f"submit_rate, {kind}"
    against = {"validation only": bound.rate}
    total = n * len(ours)
    yield Result(name, rate, "jobs/s", total, seconds, against, rate / bound.rate, ">= 0.5")
    if peer is not None:
        against = {peers.PROCRASTINATE: peer}
        name_ = f"{name}: against single enqueue"
        yield Result(name_, rate, "jobs/s", total, seconds, against, rate / peer, ">= 4")
    for q in (0.5, 0.99):
        bound_ms = {"validation only": bound.quantile_ms(q)}
        name_ = f"{name}: p{q * 100:.0f}, {AT_ONCE} at once"
        yield Result(name_, best.quantile_ms(q), "ms", total, seconds, bound_ms)


if __name__ == "__main__":
    main(measure, __doc__)
