"""One round of the demo: a sweep of real trainings, with production jobs arriving in its middle."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import psutil
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from headgate.client import Client
from headgate.handles import JobHandle, SweepHandle
from headgate.job import Job, Scalar
from headgate.lifecycle import FINISHED, IN_FLIGHT, State
from headgate.resources import ResourceRequest
from headgate.sweep import Grid
from headgate.views import TaskView

ALGORITHMS = ("naive_bayes", "ridge", "centroid", "tree", "forest", "boosting")
#: The second round asks for sizes that the first has not seen.
SIZES = ((0.0, 1.0, 2.0, 2.5, 3.0, 3.5, 4.0), (0.5, 1.5, 1.8, 2.3, 2.8, 3.2, 3.7))
SEEDS = (0, 1)
#: What a person asks for, for all tasks of one template: what the largest could need, and then
#: some; on a small machine no more than leaves room for two side by side.
MOST_ASKED_MIB, MOST_OF_MACHINE = 8192, 0.4
PRODUCTION = "production"
PRODUCTION_JOBS = 4
POLL_S = 0.5

TRAIN = (sys.executable, "-m", "queue_broker.demo.train_one")


@dataclass(frozen=True, slots=True)
class Round:
    """What one round left behind, as the broker tells it."""

    tasks: Sequence[TaskView]
    production: Sequence[TaskView]
    submitted_at_s: Sequence[float]
    wall_s: float


@cache
def asked() -> ResourceRequest:
    """The over-asking of round 1 and of round 2 alike: people do not change, estimates do."""
    machine_mib = psutil.virtual_memory().total >> 20
    return ResourceRequest(
        vcpu=1, memory_mib=min(MOST_ASKED_MIB, int(machine_mib * MOST_OF_MACHINE))
    )


def sweep_of(which: int) -> tuple[Job, Grid]:
    """The template and the grid of round 0 or 1."""
    options = ("--algorithm", "Ref::algorithm", "--size", "Ref::size", "--seed", "Ref::seed")
    job = Job(
        name="train-digits",
        command=(*TRAIN, *options),
        resources=asked(),
        tenant="research",
        tier="sweep",
    )
    axes: dict[str, tuple[Scalar, ...]] = {
        "seed": SEEDS,
        "size": SIZES[which],
        "algorithm": ALGORITHMS,
    }
    return job, Grid(axes=axes)


def production_job() -> Job:
    """A small scoring job such as a product waits for."""
    return Job(
        name="score-nightly",
        command=(*TRAIN, "--algorithm", "tree", "--size", "3"),
        resources=ResourceRequest(vcpu=1, memory_mib=1024),
        tenant="product",
        tier=PRODUCTION,
    )


def run_alone(client: Client, jobs: int = 2) -> list[tuple[float, TaskView]]:
    """Production jobs one after another on an idle machine: the wait to compare with."""
    done = []
    for _ in range(jobs):
        handle = client.submit(production_job())
        handle.wait(progress=False)
        done.append(seen(client, handle))
    return done


def run_round(client: Client, which: int) -> Round:
    """Submit the sweep; while it runs, send a production job at even steps of its middle."""
    started = time.monotonic()
    job, grid = sweep_of(which)
    sweep = client.submit_sweep(job, grid=grid.axes)
    production: list[JobHandle] = []
    due = [grid.size * (i + 1) // (PRODUCTION_JOBS + 2) for i in range(PRODUCTION_JOBS)]
    for ended in watch(sweep, grid.size, f"round {which + 1}"):
        while len(production) < len(due) and ended >= due[len(production)]:
            production.append(client.submit(production_job()))
    for handle in production:
        handle.wait(progress=False)
    wall_s = time.monotonic() - started
    tasks = [sweep.task(index).describe() for index in range(grid.size)]
    seen_ = [seen(client, handle) for handle in production]
    return Round(tasks, [task for _, task in seen_], [at for at, _ in seen_], wall_s)


def seen(client: Client, handle: JobHandle) -> tuple[float, TaskView]:
    """When a job was submitted, and how its only task went."""
    task = client.sweep(handle.id).task(0).describe()
    return handle.describe().submitted_at_s, task


def watch(sweep: SweepHandle, size: int, title: str) -> Iterator[int]:
    """Show the sweep's progress until it is over; yields how many tasks have ended."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[now]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns) as progress:
        bar = progress.add_task(title, total=size, now="")
        while True:
            counts = sweep.counts()
            ended = sum(counts.get(state, 0) for state in FINISHED)
            progress.update(bar, completed=ended, now=now(counts))
            yield ended
            if ended >= size:
                return
            time.sleep(POLL_S)


def now(counts: dict[State, int]) -> str:
    running = sum(counts.get(state, 0) for state in IN_FLIGHT)
    failed = counts.get(State.FAILED, 0)
    words = (f"{running} running" if running else "", f"{failed} failed" if failed else "")
    return ", ".join(filter(None, words))
