"""Headgate: predicts what jobs need, packs them, and leaks them into AWS Batch.

    import headgate

    job = headgate.submit(headgate.Job(name="train", command=["python", "train.py"]))
    job.wait()
    print(job.logs())

Everything below is explained in docs/reference/sdk.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headgate.aio import AsyncClient as AsyncClient
    from headgate.client import Client as Client
    from headgate.default import submit as submit
    from headgate.default import submit_sweep as submit_sweep
    from headgate.errors import HeadgateError as HeadgateError
    from headgate.handles import JobHandle as JobHandle
    from headgate.handles import SweepHandle as SweepHandle
    from headgate.job import Dependency as Dependency
    from headgate.job import EvaluateOnExit as EvaluateOnExit
    from headgate.job import Input as Input
    from headgate.job import Job as Job
    from headgate.job import RetryStrategy as RetryStrategy
    from headgate.lifecycle import State as State
    from headgate.resources import ResourceRequest as ResourceRequest
    from headgate.sweep import Grid as Grid

#: Each public name and its module; loaded when first used, so that the words of the leaf cost
#: those who import only `headgate.job` no HTTP client.
_HOMES = {
    "AsyncClient": "aio",
    "Client": "client",
    "Dependency": "job",
    "EvaluateOnExit": "job",
    "Grid": "sweep",
    "HeadgateError": "errors",
    "Input": "job",
    "Job": "job",
    "JobHandle": "handles",
    "ResourceRequest": "resources",
    "RetryStrategy": "job",
    "State": "lifecycle",
    "SweepHandle": "handles",
    "submit": "default",
    "submit_sweep": "default",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - a list of the names above


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'headgate' has no attribute {name!r}")
    value = getattr(import_module(f"headgate.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(globals().keys() | _HOMES.keys())
