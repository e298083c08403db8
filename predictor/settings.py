"""What the predictor can be told, with the reason for each default."""

from __future__ import annotations

from dataclasses import dataclass, field

from headgate.resources import Resources

#: A mode weighs a lost attempt against idle memory; a tier names its mode.
MODES = ("safe", "cost")


@dataclass(frozen=True, slots=True)
class PredictorSettings:
    """Prices, limits and defaults; all of them have a sane value."""

    #: What a failed attempt costs beyond its own memory x time, as a multiple of it: the wait for
    #: the retry.
    failure_weight: dict[str, float] = field(default_factory=lambda: {"cost": 3.0, "safe": 20.0})
    #: What a job that nobody knows and that asks for nothing is given.
    default: Resources = field(default_factory=lambda: Resources(1.0, 2048, 0))
    default_runtime_s: float = 3600.0
    #: The least that is ever given: runc starts a container inside the container's own limit and
    #: takes some 10 MiB for it (opencontainers/runc#1980); CRI-O refuses less than 12.
    min_memory_mib: int = 12
    min_vcpu: float = 0.25
    #: No task is ever given more than this; EC2's largest is 24 TiB (u7in-24tb).
    max_memory_mib: int = 24 * 1024 * 1024
    max_vcpu: float = 896.0
    #: Growth after a kill for memory where the family has never needed more than it was given.
    retry_factor: float = 2.0
    #: A time limit is this many times the 95 % bound of the runtime, and never below
    #: `min_time_limit_s`.
    time_limit_factor: float = 3.0
    min_time_limit_s: float = 600.0
