"""The client for asyncio. It drives the same flows as `headgate.Client`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Self, overload

import httpx

from headgate.client import (
    Axes,
    Operations,
    connection,
    lost,
    reply,
    request,
    submission,
    sweep_submission,
)
from headgate.flows import Async, Call, Flow, Lost, Pause, Reply, T, send
from headgate.handles import AsyncJobHandle, AsyncSweepHandle
from headgate.job import Job
from headgate.sweep import Sweep
from headgate.uploads import Table


class AsyncClient(Async, Operations):
    """As `headgate.Client`, with methods that are awaited."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(transport=transport, **connection(url, token))
        self.url = str(self._http.base_url)

    @overload
    async def submit(self, job: Job, /) -> AsyncJobHandle: ...
    @overload
    async def submit(self, /, **batch_kwargs: Any) -> AsyncJobHandle | AsyncSweepHandle: ...

    async def submit(
        self, job: Job | None = None, /, **batch_kwargs: Any
    ) -> AsyncJobHandle | AsyncSweepHandle:
        """Submit a job, or what boto3's `submit_job` would have submitted."""
        work, call = submission(job, batch_kwargs)
        done = await self.run(send(call))
        if isinstance(work, Sweep):
            return AsyncSweepHandle(self, done.job_id, work.job.name)
        return AsyncJobHandle(self, done.job_id, work.name)

    async def submit_sweep(
        self,
        job: Job,
        *,
        grid: Axes | None = None,
        table: Table | None = None,
        size: int | None = None,
    ) -> AsyncSweepHandle:
        """Submit many tasks made from one template; see `headgate.Client.submit_sweep`."""
        done = await self.run(send(sweep_submission(job, grid, table, size)))
        return AsyncSweepHandle(self, done.job_id, job.name)

    def job(self, job_id: str) -> AsyncJobHandle:
        """The handle of a job that was submitted before."""
        return AsyncJobHandle(self, job_id)

    def sweep(self, job_id: str) -> AsyncSweepHandle:
        """The handle of a sweep that was submitted before."""
        return AsyncSweepHandle(self, job_id)

    async def run(self, flow: Flow[T]) -> T:
        result: Reply | Lost | None = None
        try:
            while True:
                step = flow.send(result)
                result = None
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                else:
                    result = await self._transmit(step)
        except StopIteration as end:
            done: T = end.value
            return done
        finally:
            flow.close()

    async def _transmit(self, call: Call[Any]) -> Reply | Lost:
        content = _aside(call.body()) if callable(call.body) else call.body
        try:
            return reply(await self._http.request(content=content, **request(call)))
        except httpx.TransportError as error:
            return lost(self.url, error)

    async def close(self) -> None:
        """Give back the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


async def _aside(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces, made in a thread, since reading a file or encoding rows would hold the loop."""
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
