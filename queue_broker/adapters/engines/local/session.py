"""A process tree without a cgroup: the task's session, and descendants that left it.

Memory is the proportional set size (PSS, a page shared by n processes counts 1/n in each), summed
over the tree at each sample, without mapped files, which the kernel takes back when asked. Where
the system has no PSS, the unique set size stands in for it.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from headgate.usage import Meter
from queue_broker.adapters.engines.local.process import parents
from queue_broker.adapters.engines.local.tree import MIB, Measured

#: Every so many samples the whole process table is searched for descendants that left the session.
SEARCH_EVERY = 10


@dataclass(slots=True)
class Session:
    """The tree that grew from one session leader; None: the leader is dead, the tree unknown."""

    leader: int | None
    meter: Meter = field(default=Meter.PSS, init=False)
    _sessions: set[int] = field(default_factory=set, init=False)
    _peak: float = field(default=0.0, init=False)
    _samples: int = field(default=0, init=False)
    _cpu_s: dict[int, float] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if self.leader is not None:
            self._sessions.add(self.leader)

    def sample(self) -> Measured:
        members = self._search() if self._samples % SEARCH_EVERY == 0 else self._members()
        self._samples += 1
        # PSS is costly to read and never more than RSS: below the known peak there is no news.
        if sum(map(resident, members)) > self._peak:
            self._peak = max(self._peak, sum(map(proportional, members)))
        self._cpu_s |= {pid: used for pid in members if (used := cpu_s(pid)) is not None}
        return Measured(self._peak / MIB or None, sum(self._cpu_s.values()))

    def pids(self) -> list[int]:
        """Searches the whole table: whoever is missed here outlives the task."""
        return [pid for pid in self._search() if alive(pid)]

    def remove(self) -> None:
        self._sessions.clear()

    def _members(self) -> list[int]:
        return [pid for pid in psutil.pids() if session_of(pid) in self._sessions]

    def _search(self) -> list[int]:
        """Take up the sessions that descendants made, until there are no new ones."""
        table = parents()
        members = set(self._members())
        while news := {pid for pid, up in table.items() if up in members} - members:
            members |= news
            self._sessions |= {session for pid in news if (session := session_of(pid)) is not None}
        return sorted(members)


def session_of(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.getsid(pid)
    return None


def alive(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


def resident(pid: int) -> int:
    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def proportional(pid: int) -> int:
    with contextlib.suppress(psutil.Error):
        full = psutil.Process(pid).memory_full_info()
        return max(0, int(getattr(full, "pss", full.uss)) - mapped(pid))
    return 0


def mapped(pid: int) -> int:
    """Of its PSS what is mapped files, which psutil does not tell; 0 where the system does not."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        found = (line.split() for line in lines if line.startswith("Pss_File:"))
        return sum(int(kib) * 1024 for _, kib, *_ in found)
    return 0


def cpu_s(pid: int) -> float | None:
    with contextlib.suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return None
