"""Which of an attempt's measurements are labels, which are lower bounds, and which are neither."""

from __future__ import annotations

import math
from collections.abc import Iterator

from headgate.lifecycle import Cause
from headgate.usage import Observation

#: Below this a value is a meter's zero; in log it would be an outlier without meaning.
LEAST = {"memory_mib": 1.0, "vcpu": 0.01, "runtime_s": 0.1, "gpu_memory_mib": 1.0}

#: Between these parts of its cores a task has used them up; one that kept more busy was not held.
USED_UP, HELD = 0.9, 1.1


def measured(item: Observation) -> Iterator[tuple[str, float, bool]]:
    """(target, value, censored) of what the attempt tells.

    A kill for memory tells that the need is at least what was given. Interrupted, cancelled and
    unstarted attempts tell nothing: they were cut short, so their peaks are not the need. A
    timeout bounds the runtime. A task that used up fewer cores than it asked for needs at least
    those; were it a label, each shape would be a little smaller than the one before.
    """
    if item.cause is Cause.OUT_OF_MEMORY:
        limit = item.allocation.memory_mib if item.allocation else item.usage.peak_memory_mib
        yield from _valid("memory_mib", limit, True)
    elif item.cause is Cause.TIMEOUT:
        yield from _valid("runtime_s", item.usage.runtime_s, True)
    elif item.cause is Cause.EXITED and item.exit_code in (0, None):
        yield from _valid("memory_mib", item.usage.peak_memory_mib, False)
        yield from _valid("vcpu", _busy_cores(item), _is_held(item))
        yield from _valid("runtime_s", item.usage.runtime_s, False)
        yield from _valid("gpu_memory_mib", item.usage.gpu_memory_mib, False)


def _busy_cores(item: Observation) -> float | None:
    """Cores kept busy on the average; a burst of less than a second needs no cores of its own."""
    if item.usage.cpu_s is None:
        return None
    return item.usage.cpu_s / max(1.0, item.usage.runtime_s)


def _is_held(item: Observation) -> bool:
    """Whether it was the allocation, and not the user, that left the task so few cores."""
    busy, given = _busy_cores(item), item.allocation
    if busy is None or given is None:
        return False
    asked = item.job.resources.vcpu
    is_smaller = asked is None or given.vcpu < asked
    return is_smaller and USED_UP * given.vcpu <= busy <= HELD * given.vcpu


def _valid(target: str, value: float | None, censored: bool) -> Iterator[tuple[str, float, bool]]:
    if value is not None and math.isfinite(value) and value > 0:
        yield target, max(value, LEAST[target]), censored
