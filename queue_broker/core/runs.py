"""What the policy remembers of the tasks that run: since when, and where. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from queue_broker.events import Started
from queue_broker.records import Leak, Tasks

NOBODY = Tasks()


@dataclass(slots=True)
class Runs:
    """When the tasks of preemptible tiers started, which of them are being stopped, and on which
    instance each task is, as far as engines say; of those that have ended too, until their leak is
    over.
    """

    started_s: dict[str, dict[int, float]] = field(default_factory=dict)
    stopping: dict[str, Tasks] = field(default_factory=dict)
    instances: dict[str, dict[int, str]] = field(default_factory=dict)

    def learn(self, starts: Sequence[Started], leaks: Mapping[str, Leak], tiers: set[str]) -> None:
        for start in starts:
            leak = leaks.get(start.leak)
            if leak is None:
                continue
            if start.instance:
                self.instances.setdefault(start.leak, {})[start.task] = start.instance
            if leak.tier in tiers:
                self.started_s.setdefault(start.leak, {})[start.task] = start.at_s

    def forget(self, gone: Iterable[str]) -> None:
        """Drop leaks that have ended."""
        for name in gone:
            self.started_s.pop(name, None)
            self.stopping.pop(name, None)
            self.instances.pop(name, None)

    def instance(self, leak: str, task: int) -> str:
        return self.instances.get(leak, {}).get(task, "")

    def being_stopped(self, leak: Leak) -> Tasks:
        """Tasks that are on their way out already, also because somebody cancelled them."""
        stopping = self.stopping.get(leak.name)
        if stopping is None:
            return leak.cancelling & leak.open if leak.cancelling else NOBODY
        return (stopping | leak.cancelling) & leak.open

    def elapsed_s(self, leak: Leak, task: int, now_s: float) -> float:
        """How long a running task has run; after a restart of the broker, at most since its
        leak."""
        return now_s - self.started_s.get(leak.name, {}).get(task, leak.created_at_s)
