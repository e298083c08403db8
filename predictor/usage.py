"""Which of an attempt's measurements are labels, which are lower bounds, and which are neither."""

from __future__ import annotations

import math
from collections.abc import Iterator

from headgate.lifecycle import Cause
from headgate.usage import Observation

#: Below this a value is a meter's zero; in log it would be an outlier without meaning.
LEAST = {"memory_mib": 1.0, "vcpu": 0.01, "runtime_s": 0.1, "gpu_memory_mib": 1.0}

#: From this part of its cores on, a task has used them up; then it counts for so many times more.
USED_UP, WIDER = 0.9, 1.25


def measured(item: Observation) -> Iterator[tuple[str, float, bool]]:
    """(target, value, censored) of what the attempt tells.

    A kill for memory tells that the need is at least what was given. Interrupted, cancelled and
    unstarted attempts tell nothing: they were cut short, so their peaks are not the need. A
    timeout bounds the runtime.
    """
    if item.cause is Cause.OUT_OF_MEMORY:
        limit = item.allocation.memory_mib if item.allocation else item.usage.peak_memory_mib
        yield from _valid("memory_mib", limit, True)
    elif item.cause is Cause.TIMEOUT:
        yield from _valid("runtime_s", item.usage.runtime_s, True)
    elif item.cause is Cause.EXITED and item.exit_code in (0, None):
        yield from _valid("memory_mib", item.usage.peak_memory_mib, False)
        yield from _valid("vcpu", _busy_cores(item), False)
        yield from _valid("runtime_s", item.usage.runtime_s, False)
        yield from _valid("gpu_memory_mib", item.usage.gpu_memory_mib, False)


def _busy_cores(item: Observation) -> float | None:
    """Cores kept busy on the average; a burst of less than a second needs no cores of its own.

    A task that used up less than one core may want more, up to one: it counts for a little more,
    so that crowded tasks are not squeezed ever further. Beyond one core nothing tells a crowded
    task from one that is as wide as what it was given.
    """
    if item.usage.cpu_s is None:
        return None
    busy = item.usage.cpu_s / max(1.0, item.usage.runtime_s)
    used_up = item.allocation is not None and busy >= USED_UP * item.allocation.vcpu
    return max(busy, min(1.0, WIDER * busy)) if used_up else busy


def _valid(target: str, value: float | None, censored: bool) -> Iterator[tuple[str, float, bool]]:
    if value is not None and math.isfinite(value) and value > 0:
        yield target, max(value, LEAST[target]), censored
