"""A task's process tree: who is in it, what it uses, and its end.

Two ways: a cgroup where one can be made (exact, and nobody leaves it), else the processes of the
task's session and their descendants, sampled.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import Protocol

from headgate.usage import Meter
from queue_broker.adapters.engines.local.process import send

MIB = 1 << 20
#: Processes that fork as fast as they are killed need several rounds.
ROUNDS = 100
ROUND_S = 0.002


@dataclass(frozen=True, slots=True)
class Measured:
    """What a tree used so far. `killed`: the kernel killed one of its processes for memory."""

    peak_memory_mib: float | None = None
    cpu_s: float | None = None
    killed: bool = False


class Tree(Protocol):
    """The processes of one attempt."""

    meter: Meter

    def sample(self) -> Measured:
        """Look once; the peak is over all the looks."""

    def pids(self) -> list[int]:
        """Who is alive in it."""

    def remove(self) -> None:
        """Forget it; nobody is alive in it any more."""


def kill(tree: Tree) -> bool:
    """SIGKILL everyone, again while there is someone; False when some outlive it."""
    for _ in range(ROUNDS):
        pids = tree.pids()
        if not pids:
            return True
        send(pids, signal.SIGKILL)
        time.sleep(ROUND_S)
    return not tree.pids()
