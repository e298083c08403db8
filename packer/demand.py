"""What waits for a place: tasks of one shape, counted."""

from __future__ import annotations

from dataclasses import dataclass

from headgate.resources import Resources


@dataclass(frozen=True, slots=True)
class Demand:
    """`count` tasks of one shape.

    `key` is unique in a call. On scarce capacity lower ranks are placed first, strictly.
    `gpu_memory_mib` is what one GPU must have at least. `max_per_instance` spreads the tasks out.
    `licence` names a pool of seats in `PackOptions.licences`, of which every task that runs takes
    one.
    """

    key: str
    shape: Resources
    count: int
    rank: int = 0
    runtime_s: float | None = None
    gpu_model: str | None = None
    gpu_memory_mib: int | None = None
    arch: str | None = None
    spot_ok: bool = True
    max_per_instance: int | None = None
    licence: str | None = None
