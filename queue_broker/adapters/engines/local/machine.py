"""What this machine has for tasks."""

from __future__ import annotations

import os

import psutil

from headgate.errors import InvalidInput
from headgate.resources import Resources
from queue_broker.adapters.engines.local.tree import MIB

#: Left for the system, the broker and its store.
RESERVE = 0.1
LEAST_RESERVE_MIB = 512


def capacity(cores: float | None, memory_mib: int | None, gpus: int) -> Resources:
    """What tasks may hold together; by default all usable cores, and the memory less a reserve.

    A core given to tasks is shared with the broker, which idles most of the time.
    """
    usable = float(usable_cores())
    total_mib = psutil.virtual_memory().total // MIB
    most_mib = max(0, total_mib - max(LEAST_RESERVE_MIB, int(total_mib * RESERVE)))
    vcpu = usable if cores is None else cores
    memory = most_mib if memory_mib is None else memory_mib
    if vcpu <= 0:
        raise InvalidInput.of("cores", vcpu, "more than 0")
    if not 0 < memory <= total_mib:
        raise InvalidInput.of("memory_mib", memory, f"1 to {total_mib}, what this machine has")
    return Resources(vcpu, memory, gpus)


def usable_cores() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
