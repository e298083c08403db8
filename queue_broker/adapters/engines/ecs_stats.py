"""What the ECS task metadata endpoint (version 4, `/task/stats`) says of a container. Pure.

It is Docker's own statistics by container. Where the host has cgroup v1 they hold the peak; on v2
Docker knows no peak, and what is used at the end is none: then only the cores' time is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def figures(stats: Mapping[str, Any]) -> dict[str, int]:
    """The task's figures by the names of the shim's report, summed over its containers."""
    sums: dict[str, int] = {}
    for told in stats.values():
        for name, value in of_container(told if isinstance(told, dict) else {}):
            sums[name] = sums.get(name, 0) + value
    return sums


def of_container(told: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    memory, cpu = told.get("memory_stats") or {}, told.get("cpu_stats") or {}
    within = memory.get("stats") or {}
    for name, value in (
        ("peak_bytes", memory.get("max_usage")),
        ("cache_bytes", within.get("total_cache", within.get("cache"))),
        ("shared_bytes", within.get("total_shmem", within.get("shmem"))),
        ("cpu_ns", (cpu.get("cpu_usage") or {}).get("total_usage")),
    ):
        if type(value) is int:
            yield name, value
