"""The sizes that Fargate has, and Batch's words for a job of any other.

Source: "ResourceRequirement" of AWS Batch's API reference, 2016-08-10. A definition may have any:
it is SubmitJob of which users have published the words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from queue_broker.wire.faults import Fault

FARGATE = "FARGATE"
GIB = 1024
#: MiB by vCPUs.
SIZES: dict[float, tuple[int, ...] | range] = {
    0.25: (512, 1 * GIB, 2 * GIB),
    0.5: range(1 * GIB, 4 * GIB + 1, GIB),
    1.0: range(2 * GIB, 8 * GIB + 1, GIB),
    2.0: range(4 * GIB, 16 * GIB + 1, GIB),
    4.0: range(8 * GIB, 30 * GIB + 1, GIB),
    8.0: range(16 * GIB, 60 * GIB + 1, 4 * GIB),
    16.0: range(32 * GIB, 120 * GIB + 1, 8 * GIB),
}


def capability(definition: Mapping[str, Any]) -> str | None:
    """EC2 or FARGATE; None of what neither of them is for."""
    if "eksProperties" in definition:
        return None
    found = next(iter(definition.get("platformCapabilities", ())), "EC2")
    return found if found in ("EC2", FARGATE) else None


def check_size(definition: Mapping[str, Any], vcpu: float | None, memory_mib: int | None) -> None:
    """`Fault` where the definition is Fargate's, and Fargate has no such size."""
    if capability(definition) != FARGATE:
        return
    if vcpu is None or memory_mib is None or memory_mib not in SIZES.get(vcpu, ()):
        size = f"{vcpu or 0:.2f} vCPU, {memory_mib or 0} MiB"
        raise Fault(f"Fargate resource requirements ({size}) not valid.")
