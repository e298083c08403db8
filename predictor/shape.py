"""From predicted quantities to what a task is given: snapping and limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite

import numpy as np

from headgate.estimate import Estimate, Quantiles, Source
from headgate.job import Job
from headgate.resources import Resources
from predictor.answers import REQUESTED, Answer
from predictor.risk import Codes, Flags, Vector
from predictor.rows import Rows
from predictor.settings import PredictorSettings

#: So small a part above a step is noise, and cpu is shared when it is short: a task of one thread
#: is measured at up to 1.1 cores, and 1.25 would leave half of a two-core machine idle.
VCPU_NOISE = 0.1
#: Cores of the bound that count, for each that the middle keeps busy.
MOST_CORES = 1.5
#: What is given and its bound differ by more than this factor: then it is said.
FAR_FROM_BOUND = 1.5


@dataclass(frozen=True, slots=True)
class Sizes:
    """What each row is given, its family's place among the rows' families, and the answers behind
    it. `gpu_mib` is what each of its GPUs must have; 0: any will do.
    """

    memory_mib: Vector
    vcpu: Vector
    gpus: Vector
    gpu_mib: Vector
    family: Codes
    answers: Mapping[str, Answer]

    @classmethod
    def blank(cls, rows: Rows, targets: Iterable[str]) -> Sizes:
        """Of rows that are still to be put in; nobody has spoken for any."""
        memory_mib, vcpu, gpus, gpu_mib = (np.zeros(rows.size) for _ in range(4))
        answers = {target: Answer.silent(rows) for target in targets}
        return cls(memory_mib, vcpu, gpus, gpu_mib, rows.family, answers)

    def put(self, at: slice, part: Sizes) -> None:
        """Those of the rows at `at`: a million rows are in memory once, whatever blocks they come
        in.
        """
        for name in ("memory_mib", "vcpu", "gpus", "gpu_mib"):
            getattr(self, name)[at] = getattr(part, name)
        for target, said in part.answers.items():
            self.answers[target].put(at, said)

    def merged(self, groups: Sequence[Codes]) -> Sizes:
        """One row for each group: enough for all its rows, and of the first one's family."""
        family = np.array([self.family[places[0]] for places in groups], dtype=np.intp)
        return Sizes(
            _most(self.memory_mib, groups),
            _most(self.vcpu, groups),
            _most(self.gpus, groups),
            _most(self.gpu_mib, groups),
            family,
            {target: _merged(said, groups) for target, said in self.answers.items()},
        )


def _merged(said: Answer, groups: Sequence[Codes]) -> Answer:
    """The middle of the medians; the highest bound, which holds for each of the rows; the first
    row's speaker.
    """
    return Answer(
        np.array([np.median(said.p50[places]) for places in groups]),
        _most(said.p95, groups),
        _most(said.give, groups),
        said.by[[places[0] for places in groups]],
        said.credits,
    )


def _most(values: Vector, groups: Sequence[Codes]) -> Vector:
    """The highest of each group; NaN where one is not known."""
    return np.array([values[places].max() for places in groups])


def sizes(rows: Rows, answers: Mapping[str, Answer], ceiling: Flags, s: PredictorSettings) -> Sizes:
    """Fill what nobody foretold from the request or the defaults, snap, and keep the limits.

    `ceiling` is one boolean a row: the request is a limit.
    """
    defaults = {"memory_mib": s.default.memory_mib, "vcpu": s.default.vcpu, "runtime_s": np.nan}
    untold = ~np.isfinite(answers["vcpu"].give)
    for target, default in defaults.items():
        _fill(rows, answers[target], target, default)
    _fill(rows, answers["gpu_memory_mib"], "gpu_memory_mib", np.nan)
    memory = np.clip(answers["memory_mib"].give, s.min_memory_mib, s.max_memory_mib)
    vcpu = np.where(untold, answers["vcpu"].give, snap_vcpu(cores(answers["vcpu"])))
    vcpu = np.clip(vcpu, s.min_vcpu, s.max_vcpu)
    asked_memory, asked_vcpu = rows.number("request.memory_mib"), rows.number("request.vcpu")
    memory = snap_memory(memory)
    memory = np.where(ceiling & (asked_memory > 0), np.minimum(memory, asked_memory), memory)
    vcpu = np.where(ceiling & (asked_vcpu > 0), np.minimum(vcpu, asked_vcpu), vcpu)
    gpu = answers["gpu_memory_mib"]
    gpu.p95 = np.fmax(gpu.p95, gpu.give)  # nothing grows it in mid-training
    gpus = _gpus(rows, gpu)
    bound = _gpu_mib(rows, gpu, ceiling)
    gpu_mib = np.where((gpus > 0) & np.isfinite(bound), bound, 0.0)
    return Sizes(memory, vcpu, gpus, gpu_mib, rows.family, answers)


def _fill(rows: Rows, said: Answer, target: str, default: float) -> None:
    asked = rows.number(REQUESTED.get(target, ""))
    silent, from_request = ~np.isfinite(said.give), np.isfinite(asked)
    filled = np.where(from_request, asked, default)[silent]
    said.p50[silent], said.p95[silent], said.give[silent] = filled, filled, filled
    said.credit(silent & from_request, Source.REQUEST, "no history: as requested")
    said.credit(silent & ~from_request, Source.DEFAULT, "nothing is known of such a job")


def _gpus(rows: Rows, memory: Answer) -> Vector:
    """As requested; one, where a model was, or where a family that never asked was seen to use
    one.
    """
    asked = rows.number("request.gpus")
    needs = np.isfinite(memory.give) | _names_gpu(rows)
    return np.where(np.isfinite(asked), asked, needs.astype(float))


def _gpu_mib(rows: Rows, memory: Answer, ceiling: Flags) -> Vector:
    """What a GPU must have is the bound; but who asks for a model knows what it holds."""
    asked = rows.number("request.gpu_memory_mib")
    bound = np.where(ceiling & (asked > 0), np.fmin(memory.p95, asked), memory.p95)
    return np.where(_names_gpu(rows), asked, bound)


def _names_gpu(rows: Rows) -> Flags:
    """Whether a GPU model was asked for; some are spelled like a number."""
    word = rows.words.get("request.gpu_model")
    is_number = np.isfinite(rows.number("request.gpu_model"))
    return is_number if word is None else is_number | (word.codes >= 0)


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


def to_estimates(
    given: Sizes,
    families: Sequence[tuple[str, ...]],
    jobs: Sequence[Job],
    version: str | None,
    s: PredictorSettings,
) -> list[Estimate]:
    """One estimate a row, each of the job beside it."""
    memory = given.answers["memory_mib"]
    said = {target: _quantiles(answer) for target, answer in given.answers.items()}
    unknown = Quantiles(s.default_runtime_s, s.default_runtime_s)
    columns = (given.vcpu, given.memory_mib, given.gpus, given.gpu_mib, given.family)
    rows = zip(*(values.tolist() for values in columns), jobs, strict=True)
    found = []
    for place, (vcpu, memory_mib, gpus, gpu_mib, family, job) in enumerate(rows):
        runtime, gpu = said["runtime_s"][place], said["gpu_memory_mib"][place]
        source, why = memory.credits[memory.by[place]]
        why += _off_bound(memory_mib / said["memory_mib"][place].p95)
        one = Estimate(
            allocation=Resources(vcpu, int(memory_mib), int(gpus)),
            memory_mib=said["memory_mib"][place],
            vcpu=said["vcpu"][place],
            runtime_s=runtime if isfinite(runtime.p95) else unknown,
            gpu_memory_mib=gpu if isfinite(gpu.p95) else None,
            least_gpu_mib=ceil(gpu_mib) or None,
            time_limit_s=_time_limit(job, runtime.p95, s),
            source=source,
            family=families[family][0],
            model_version=version,
            why=why,
        )
        found.append(one)
    return found


def _off_bound(ratio: float) -> str:
    """That it is so much more or less than the bound which people see beside it. Why is many
    things: few errors and a dear loss, kills, a ceiling, a request, a floor.
    """
    far = not 1 / FAR_FROM_BOUND <= ratio <= FAR_FROM_BOUND
    return f"; given {ratio:.1f} x the 95 % bound" if far else ""


def _quantiles(said: Answer) -> list[Quantiles]:
    return list(map(Quantiles, said.p50.tolist(), said.p95.tolist()))


def _time_limit(job: Job, p95_s: float, s: PredictorSettings) -> float | None:
    if job.timeout_s is not None:
        return float(job.timeout_s)
    if not isfinite(p95_s):
        return None
    return max(s.min_time_limit_s, s.time_limit_factor * p95_s)
