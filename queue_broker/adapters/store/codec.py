"""Values as the columns keep them: bitmaps as roaring bytes, records as JSON."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter
from pyroaring import BitMap
from sqlalchemy import Dialect, LargeBinary
from sqlalchemy.types import TypeDecorator

from headgate.estimate import Estimate
from headgate.job import Job
from headgate.resources import Resources
from headgate.sweep import Grid
from queue_broker.records import Parameters, Table, Tasks

ESTIMATE = TypeAdapter(Estimate)
RESOURCES = TypeAdapter(Resources)
#: Templates kept parsed. One is at most 30 KiB of text, mostly far below 1.
PARSED_JOBS = 2048
COMPACT = json.JSONEncoder(separators=(",", ":"))
TABLES = {table: json.dumps(table.value) for table in Table}


def pack_tasks(tasks: BitMap) -> bytes:
    """Roaring's portable bytes. The set is rearranged in place, which changes none of it."""
    tasks.run_optimize()
    return bytes(tasks.serialize())


class Bitmap(TypeDecorator[BitMap]):
    """A set of task indexes in the portable roaring format; runs of neighbours take 4 bytes."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: BitMap | None, dialect: Dialect) -> bytes | None:
        return None if value is None else pack_tasks(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> BitMap | None:
        return None if value is None else BitMap.deserialize(value)


def dump_job(job: Job) -> str:
    return job.model_dump_json()


@lru_cache(maxsize=PARSED_JOBS)
def load_job(text: str) -> Job:
    return Job.model_validate_json(text)


def dump_estimate(estimate: Estimate) -> str:
    return ESTIMATE.dump_json(estimate, exclude_defaults=True).decode()


@lru_cache(maxsize=4096)
def load_estimate(text: str | None) -> Estimate | None:
    return None if text is None else ESTIMATE.validate_json(text)


def dump_resources(resources: Resources) -> str:
    return RESOURCES.dump_json(resources).decode()


@lru_cache(maxsize=4096)
def load_resources(text: str) -> Resources:
    return RESOURCES.validate_json(text)


def dump_parameters(parameters: Parameters) -> str:
    return parameters.model_dump_json() if isinstance(parameters, Grid) else TABLES[parameters]


@lru_cache(maxsize=64)
def load_parameters(text: str) -> Parameters:
    value: Any = json.loads(text)
    return Table(value) if isinstance(value, str) else Grid.model_validate(value)


def shape_of(estimate: Estimate) -> str:
    """What two estimates share when their tasks may stand in one group.

    Quantiles and words are left out: they change with every observation, and a retry would then
    open a group a task. The group keeps the estimate it was opened with.
    """
    given = estimate.allocation
    size = (given.vcpu, given.memory_mib, given.gpus, estimate.least_gpu_mib)
    parts = (*size, estimate.time_limit_s, estimate.memory_kills)
    bare = ("bare",) if estimate.bare else ()  # appended: shapes are kept in the database
    return COMPACT.encode([*parts, estimate.source, estimate.family, *bare])


def all_tasks(size: int) -> Tasks:
    return Tasks(range(size))


@lru_cache(maxsize=64)
def packed_range(size: int) -> bytes:
    """All tasks of a job of that size, packed."""
    return pack_tasks(all_tasks(size))
