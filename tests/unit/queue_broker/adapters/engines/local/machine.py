"""A local engine under test, and what is asked of it in nearly every test."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headgate.usage import Usage
from queue_broker.adapters.engines.local import cgroup
from queue_broker.adapters.engines.local.engine import LocalEngine, LocalSettings
from queue_broker.events import Ended, Started
from queue_broker.records import Leak
from tests.contract.engines import endings, wait_until

PYTHON = (sys.executable, "-S", "-c")
MIB = 1 << 20
HAS_CGROUPS = cgroup.find("headgate-tests") is not None


class Machine:
    """A local engine and what is asked of it in nearly every test."""

    def __init__(self, data: Path, **settings: Any) -> None:
        self.data = data
        plain: dict[str, Any] = {"cores": 2, "memory_mib": 1024, "grace_s": 0.5, "period_s": 0.02}
        self.engine = LocalEngine(LocalSettings(data, **(plain | settings)), parameters)

    def run(self, *leaks: Leak) -> list[Ended]:
        """Hand leaks over and wait for the ends of all their tasks."""
        self.engine.hand_over(leaks)
        wanted = sum(len(leak.tasks) for leak in leaks)
        wait_until(lambda: len(endings(self.engine.poll(1000))) == wanted)
        return endings(self.engine.poll(1000))

    def output(self, leak: str = "leak-1", task: int = 0) -> str:
        return self.engine.logs(leak, task, None, 1 << 20).text

    def started(self) -> int:
        return sum(isinstance(event, Started) for event in self.engine.poll(1000))


def parameters(leak: Leak, task: int) -> Mapping[str, object]:
    del leak
    return {"index": task, "word": 'it\'s $HOME; "quoted" \\ `here`', "flag": True, "no": None}


def waited(machine: Machine, ends: int = 1) -> list[Ended]:
    wait_until(lambda: len(endings(machine.engine.poll(1000))) >= ends)
    return endings(machine.engine.poll(1000))


def use_of(end: Ended) -> Usage:
    assert end.usage is not None
    return end.usage
