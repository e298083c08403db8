"""How a job's tasks came out, as rows of a table."""

from __future__ import annotations

from typing import Any, cast

from headgate.estimate import Estimate
from headgate.job import Scalar
from headgate.lifecycle import Cause
from headgate.usage import Usage
from headgate.views import ResultList, ResultRow
from queue_broker.ports import Reader
from queue_broker.records import JobId, Result

#: Rows of one page: more at a time than elsewhere, since people want all of them.
MOST_RESULTS = 10_000


def results(store: Reader, job_id: JobId, after: int, limit: int) -> ResultList:
    """A page of what has ended so far, in the order in which it did."""
    found, cursor = store.results(job_id, after, limit)
    return ResultList(results=[row_of(one) for one in found], next=cursor)


def row_of(result: Result) -> ResultRow:
    attempt = result.attempt
    began_s = attempt.created_at_s if attempt.started_at_s is None else attempt.started_at_s
    ended_s = began_s if attempt.stopped_at_s is None else attempt.stopped_at_s
    used = attempt.usage or Usage(max(0.0, ended_s - began_s))
    return ResultRow(
        index=attempt.task,
        attempt=attempt.attempt,
        cause=attempt.cause or Cause.EXITED,
        exit_code=attempt.exit_code,
        reason=attempt.reason,
        lane=attempt.lane,
        started_at_s=attempt.started_at_s,
        finished_at_s=ended_s,
        runtime_s=used.runtime_s,
        peak_memory_mib=used.peak_memory_mib,
        cpu_s=used.cpu_s,
        gpu_memory_mib=used.gpu_memory_mib,
        allocation_vcpu=attempt.allocation.vcpu,
        allocation_memory_mib=attempt.allocation.memory_mib,
        allocation_gpus=attempt.allocation.gpus,
        parameters={name: cast("Scalar", value) for name, value in result.parameters.items()},
        **(foretold_columns(result.estimate) if result.estimate else {}),
    )


def foretold_columns(estimate: Estimate) -> dict[str, Any]:
    every = {
        "memory_mib": estimate.memory_mib,
        "vcpu": estimate.vcpu,
        "runtime_s": estimate.runtime_s,
    }
    columns = {
        f"estimate_{name}_{bound}": getattr(one, bound)
        for name, one in every.items()
        for bound in ("p50", "p95")
    }
    return columns | {"estimate_source": estimate.source}
