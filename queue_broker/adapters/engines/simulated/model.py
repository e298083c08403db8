"""What the simulated world is like: its lanes, its delays, and what becomes of a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headgate.record import record
from headgate.validation import refuse
from queue_broker.records import Lane, Leak


@record(frozen=True, slots=True)
class Fate:
    """What a task would do if nobody stopped it. `memory_mib` is its true peak; by `row` whoever
    drew the fate knows it again."""

    runtime_s: float
    memory_mib: int = 0
    exit_code: int = 0
    row: int = -1
    vcpu: float = 0.0  #: cores kept busy on the average; 0: nobody measures it


#: The fate of one task of a leak: the truth, which the broker only sees as measured use.
FateOf = Callable[[Leak, int], Fate]


@dataclass(frozen=True, slots=True)
class FleetModel:
    """The world's constants; times in seconds.

    The defaults are those of a warm AWS Batch on EC2: a container starts a few seconds after it was
    placed, an instance takes about a minute and a half to join, and idles for a few minutes before
    it is stopped. `fixed`: all instances run all the time.
    """

    lanes: Sequence[Lane]
    fixed: bool = True
    start_delay_s: float = 4.0
    boot_s: float = 90.0
    idle_s: float = 120.0
    dispatches_per_s: float = 20.0  #: of each lane: how fast Batch places what is RUNNABLE
    submits_per_s: float = 50.0  #: SubmitJob's quota
    interruptions_per_hour: float = 0.0  #: of each Spot instance
    kill_at: float = 0.6  #: the part of its run after which a task passes a limit that is too small
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("start_delay_s", "boot_s", "idle_s", "interruptions_per_hour"):
            if getattr(self, name) < 0:
                refuse(name, getattr(self, name), "0 or more")
        for name in ("dispatches_per_s", "submits_per_s"):
            if getattr(self, name) <= 0:
                refuse(name, getattr(self, name), "more than 0")
