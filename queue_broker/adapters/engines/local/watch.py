"""One attempt that runs: looked at now and then, and brought to its end."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

from headgate.lifecycle import Cause
from queue_broker.adapters.engines.local.attempt import Claim, Folder, Start, Stop
from queue_broker.adapters.engines.local.gpu import Devices
from queue_broker.adapters.engines.local.process import reap, runs, send
from queue_broker.adapters.engines.local.tree import Measured, Tree, kill
from queue_broker.adapters.engines.local.verdict import Traces, judge
from queue_broker.events import Ended
from queue_broker.records import Leak


@dataclass(slots=True)
class Watch:
    """An attempt with its process tree. `claim` is None for a child of ours.

    `end` is a handle that becomes readable when the shim ends, where the system has such handles.
    """

    leak: Leak
    task: int
    folder: Folder
    start: Start | None
    tree: Tree
    pid: int
    gpus: Devices
    claim: Claim | None = None
    end: int | None = None
    stop: Stop | None = None
    asked_at_s: float | None = None
    measured: Measured = Measured()  # noqa: RUF009  frozen
    code: int | None = None

    def over(self) -> bool:
        """Whether the shim is gone."""
        if self.claim is None:
            # Kept: a child can be reaped once, and what follows may have to be tried again.
            self.code = reap(self.pid) if self.code is None else self.code
            return self.code is not None
        return not runs(self.claim)

    def look(self, now_s: float, grace_s: float) -> None:
        """Measure, and enforce the limits."""
        self.measured = self.tree.sample()
        self._enforce(now_s)
        if self.stop is not None:
            self._press(now_s, grace_s)

    def ask_to_stop(self, stop: Stop) -> None:
        """Too late for a command that is over; else a cancellation outranks an interruption,
        and other reasons stay as they are."""
        outranked = self.stop is None or (
            self.stop.cause is Cause.INTERRUPTED and stop.cause is Cause.CANCELLED
        )
        if outranked and self.folder.result() is None:
            self.folder.write_stop(stop)
            self.stop = stop

    def _enforce(self, now_s: float) -> None:
        peak, allowed = self.measured.peak_memory_mib or 0.0, self.leak.allocation.memory_mib
        if self.measured.killed or peak > allowed:
            self.ask_to_stop(Stop(now_s, Cause.OUT_OF_MEMORY, f"passed {allowed} MiB of memory"))
        timeout_s = self.leak.job.timeout_s
        if timeout_s and self.start and now_s - self.start.at_s > timeout_s:
            reason = f"Job attempt duration exceeded timeout: {timeout_s} s"
            self.ask_to_stop(Stop(now_s, Cause.TIMEOUT, reason))

    def _press(self, now_s: float, grace_s: float) -> None:
        """SIGTERM once, SIGKILL when the grace is over; who passed his memory gets none."""
        assert self.stop is not None  # noqa: S101
        if self.stop.cause is Cause.OUT_OF_MEMORY:
            self._kill()
        elif self.asked_at_s is None:
            self.asked_at_s = now_s
            # Not the shim, which would forward it: to many programs a second one means "at once".
            others = [pid for pid in self.tree.pids() if pid != self.pid]
            send(others or [self.pid], signal.SIGTERM)
        elif now_s - self.asked_at_s > grace_s:
            self._kill()

    def _kill(self) -> None:
        kill(self.tree)
        send([self.pid], signal.SIGKILL)

    def finish(self, now_s: float) -> Ended:
        """The last event of an attempt that is over; written down before anything is forgotten."""
        result = self.folder.result()  # at once: it tells how long before now it was
        # A container ends with its first process, and so does a task: what it left behind goes too.
        kill(self.tree)
        self.measured = self.tree.sample()
        ended = judge(
            Traces(
                leak=self.leak.name,
                task=self.task,
                at_s=now_s,
                memory_mib=self.leak.allocation.memory_mib,
                meter=self.tree.meter,
                measured=self.measured,
                start=self.start,
                code=self.code,
                result=result,
                stop=self.stop,
                gpus=self.gpus,
            )
        )
        self.folder.write_ended(ended)
        self.tree.remove()
        self.let_go()
        return ended

    def let_go(self) -> None:
        """Give back the handle."""
        if self.end is not None:
            os.close(self.end)
            self.end = None
