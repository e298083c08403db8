"""What the rounds measured, from the attempts that the broker remembers. Pure."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headgate.estimate import Source
from headgate.lifecycle import Cause, State
from headgate.views import AttemptView, TaskView
from queue_broker.demo.rounds import Round, asked

NO_PREDICTION = frozenset({Source.REQUEST, Source.DEFAULT})


@dataclass(frozen=True, slots=True)
class Foretold:
    """How good a prediction was: median error of p50, and the share at or below p95."""

    median_error: float | None
    coverage: float | None


@dataclass(frozen=True, slots=True)
class Measured:
    """One round in figures. Waits in seconds, memory in MiB and GiB-hours."""

    tasks: int
    failed: int
    wall_s: float
    at_once_mean: float
    at_once_most: int
    asked_mib: float
    given_mib: float
    used_mib: float
    asked_gib_h: float
    given_gib_h: float
    used_gib_h: float
    memory_kills: int
    retried_well: int
    sources: Mapping[str, int]  #: who estimated, and for how many tasks
    production_wait_s: tuple[float, ...]
    stopped: int  #: attempts of the sweep that made room for production
    memory: Foretold
    vcpu: Foretold
    runtime: Foretold


def measure(round_: Round) -> Measured:
    """The figures of a round; memory x time is over all attempts, lost ones too."""
    asked_mib = asked().memory_mib or 0
    attempts = [attempt for task in round_.tasks for attempt in task.attempts]
    pairs = zip(round_.submitted_at_s, round_.production, strict=True)
    kills = [task for task in round_.tasks if any(killed(a) for a in task.attempts)]
    all_ = [*attempts, *(a for task in round_.production for a in task.attempts)]
    return Measured(
        tasks=len(round_.tasks),
        failed=sum(task.state is State.FAILED for task in round_.tasks),
        wall_s=round_.wall_s,
        at_once_mean=mean_at_once(all_),
        at_once_most=most_at_once(all_),
        asked_mib=float(asked_mib),
        given_mib=mean([task.attempts[-1].allocation.memory_mib for task in round_.tasks]),
        used_mib=mean([peak for task in round_.tasks if (peak := peak_mib(task)) is not None]),
        asked_gib_h=sum(gib_h(asked_mib, a) for a in attempts),
        given_gib_h=sum(gib_h(a.allocation.memory_mib, a) for a in attempts),
        used_gib_h=sum(gib_h(used_mib(a), a) for a in attempts),
        memory_kills=sum(killed(attempt) for attempt in attempts),
        retried_well=sum(task.state is State.SUCCEEDED for task in kills),
        sources=Counter(task.estimate.source for task in round_.tasks if task.estimate),
        stopped=sum(attempt.cause is Cause.INTERRUPTED for attempt in attempts),
        production_wait_s=tuple(wait_s(at, task) for at, task in pairs),
        memory=foretold(round_.tasks, "memory"),
        vcpu=foretold(round_.tasks, "vcpu"),
        runtime=foretold(round_.tasks, "runtime"),
    )


def wait_s(submitted_at_s: float, task: TaskView) -> float:
    """From submission to the start of the first attempt."""
    started = task.attempts[0].started_at_s
    return (started if started is not None else float("inf")) - submitted_at_s


def foretold(tasks: Sequence[TaskView], target: str) -> Foretold:
    """Over the tasks that have both a prediction and a measurement; a request is no prediction."""
    errors, below = [], []
    for task in tasks:
        actual, found = actual_of(task, target), task.estimate
        if actual is None or actual <= 0 or found is None or found.source in NO_PREDICTION:
            continue
        bounds = {"memory": found.memory_mib, "vcpu": found.vcpu, "runtime": found.runtime_s}
        errors.append(abs(bounds[target].p50 - actual) / actual)
        below.append(actual <= bounds[target].p95)
    if not errors:
        return Foretold(None, None)
    return Foretold(statistics.median(errors), mean(below))


def actual_of(task: TaskView, target: str) -> float | None:
    usage = task.attempts[-1].usage if task.attempts else None
    if usage is None:
        return None
    return {
        "memory": usage.peak_memory_mib,
        "vcpu": usage.mean_vcpu,
        "runtime": usage.runtime_s,
    }[target]


def killed(attempt: AttemptView) -> bool:
    return attempt.cause is Cause.OUT_OF_MEMORY


def peak_mib(task: TaskView) -> float | None:
    return actual_of(task, "memory")


def used_mib(attempt: AttemptView) -> float:
    return (attempt.usage.peak_memory_mib or 0.0) if attempt.usage else 0.0


def gib_h(memory_mib: float, attempt: AttemptView) -> float:
    return memory_mib / 1024 * span_s(attempt) / 3600


def span_s(attempt: AttemptView) -> float:
    if attempt.started_at_s is None or attempt.stopped_at_s is None:
        return 0.0
    return attempt.stopped_at_s - attempt.started_at_s


def mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else 0.0


def mean_at_once(attempts: Sequence[AttemptView]) -> float:
    """Tasks that ran side by side, averaged over the time from the first start to the last end."""
    starts = [a.started_at_s for a in attempts if a.started_at_s is not None]
    stops = [a.stopped_at_s for a in attempts if a.stopped_at_s is not None]
    if not starts or not stops:
        return 0.0
    return sum(map(span_s, attempts)) / max(1e-9, max(stops) - min(starts))


def most_at_once(attempts: Sequence[AttemptView]) -> int:
    """The most tasks that ran at one moment; one that ends as another starts does not count."""
    steps = [(a.started_at_s, 1) for a in attempts if a.started_at_s is not None]
    steps += [(a.stopped_at_s, -1) for a in attempts if a.stopped_at_s is not None]
    running = most = 0
    for _, step in sorted(steps):
        running += step
        most = max(most, running)
    return most
