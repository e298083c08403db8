"""What the predictor says of a task before it runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from headgate.resources import Resources


class Source(StrEnum):
    """Who spoke, from the best informed to the least."""

    MODEL = "model"  #: the trained gradient-boosted model
    FAMILY = "family"  #: the job family's own history, chosen by its simulated cost so far
    REQUEST = "request"  #: what the user asked for
    DEFAULT = "default"  #: nothing was known


@dataclass(frozen=True, slots=True)
class Quantiles:
    """A predicted quantity: its median, and the bound that 95 % of tasks stay below."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A decision under risk: what to give, and the predictions that it rests on.

    `allocation` is what the task will be given. It minimises expected cost (idle memory x time
    against a lost attempt), so it is not one of the quantiles. `least_gpu_mib` is the memory that
    each of its GPUs must have; None: any will do.
    """

    allocation: Resources
    memory_mib: Quantiles
    vcpu: Quantiles
    runtime_s: Quantiles
    source: Source
    family: str
    gpu_memory_mib: Quantiles | None = None
    least_gpu_mib: int | None = None
    time_limit_s: float | None = None
    model_version: str | None = None
    why: str = ""
    memory_kills: int = 0  #: how often the task was killed for memory before; each made this bigger
    bare: bool = False  #: its image runs no shim: it goes as it is, and is not measured
