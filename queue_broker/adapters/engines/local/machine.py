"""What this machine has for tasks, or the container that the broker runs in."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path

import psutil

from headgate.errors import InvalidInput
from headgate.resources import Resources
from queue_broker.adapters.engines.local.cgroup import number, within
from queue_broker.adapters.engines.local.tree import MIB

#: Left for the system, the broker and its store.
RESERVE = 0.1
LEAST_RESERVE_MIB = 512


def capacity(cores: float | None, memory_mib: int | None, gpus: int) -> Resources:
    """What tasks may hold together; by default all usable cores, and the memory less a reserve.

    A core given to tasks is shared with the broker, which idles most of the time.
    """
    folders = within()
    total_mib = int(min(psutil.virtual_memory().total, memory_limit(folders)) // MIB)
    most_mib = max(1, total_mib - max(LEAST_RESERVE_MIB, int(total_mib * RESERVE)))
    vcpu = min(usable_cores(), core_limit(folders)) if cores is None else cores
    memory = most_mib if memory_mib is None else memory_mib
    if vcpu <= 0:
        raise InvalidInput.of("local_vcpu", vcpu, "more than 0")
    if not 0 < memory <= total_mib:
        allowed = f"1 to {total_mib:,}, what this machine has"
        raise InvalidInput.of("local_memory_mib", memory, allowed)
    return Resources(vcpu, memory, gpus)


def usable_cores() -> float:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return float(len(os.sched_getaffinity(0)))
    return float(os.cpu_count() or 1)


def memory_limit(folders: Iterable[Path]) -> float:
    """Bytes that the cgroups around us allow."""
    files = [
        folder / name for folder in folders for name in ("memory.max", "memory.limit_in_bytes")
    ]
    return min((limit for file in files if (limit := number(file)) is not None), default=math.inf)


def core_limit(folders: Iterable[Path]) -> float:
    """Cores that the cgroups around us allow: their quota a period (v2: in one file, cpu.max)."""
    return min((_quota(folder) for folder in folders), default=math.inf)


def _quota(folder: Path) -> float:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        quota = str(number(folder / "cpu.cfs_quota_us") or -1)
        period = str(number(folder / "cpu.cfs_period_us") or 100_000)
    return int(quota) / int(period) if quota.isdigit() else math.inf
