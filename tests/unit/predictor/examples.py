"""Observations that the tests of predictor and training share."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from headgate.job import Job, Scalar
from headgate.lifecycle import Cause
from headgate.resources import ResourceRequest, Resources
from headgate.usage import Meter, Observation, Usage

GIVEN = Resources(4.0, 16384, 0)


def job(name: str = "train", **fields: object) -> Job:
    return Job.model_validate({"name": name, "command": ("python", "train.py")} | fields)


def ran(
    of: Job, memory_mib: float, runtime_s: float = 60.0, *, at: float = 0.0, **own: Scalar
) -> Observation:
    """An attempt that ended well."""
    usage = Usage(runtime_s, memory_mib, cpu_s=runtime_s * 1.5, meter=Meter.CGROUP)
    return Observation(of, usage, Cause.EXITED, 0, 1, at, GIVEN, None, dict(own))


def killed(
    of: Job, limit_mib: int, *, at: float = 0.0, cause: Cause = Cause.OUT_OF_MEMORY
) -> Observation:
    """An attempt that was cut short while holding `limit_mib`."""
    usage = Usage(10.0, float(limit_mib), meter=Meter.CGROUP)
    return Observation(of, usage, cause, 137, 1, at, Resources(1.0, limit_mib, 0))


def asking(memory_mib: int = 16384, vcpu: float = 4.0) -> ResourceRequest:
    return ResourceRequest(vcpu=vcpu, memory_mib=memory_mib)


def sweep_history(count: int, seed: int = 0) -> list[Observation]:
    """A sweep of trainings as a person would run it: the need follows the algorithm and the
    rows.
    """
    rng = np.random.default_rng(seed)
    template = job("sweep-train", resources=asking())
    return [_training(template, rng, place) for place in range(count)]


def _training(template: Job, rng: np.random.Generator, place: int) -> Observation:
    base, slope = list(ALGORITHMS.values())[place % len(ALGORITHMS)]
    algorithm = list(ALGORITHMS)[place % len(ALGORITHMS)]
    rows = int(rng.choice([1_000, 5_000, 20_000, 100_000]))
    memory = (base + slope * rows) * float(rng.lognormal(0.0, 0.03))
    runtime = (1.0 + rows / 5_000) * float(rng.lognormal(0.0, 0.1))
    own: Mapping[str, Scalar] = {"algorithm": algorithm, "rows": rows, "seed": place}
    return ran(template, memory, runtime, at=float(place), **own)


#: MiB at no rows, and MiB a row.
ALGORITHMS = {"forest": (150.0, 0.02), "logistic": (120.0, 0.002), "svm": (130.0, 0.01)}


class Turns:
    """Counts how often it was somebody's turn, and whether it is."""

    def __init__(self) -> None:
        self.taken, self.held = 0, False

    def __enter__(self) -> None:
        self.taken, self.held = self.taken + 1, True

    def __exit__(self, *error: object) -> None:
        self.held = False
