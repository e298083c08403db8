"""The history as one flat table: what the lake stores, training reads and an import writes.

`SCHEMA` is the documented format (docs/reference/history.md). The environment of a job is left out
on purpose: it may hold secrets, and it predicts nothing.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
from pydantic_core import to_json

from headgate.estimate import Estimate, Quantiles, Source
from headgate.job import Input, Job
from headgate.lifecycle import Cause
from headgate.resources import ResourceRequest, Resources
from headgate.usage import Meter, Observation, Usage

_QUANTILES = ("memory_mib", "vcpu", "runtime_s", "gpu_memory_mib")
_REQUEST = ("vcpu", "memory_mib", "gpus", "gpu_memory_mib", "gpu_model", "arch")
_JOB_WORDS = ("name", "definition", "image", "queue", "tier", "tenant")
_JSON = ("command", "inputs", "parameters", "task_parameters", "tags")
#: Every column that tells of the job itself.
_JOB = (
    *(*_JOB_WORDS, "priority", "timeout_s", "request_ceiling"),
    *(f"{name}_json" for name in ("command", "inputs", "parameters", "tags")),
    *(f"request_{name}" for name in _REQUEST),
)
_USAGE = ("runtime_s", "peak_memory_mib", "cpu_s", "gpu_memory_mib", "gpu_utilisation")

#: What an attempt does not share with its job's others.
_OWN = {*_USAGE, "task_parameters_json", "finished_at_s", "attempt", "cause", "exit_code", "meter"}

#: Rows that are turned into columns in one call, which lets no other thread run until it is done:
#: of ten thousand at once, requests waited a sixth of a second.
AT_ONCE = 500

SCHEMA = pa.schema(
    [
        pa.field("finished_at_s", pa.float64(), nullable=False),
        *(pa.field(name, pa.string(), nullable=name != "name") for name in _JOB_WORDS),
        *(pa.field(f"{name}_json", pa.string()) for name in _JSON),
        pa.field("priority", pa.int32()),
        pa.field("timeout_s", pa.int64()),
        pa.field("request_vcpu", pa.float64()),
        pa.field("request_memory_mib", pa.int64()),
        pa.field("request_gpus", pa.int32()),
        pa.field("request_gpu_memory_mib", pa.int64()),
        pa.field("request_gpu_model", pa.string()),
        pa.field("request_arch", pa.string()),
        pa.field("request_ceiling", pa.bool_()),
        pa.field("attempt", pa.int32(), nullable=False),
        pa.field("cause", pa.string(), nullable=False),
        pa.field("exit_code", pa.int32()),
        pa.field("runtime_s", pa.float64(), nullable=False),
        pa.field("peak_memory_mib", pa.float64()),
        pa.field("cpu_s", pa.float64()),
        pa.field("gpu_memory_mib", pa.float64()),
        pa.field("gpu_utilisation", pa.float64()),
        pa.field("meter", pa.string(), nullable=False),
        pa.field("allocation_vcpu", pa.float64()),
        pa.field("allocation_memory_mib", pa.int64()),
        pa.field("allocation_gpus", pa.int32()),
        *(
            pa.field(f"estimate_{name}_{bound}", pa.float64())
            for name in _QUANTILES
            for bound in ("p50", "p95")
        ),
        pa.field("estimate_vcpu", pa.float64()),
        pa.field("estimate_memory_mib", pa.int64()),
        pa.field("estimate_gpus", pa.int32()),
        pa.field("estimate_source", pa.string()),
        pa.field("estimate_family", pa.string()),
        pa.field("model_version", pa.string()),
    ]
)

_SHARED = pa.schema([field for field in SCHEMA if field.name not in _OWN])


def to_table(observations: Sequence[Observation]) -> pa.Table:
    """Observations as rows of `SCHEMA`, in the order given."""
    return concatenate(pieces(observations))


def pieces(observations: Sequence[Observation]) -> Iterator[pa.Table]:
    """The same, some hundred rows at a time: see `AT_ONCE`."""
    for at in range(0, len(observations), AT_ONCE):
        yield _piece(observations[at : at + AT_ONCE])


def _piece(observations: Sequence[Observation]) -> pa.Table:
    """Attempts of one job share what is told of it and was given: to tell it is most of the
    work.
    """
    marks = [(id(one.job), id(one.allocation), id(one.estimate)) for one in observations]
    kinds = dict(zip(marks, observations, strict=True))
    number = {mark: at for at, mark in enumerate(kinds)}
    jobs = {id(one.job): one.job for one in observations}
    of_job = {key: _job_row(job) for key, job in jobs.items()}
    rows = [of_job[mark[0]] | _given_row(one) for mark, one in kinds.items()]
    told = pa.RecordBatch.from_pylist(rows, schema=_SHARED)
    told = told.take(pa.array([number[mark] for mark in marks], pa.int32()))
    columns = dict(zip(_SHARED.names, told.columns, strict=True))
    for name, values in _own_columns(observations).items():
        columns[name] = pa.array(values, SCHEMA.field(name).type)
    return pa.Table.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def from_table(table: pa.Table) -> list[Observation]:
    """The observations that a table of `SCHEMA` holds; columns that are missing count as
    unknown. Attempts of one job share it: to make it is most of the work.
    """
    jobs: dict[Hashable, Job] = {}
    found = []
    for row in table.to_pylist():
        told = tuple(map(row.get, _JOB))
        job = jobs.get(told) or jobs.setdefault(told, _job(row))
        found.append(_observation(row, job))
    return found


def from_frame(frame: pd.DataFrame) -> list[Observation]:
    """As `from_table`, of what a lake reads."""
    return from_table(pa.Table.from_pandas(frame, preserve_index=False))


def _job_row(job: Job) -> dict[str, Any]:
    row = {name: getattr(job, name) for name in (*_JOB_WORDS, "priority", "timeout_s")}
    row |= {f"request_{name}": getattr(job.resources, name) for name in (*_REQUEST, "ceiling")}
    return row | {
        "command_json": dump(list(job.command)),
        "inputs_json": dump([entry.model_dump() for entry in job.inputs]),
        "parameters_json": dump(job.parameters),
        "tags_json": dump(job.tags),
    }


def _given_row(item: Observation) -> dict[str, Any]:
    return _resources_row("allocation", item.allocation) | _estimate_row(item.estimate)


def _own_columns(observations: Sequence[Observation]) -> dict[str, list[Any]]:
    """What is an attempt's own."""
    usages = [one.usage for one in observations]
    columns: dict[str, list[Any]] = {
        name: [getattr(usage, name) for usage in usages] for name in _USAGE
    }
    return columns | {
        "task_parameters_json": [dump(one.parameters) for one in observations],
        "finished_at_s": [one.finished_at_s for one in observations],
        "attempt": [one.attempt for one in observations],
        "cause": [one.cause for one in observations],
        "exit_code": [one.exit_code for one in observations],
        "meter": [usage.meter for usage in usages],
    }


def dump(value: object) -> str | None:
    """As the history keeps it: the same names and values are the same text. Nothing as null."""
    if isinstance(value, Mapping):
        value = dict(sorted(value.items()))
    return to_json(value, fallback=str).decode() if value else None


def _resources_row(prefix: str, given: Resources | None) -> dict[str, Any]:
    if given is None:
        return {}
    return {f"{prefix}_{name}": getattr(given, name) for name in ("vcpu", "memory_mib", "gpus")}


def _estimate_row(estimate: Estimate | None) -> dict[str, Any]:
    if estimate is None:
        return {}
    row = _resources_row("estimate", estimate.allocation)
    row |= {
        "estimate_source": estimate.source.value,
        "estimate_family": estimate.family,
        "model_version": estimate.model_version,
    }
    for name in _QUANTILES:
        bounds: Quantiles | None = getattr(estimate, name)
        if bounds is not None:
            row |= {f"estimate_{name}_p50": bounds.p50, f"estimate_{name}_p95": bounds.p95}
    return row


def _observation(row: Mapping[str, Any], job: Job) -> Observation:
    return Observation(
        job=job,
        usage=_usage(row),
        cause=Cause(row.get("cause") or Cause.EXITED),
        exit_code=row.get("exit_code"),
        attempt=row.get("attempt") or 1,
        finished_at_s=row["finished_at_s"],
        allocation=_resources(row, "allocation"),
        estimate=_estimate(row),
        parameters=_load(row, "task_parameters", {}),
    )


def _usage(row: Mapping[str, Any]) -> Usage:
    return Usage(
        runtime_s=row["runtime_s"],
        peak_memory_mib=row.get("peak_memory_mib"),
        cpu_s=row.get("cpu_s"),
        gpu_memory_mib=row.get("gpu_memory_mib"),
        gpu_utilisation=row.get("gpu_utilisation"),
        meter=Meter(row.get("meter") or Meter.NONE),
    )


def _job(row: Mapping[str, Any]) -> Job:
    """Built without checks: the row was checked when the job was submitted or imported."""
    request = {name: row.get(f"request_{name}") for name in _REQUEST}
    words = {name: row.get(name) for name in _JOB_WORDS} | {"queue": row.get("queue") or "default"}
    return Job.model_construct(
        **words,
        command=tuple(_load(row, "command", ())),
        inputs=tuple(Input.model_construct(**entry) for entry in _load(row, "inputs", ())),
        parameters=_load(row, "parameters", {}),
        tags=_load(row, "tags", {}),
        priority=row.get("priority") or 0,
        timeout_s=row.get("timeout_s"),
        resources=ResourceRequest.model_construct(
            **request, ceiling=bool(row.get("request_ceiling"))
        ),
    )


def _load(row: Mapping[str, Any], name: str, empty: Any) -> Any:
    text = row.get(f"{name}_json")
    return json.loads(text) if text else empty


def _resources(row: Mapping[str, Any], prefix: str) -> Resources | None:
    memory_mib = row.get(f"{prefix}_memory_mib")
    if memory_mib is None:
        return None
    vcpu, gpus = row.get(f"{prefix}_vcpu") or 0.0, row.get(f"{prefix}_gpus") or 0
    return Resources(vcpu, memory_mib, gpus)


def _estimate(row: Mapping[str, Any]) -> Estimate | None:
    allocation = _resources(row, "estimate")
    source = row.get("estimate_source")
    if allocation is None or source is None:
        return None
    bounds = {name: _bounds(row, name) for name in _QUANTILES}
    return Estimate(
        allocation=allocation,
        memory_mib=bounds["memory_mib"] or Quantiles(0.0, 0.0),
        vcpu=bounds["vcpu"] or Quantiles(0.0, 0.0),
        runtime_s=bounds["runtime_s"] or Quantiles(0.0, 0.0),
        gpu_memory_mib=bounds["gpu_memory_mib"],
        source=Source(source),
        family=row.get("estimate_family") or "",
        model_version=row.get("model_version"),
    )


def _bounds(row: Mapping[str, Any], name: str) -> Quantiles | None:
    p50, p95 = row.get(f"estimate_{name}_p50"), row.get(f"estimate_{name}_p95")
    return None if p50 is None or p95 is None else Quantiles(p50, p95)


def concatenate(tables: Iterable[pa.Table]) -> pa.Table:
    """Tables of any age as one: columns that an older one lacks are filled with nulls."""
    given = list(tables)
    return pa.concat_tables([SCHEMA.empty_table(), *given], promote_options="permissive")
