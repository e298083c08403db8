"""The queues that ours is held against, each by its own API with settings that suit it.

They are no dependency of ours: `pip install 'pgqueuer==1.6.*' 'procrastinate==3.10.*'`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from importlib.util import find_spec
from typing import Any

import psycopg

PGQUEUER, PROCRASTINATE = "pgqueuer 1.6", "procrastinate 3.10"
INSTALL = "pip install 'pgqueuer==1.6.*' 'procrastinate==3.10.*'"
#: Jobs that a batch enqueue sends at once.
BATCH = 10_000
#: Jobs that a worker has in hand at once.
IN_HAND = 100


def missing() -> list[str]:
    """The peers that are not installed."""
    modules = {PGQUEUER: "pgqueuer", PROCRASTINATE: "procrastinate"}
    return [name for name, module in modules.items() if find_spec(module) is None]


def say_missing() -> None:
    for name in missing():
        print(f"{name} is not installed, so it is left out: {INSTALL}")


def conninfo(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


def timed(work: Coroutine[Any, Any, None]) -> float:
    start = time.perf_counter()
    asyncio.run(work)
    return time.perf_counter() - start


async def end_at_once(*_: object, **__: object) -> None:
    """The peers' job."""


async def with_pgqueuer(url: str, use: Callable[[Any], Awaitable[None]]) -> None:
    from pgqueuer.db import PsycopgDriver

    connection = await psycopg.AsyncConnection.connect(conninfo(url), autocommit=True)
    async with connection:
        await use(PsycopgDriver(connection))


def install_pgqueuer(url: str) -> None:
    from pgqueuer.queries import Queries

    async def install(driver: Any) -> None:
        await Queries(driver).install()

    asyncio.run(with_pgqueuer(url, install))


def enqueue_pgqueuer(url: str, payloads: list[bytes]) -> float:
    """Seconds to enqueue all payloads in batches."""
    from pgqueuer.queries import Queries

    async def enqueue(driver: Any) -> None:
        queries = Queries(driver)
        for start in range(0, len(payloads), BATCH):
            part: list[bytes | None] = list(payloads[start : start + BATCH])
            await queries.enqueue(["noop"] * len(part), part, [0] * len(part))

    return timed(with_pgqueuer(url, enqueue))


def drain_pgqueuer(url: str) -> float:
    """Seconds until a worker has finished everything that is enqueued."""
    from pgqueuer.qm import QueueManager
    from pgqueuer.queries import Queries
    from pgqueuer.types import QueueExecutionMode

    async def drain(driver: Any) -> None:
        manager = QueueManager(Queries(driver))
        manager.entrypoint("noop")(end_at_once)
        await manager.run(batch_size=IN_HAND, mode=QueueExecutionMode.drain)

    return timed(with_pgqueuer(url, drain))


def procrastinate_app(url: str) -> tuple[Any, Any]:
    import procrastinate

    connector = procrastinate.PsycopgConnector(conninfo=conninfo(url), min_size=4, max_size=20)
    app = procrastinate.App(connector=connector)
    return app, app.task(name="noop")(end_at_once)


async def with_procrastinate(url: str, use: Callable[[Any, Any], Awaitable[None]]) -> None:
    app, task = procrastinate_app(url)
    async with app.open_async():
        await use(app, task)


def install_procrastinate(url: str) -> None:
    async def install(app: Any, task: Any) -> None:
        del task
        await app.schema_manager.apply_schema_async()

    asyncio.run(with_procrastinate(url, install))


def enqueue_procrastinate(url: str, n: int) -> float:
    """Seconds to enqueue `n` jobs in batches."""

    async def enqueue(app: Any, task: Any) -> None:
        del app
        for start in range(0, n, BATCH):
            await task.batch_defer_async(
                *({"task": i} for i in range(start, min(n, start + BATCH)))
            )

    return timed(with_procrastinate(url, enqueue))


def enqueue_one_by_one(url: str, jobs: list[dict[str, Any]], at_once: int) -> float:
    """Seconds to enqueue jobs one by one, `at_once` of them under way at any time."""

    async def enqueue(app: Any, task: Any) -> None:
        del app
        waiting = iter(jobs)

        async def worker() -> None:
            for job in waiting:
                await task.defer_async(**job)

        await asyncio.gather(*(worker() for _ in range(at_once)))

    return timed(with_procrastinate(url, enqueue))


def drain_procrastinate(url: str) -> float:
    """Seconds until a worker has finished everything that is enqueued."""

    async def drain(app: Any, task: Any) -> None:
        del task
        await app.run_worker_async(
            wait=False, concurrency=IN_HAND, listen_notify=False, install_signal_handlers=False
        )

    return timed(with_procrastinate(url, drain))
