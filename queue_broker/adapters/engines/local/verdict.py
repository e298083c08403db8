"""Why an attempt ended, out of all the traces it left. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from headgate.lifecycle import Cause
from headgate.usage import Meter, Usage
from queue_broker.adapters.engines.local.attempt import Result, Start, Stop
from queue_broker.adapters.engines.local.gpu import Devices
from queue_broker.adapters.engines.local.tree import Measured
from queue_broker.events import Ended

KILLED = 137  # 128 + SIGKILL, as shells and Docker say it
#: From here on a code tells of a signal: 128 + n, as shells say it.
NO_SIGNAL = 128
#: The shim's exit code when it could not begin.
SHIM_FAILED = 125


@dataclass(frozen=True, slots=True)
class Traces:
    """What is known of an attempt whose shim is gone.

    `code` is the shim's exit code, where it was a child of ours. `at_s` is when its end was seen.
    """

    leak: str
    task: int
    at_s: float
    memory_mib: int
    meter: Meter
    measured: Measured
    start: Start | None = None
    code: int | None = None
    result: Result | None = None
    stop: Stop | None = None
    gpus: Devices | None = None


def judge(traces: Traces) -> Ended:
    """The attempt's last event."""
    cause, code, reason = _cause(traces)
    start_s = traces.start.at_s if traces.start else None
    at_s = max(start_s or 0.0, traces.at_s - (traces.result.ago_s if traces.result else 0.0))
    usage = None if start_s is None or cause is Cause.NOT_STARTED else _usage(traces, at_s, start_s)
    return Ended(traces.leak, traces.task, at_s, cause, code, usage, reason, start_s)


def _cause(traces: Traces) -> tuple[Cause, int | None, str | None]:
    result, stop = traces.result, traces.stop
    succeeded = result is not None and result.exit_code == 0
    # A task that came through although one of its processes was killed had enough.
    if (traces.measured.killed and not succeeded) or (stop and stop.cause is Cause.OUT_OF_MEMORY):
        return Cause.OUT_OF_MEMORY, KILLED, for_memory(traces)
    if stop:
        return stop.cause, _killed_code(traces), stop.reason
    if result:
        return Cause.EXITED, result.exit_code, None
    return _without_result(traces)


def _without_result(traces: Traces) -> tuple[Cause, int | None, str | None]:
    """The shim itself came to an end too soon."""
    if traces.code == SHIM_FAILED:
        return Cause.NOT_STARTED, SHIM_FAILED, "the attempt's folder or cgroup could not be entered"
    if traces.code is not None and 0 <= traces.code <= NO_SIGNAL:
        # It handed on the command's own code, and a full disk kept its note of it.
        return Cause.EXITED, traces.code, None
    if traces.code is not None and traces.code > NO_SIGNAL:
        # The broker stood by, and the host is well: the task itself or somebody here killed it.
        return Cause.EXITED, traces.code, f"killed by signal {traces.code - NO_SIGNAL}"
    return Cause.INTERRUPTED, None, "the task vanished while no broker watched it"


def _killed_code(traces: Traces) -> int:
    if traces.result:
        return traces.result.exit_code
    return traces.code if traces.code is not None and traces.code > 0 else KILLED


def for_memory(traces: Traces) -> str:
    peak = traces.measured.peak_memory_mib
    used = "more memory" if peak is None else f"{peak:.0f} MiB of memory"
    return f"OutOfMemoryError: killed at {used}; allocated: {traces.memory_mib} MiB"


def _usage(traces: Traces, at_s: float, start_s: float) -> Usage:
    measured = traces.measured
    by_shell = traces.result.cpu_s if traces.result else None
    known = [value for value in (measured.cpu_s, by_shell) if value is not None]
    return Usage(
        runtime_s=max(0.0, at_s - start_s),
        peak_memory_mib=measured.peak_memory_mib,
        cpu_s=max(known, default=None),
        gpu_memory_mib=traces.gpus.peak_mib if traces.gpus else None,
        gpu_utilisation=traces.gpus.utilisation if traces.gpus else None,
        meter=traces.meter if measured.peak_memory_mib is not None else Meter.NONE,
    )
