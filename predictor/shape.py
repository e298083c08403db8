"""From predicted quantities to what a task is given: snapping, limits, and few shapes for a
sweep.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from headgate.estimate import Estimate, Quantiles, Source
from headgate.job import Job
from headgate.resources import Resources
from predictor.settings import PredictorSettings


@dataclass(frozen=True, slots=True)
class Guess:
    """One quantity as predicted: its bounds, the allocation of least expected cost, and who says
    so.
    """

    bounds: Quantiles
    give: float
    source: Source
    why: str


def assemble(
    job: Job,
    family: str,
    mode: str,
    guesses: Mapping[str, Guess | None],
    settings: PredictorSettings,
    version: str | None,
) -> Estimate:
    """The estimate that the guesses make; what nobody guessed comes from the request, else the
    default.
    """
    memory = guesses["memory_mib"] or _asked(job.resources.memory_mib, settings.default.memory_mib)
    vcpu = guesses["vcpu"] or _asked(job.resources.vcpu, settings.default.vcpu)
    runtime = guesses["runtime_s"] or _asked(None, settings.default_runtime_s)
    gpu = guesses["gpu_memory_mib"] or _asked_gpu(job)
    return Estimate(
        allocation=_allocation(job, memory, vcpu, mode, settings),
        memory_mib=memory.bounds,
        vcpu=vcpu.bounds,
        runtime_s=runtime.bounds,
        gpu_memory_mib=gpu.bounds if gpu else None,
        time_limit_s=_time_limit(job, runtime, settings),
        source=memory.source,
        family=family,
        model_version=version if memory.source is Source.MODEL else None,
        why=memory.why,
    )


def _asked(request: float | None, default: float) -> Guess:
    if request is None:
        bounds = Quantiles(default, default)
        return Guess(bounds, default, Source.DEFAULT, "nothing is known of such a job: the default")
    return Guess(Quantiles(request, request), request, Source.REQUEST, "no history: as requested")


def _asked_gpu(job: Job) -> Guess | None:
    asked = job.resources.gpu_memory_mib
    return None if asked is None else _asked(asked, asked)


def _allocation(
    job: Job, memory: Guess, vcpu: Guess, mode: str, settings: PredictorSettings
) -> Resources:
    cores = vcpu.bounds.p95 if mode == "safe" else math.sqrt(vcpu.bounds.p50 * vcpu.bounds.p95)
    given = Resources(
        snap_vcpu(min(max(cores, settings.min_vcpu), settings.max_vcpu)),
        snap_memory(min(max(memory.give, settings.min_memory_mib), settings.max_memory_mib)),
        job.resources.gpus or 0,
    )
    return _under_ceiling(job, given) if job.resources.ceiling else given


def _under_ceiling(job: Job, given: Resources) -> Resources:
    asked = job.resources
    return Resources(
        min(given.vcpu, asked.vcpu or given.vcpu),
        min(given.memory_mib, asked.memory_mib or given.memory_mib),
        given.gpus,
    )


def _time_limit(job: Job, runtime: Guess, settings: PredictorSettings) -> float | None:
    if job.timeout_s is not None:
        return float(job.timeout_s)
    if runtime.source in (Source.REQUEST, Source.DEFAULT):
        return None
    return max(settings.min_time_limit_s, settings.time_limit_factor * runtime.bounds.p95)


def snap_vcpu(cores: float) -> float:
    """Up to the next quarter vCPU, Fargate's and ECS's practical grain."""
    return max(0.25, math.ceil(round(cores * 4, 6)) / 4)


def snap_memory(memory_mib: float) -> int:
    """Up to a ladder of about 3 % steps (1/32 of the power of two below), at least whole 16 MiB."""
    step = max(16, 2 ** max(0, math.floor(math.log2(max(memory_mib, 1))) - 5))
    return int(math.ceil(memory_mib / step) * step)


def merge_shapes(estimates: Sequence[Estimate], most: int) -> tuple[list[Estimate], list[int]]:
    """At most `most` shapes that cover all the estimates, and which one each estimate goes to.

    Shapes coarsen together: the grain doubles until few enough are left, each as large as its
    largest.
    """
    grain = 1
    while True:
        groups: dict[Resources, Estimate] = {}
        keys = [_coarse(estimate.allocation, grain) for estimate in estimates]
        for key, estimate in zip(keys, estimates, strict=True):
            groups[key] = _cover(groups[key], estimate) if key in groups else estimate
        if len(groups) <= most:
            order = {key: place for place, key in enumerate(sorted(groups))}
            return [groups[key] for key in sorted(groups)], [order[key] for key in keys]
        grain *= 2


def _coarse(given: Resources, grain: int) -> Resources:
    step = 1 + 0.125 * grain
    memory = step ** math.ceil(math.log(max(given.memory_mib, 1), step))
    vcpu = given.vcpu if grain == 1 else 2.0 ** math.ceil(math.log2(given.vcpu) / grain * 4)
    return Resources(vcpu, round(memory), given.gpus)


def _cover(one: Estimate, other: Estimate) -> Estimate:
    """An estimate that is enough for both."""
    return replace(
        one,
        allocation=one.allocation.largest(other.allocation),
        memory_mib=_widest(one.memory_mib, other.memory_mib),
        vcpu=_widest(one.vcpu, other.vcpu),
        runtime_s=_widest(one.runtime_s, other.runtime_s),
        time_limit_s=max((one.time_limit_s, other.time_limit_s), key=lambda limit: limit or 0.0),
    )


def _widest(one: Quantiles, other: Quantiles) -> Quantiles:
    return Quantiles(max(one.p50, other.p50), max(one.p95, other.p95))
