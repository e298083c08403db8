"""The engine port over a fleet in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from headgate.errors import NotFound
from headgate.lifecycle import Cause
from headgate.usage import Meter, Usage
from queue_broker.adapters.engines.simulated.fleet import Fleet, Run
from queue_broker.adapters.engines.simulated.model import FateOf, FleetModel
from queue_broker.core.amounts import amount
from queue_broker.events import Ended, Event, Started
from queue_broker.records import HandOver, Lane, Leak, LogPage, Tasks


class SimulatedEngine:
    """Runs leaks in virtual time; whoever owns the clock calls `fleet.advance`."""

    name = "simulated"

    def __init__(self, model: FleetModel, fate_of: FateOf) -> None:
        self.fleet = Fleet(model, self._told)
        self.fate_of = fate_of
        self.calls = 0
        self._call_s = 0.0  #: when the last SubmitJob call was or will be made
        self._runs: dict[str, dict[int, Run]] = {}
        self._known: set[str] = set()
        self._outbox: list[Event] = []

    def lanes(self) -> list[Lane]:
        if self.fleet.model.fixed:
            return list(self.fleet.model.lanes)
        return [replace(queue.lane, running=len(queue.pool.running)) for queue in self.fleet.queues]

    def hand_over(self, leaks: Sequence[Leak]) -> list[HandOver]:
        """As SubmitJob: one call a leak, one after the other at the rate that Batch allows."""
        return [self._take(leak) for leak in leaks]

    def _take(self, leak: Leak) -> HandOver:
        if leak.name in self._known:
            return HandOver(leak.name, engine_id=f"sim-{leak.name}")
        self._call_s = max(self._call_s, self.fleet.now_s) + 1 / self.fleet.model.submits_per_s
        self.calls += 1
        self._known.add(leak.name)
        need = amount(leak.allocation)
        runs = {task: Run((leak.name, task), need, self.fate_of(leak, task)) for task in leak.tasks}
        self._runs[leak.name] = runs
        self.fleet.submit_at(self._call_s, self.fleet.place_of[leak.lane], runs.values())
        return HandOver(leak.name, engine_id=f"sim-{leak.name}")

    def poll(self, limit: int) -> list[Event]:
        return self._outbox[:limit]

    def acknowledge(self, events: Sequence[Event]) -> None:
        """The events are the oldest ones: they were polled in order."""
        del self._outbox[: len(events)]

    def adopt(self, leaks: Sequence[Leak]) -> None:
        """Nothing gets lost in virtual time."""

    def stop(self, leak: Leak, tasks: Tasks, interrupted: bool) -> None:
        cause = Cause.INTERRUPTED if interrupted else Cause.CANCELLED
        runs = self._runs.get(leak.name, {})
        for task in tasks:
            if task in runs:
                self.fleet.stop(runs[task], cause)

    def logs(self, leak: str, task: int, after: str | None, limit: int) -> LogPage:
        raise NotFound(f"simulated tasks write no log ({leak}, task {task})")

    def troubles(self) -> list[str]:
        return []

    def close(self) -> None:
        """There is nothing to give back."""

    def _told(self, started: Sequence[Run], ended: Sequence[Run]) -> None:
        self._outbox.extend([Started(*run.key, run.start_s, str(run.instance)) for run in started])
        self._outbox.extend([self._over(run) for run in ended])

    def _over(self, run: Run) -> Ended:
        leak, task = run.key
        runs = self._runs[leak]
        del runs[task]
        if not runs:
            del self._runs[leak]
        return to_ended(run)


def to_ended(run: Run) -> Ended:
    (leak, task), cause = run.key, run.cause or Cause.EXITED
    code = exit_code(run, cause)
    if run.start_s < 0:  # it never started
        return Ended(leak, task, run.end_s, cause, code)
    used = usage(run, run.end_s - run.start_s)
    return Ended(leak, task, run.end_s, cause, code, used, None, run.start_s)


def usage(run: Run, runtime_s: float) -> Usage:
    """As the shim measures it; a kill for memory shows the limit, and not the need."""
    fate = run.fate
    peak = float(min(fate.memory_mib, run.need.mib))
    return Usage(runtime_s, peak, fate.vcpu * runtime_s or None, meter=Meter.CGROUP)


def exit_code(run: Run, cause: Cause) -> int | None:
    """137 is what the kernel's kill for memory gives."""
    if cause is Cause.EXITED:
        return run.fate.exit_code
    return 137 if cause is Cause.OUT_OF_MEMORY else None
