"""From predicted quantities to what a task is given: snapping, limits, and few shapes for a
sweep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from headgate.estimate import Estimate, Quantiles, Source
from headgate.job import Job
from headgate.resources import Resources
from predictor.answers import REQUESTED, Answer
from predictor.risk import Vector
from predictor.rows import Codes, Rows, distinct
from predictor.settings import PredictorSettings

Flags = npt.NDArray[np.bool_]

#: So small a part above a step is noise, and cpu is shared when it is short: a task of one thread
#: is measured at up to 1.1 cores, and 1.25 would leave half of a two-core machine idle.
VCPU_NOISE = 0.1
#: Cores of the bound that count, for each that the middle keeps busy.
MOST_CORES = 1.5
#: The first ratio between a sweep's neighbouring shapes; it is squared until they are few enough.
FIRST_RATIO = 1.04


@dataclass(frozen=True, slots=True)
class Sizes:
    """What each row is given, and the answers behind it."""

    memory_mib: Vector
    vcpu: Vector
    gpus: Vector
    answers: Mapping[str, Answer]


def sizes(rows: Rows, answers: Mapping[str, Answer], ceiling: Flags, s: PredictorSettings) -> Sizes:
    """Fill what nobody foretold from the request or the defaults, snap, and keep the limits.

    `ceiling` is one boolean a row: the request is a limit.
    """
    defaults = {"memory_mib": s.default.memory_mib, "vcpu": s.default.vcpu, "runtime_s": np.nan}
    for target, default in defaults.items():
        _fill(rows, answers[target], target, default)
    _fill(rows, answers["gpu_memory_mib"], "gpu_memory_mib", np.nan)
    memory = np.clip(answers["memory_mib"].give, s.min_memory_mib, s.max_memory_mib)
    vcpu = np.clip(snap_vcpu(cores(answers["vcpu"])), s.min_vcpu, s.max_vcpu)
    asked_memory, asked_vcpu = rows.number("request.memory_mib"), rows.number("request.vcpu")
    memory = snap_memory(memory)
    memory = np.where(ceiling & (asked_memory > 0), np.minimum(memory, asked_memory), memory)
    vcpu = np.where(ceiling & (asked_vcpu > 0), np.minimum(vcpu, asked_vcpu), vcpu)
    return Sizes(memory, vcpu, _gpus(rows, answers["gpu_memory_mib"]), answers)


def _fill(rows: Rows, said: Answer, target: str, default: float) -> None:
    asked = rows.number(REQUESTED.get(target, ""))
    for place, (_, places) in enumerate(rows.groups()):
        silent = places[~np.isfinite(said.give[places])]
        if not len(silent):
            continue
        from_request = np.isfinite(asked[silent])
        filled = np.where(from_request, asked[silent], default)
        said.p50[silent], said.p95[silent], said.give[silent] = filled, filled, filled
        said.sources[place] = Source.REQUEST if from_request.all() else Source.DEFAULT
        said.whys[place] = (
            "no history: as requested" if from_request.all() else "nothing is known of such a job"
        )


def _gpus(rows: Rows, memory: Answer) -> Vector:
    """As requested; one, where a family that never asked was seen to use a GPU."""
    asked = rows.number("request.gpus")
    return np.where(np.isfinite(asked), asked, np.isfinite(memory.give).astype(float))


def cores(vcpu: Answer) -> Vector:
    """Half way, in proportion, from the middle to the bound, which counts up to `MOST_CORES`.

    Too few cores slow a task and do not kill it; the bound of a family seen once or twice is wide,
    and cores that nobody uses are not free.
    """
    return np.sqrt(vcpu.p50 * np.minimum(vcpu.p95, MOST_CORES * vcpu.p50))


def snap_vcpu(busy: Vector) -> Vector:
    """Up to the next quarter vCPU, but for noise."""
    return np.maximum(0.25, np.ceil(np.round(busy * (1 - VCPU_NOISE) * 4, 6)) / 4)


def snap_memory(memory_mib: Vector) -> Vector:
    """Up to a ladder whose steps are at most 1/256 of the value: few values, next to no waste."""
    step = np.exp2(np.maximum(0.0, np.floor(np.log2(np.maximum(memory_mib, 1.0))) - 8))
    snapped: Vector = np.ceil(memory_mib / step) * step
    return snapped


def to_estimate(
    rows: Rows, given: Sizes, places: Codes, job: Job, version: str | None, s: PredictorSettings
) -> Estimate:
    """One estimate that is enough for all the rows at `places`."""
    memory, runtime = given.answers["memory_mib"], given.answers["runtime_s"]
    gpu = given.answers["gpu_memory_mib"]
    family = int(rows.family[places[0]])
    source = memory.sources[family]
    bounds = _quantiles(runtime, places)
    known_runtime = bounds if np.isfinite(bounds.p95) else Quantiles(*[s.default_runtime_s] * 2)
    return Estimate(
        allocation=Resources(
            float(given.vcpu[places].max()),
            int(given.memory_mib[places].max()),
            int(given.gpus[places].max()),
        ),
        memory_mib=_quantiles(memory, places),
        vcpu=_quantiles(given.answers["vcpu"], places),
        runtime_s=known_runtime,
        gpu_memory_mib=_gpu_bounds(gpu, places),
        time_limit_s=_time_limit(job, bounds.p95, s),
        source=source,
        family=rows.families[family][0],
        model_version=version,
        why=memory.whys[family],
    )


def _quantiles(said: Answer, places: Codes) -> Quantiles:
    """The middle of the medians; the highest bound, which holds for each of the rows."""
    return Quantiles(float(np.median(said.p50[places])), float(said.p95[places].max()))


def _gpu_bounds(said: Answer, places: Codes) -> Quantiles | None:
    """The bound is also the least that the GPU must have: nothing grows it in mid-training."""
    if not np.isfinite(said.p95[places]).all():
        return None
    bounds = _quantiles(said, places)
    return Quantiles(bounds.p50, max(bounds.p95, float(said.give[places].max())))


def _time_limit(job: Job, p95_s: float, s: PredictorSettings) -> float | None:
    if job.timeout_s is not None:
        return float(job.timeout_s)
    if not np.isfinite(p95_s):
        return None
    return max(s.min_time_limit_s, s.time_limit_factor * p95_s)


def shapes(given: Sizes, most: int) -> Sequence[Codes]:
    """The rows by shape, at most `most` shapes: the coarser the ladder, the fewer."""
    ratio = FIRST_RATIO
    while True:
        memory = np.round(np.log(given.memory_mib) / np.log(ratio))
        vcpu = given.vcpu if ratio < 2 else np.zeros_like(given.vcpu)
        first, group = distinct([memory, vcpu, given.gpus], len(memory))
        if len(first) <= most:
            break
        ratio = ratio**1.5
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange(len(first) + 1))
    return [order[start:stop] for start, stop in pairwise(edges)]
