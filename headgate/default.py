"""`headgate.submit` and `headgate.submit_sweep`: the client that the environment names."""

from __future__ import annotations

import functools
import os
from typing import Any, overload

from headgate.client import Axes, Client
from headgate.handles import JobHandle, SweepHandle
from headgate.job import Job
from headgate.uploads import Table


def client() -> Client:
    """The client for HEADGATE_URL and HEADGATE_TOKEN as they are now."""
    return _client(os.environ.get("HEADGATE_URL"), os.environ.get("HEADGATE_TOKEN"))


@functools.lru_cache(maxsize=8)
def _client(url: str | None, token: str | None) -> Client:
    return Client(url, token)


@overload
def submit(job: Job, /) -> JobHandle: ...
@overload
def submit(**batch_kwargs: Any) -> JobHandle | SweepHandle: ...


def submit(job: Job | None = None, /, **batch_kwargs: Any) -> JobHandle | SweepHandle:
    """Submit a job, or what boto3's `submit_job` would have submitted.

    headgate.submit(headgate.Job(name="train", command=["python", "train.py"]))
    headgate.submit(jobName="train", jobQueue="default", jobDefinition="train:3")
    """
    return client().submit(job, **batch_kwargs) if job else client().submit(**batch_kwargs)


def submit_sweep(
    job: Job, *, grid: Axes | None = None, table: Table | None = None, size: int | None = None
) -> SweepHandle:
    """Submit many tasks made from one template; see `headgate.Client.submit_sweep`.

    headgate.submit_sweep(job, grid={"lr": [0.1, 0.01], "depth": range(3, 9)})
    """
    return client().submit_sweep(job, grid=grid, table=table, size=size)
