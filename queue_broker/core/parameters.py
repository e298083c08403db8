"""The parameters of a task: computed from a grid's axes, or read from a table's chunk."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headgate.job import Job, Scalar
from headgate.sweep import Grid
from queue_broker.core.json_rows import JSON_ENCODED
from queue_broker.core.tables import decode
from queue_broker.records import Chunk, JobId, Table
from queue_broker.records import Parameters as Source

if TYPE_CHECKING:
    from queue_broker.ports import Reader


class Described(Protocol):
    """What a job's record, its groups and its leaks have in common."""

    @property
    def job_id(self) -> JobId: ...
    @property
    def job(self) -> Job: ...
    @property
    def size(self) -> int: ...
    @property
    def parameters(self) -> Source: ...


class Parameters:
    """Reads parameters, with the few chunks last used kept decoded. Thread-safe."""

    def __init__(self, reader: Reader, chunks_kept: int = 8) -> None:
        self._reader = reader
        self._kept: OrderedDict[tuple[JobId, int], pa.Table] = OrderedDict()
        self._most = chunks_kept
        self._lock = Lock()

    def of(self, record: Described, task: int) -> dict[str, Scalar]:
        """The template's parameters with the task's own over them."""
        if isinstance(record.parameters, Grid):
            return record.job.parameters | record.parameters.task(task)
        if record.parameters is Table.NONE:
            return dict(record.job.parameters)
        first, table = self._table(record.job_id, task)
        return record.job.parameters | row(table, task - first)

    def columns(self, record: Described) -> dict[str, npt.NDArray[Any]] | None:
        """Every task's own parameters by name, `size` values each; None where there are none."""
        if isinstance(record.parameters, Grid):
            return grid_columns(record.parameters)
        if record.parameters is Table.NONE:
            return None
        whole: dict[str, npt.NDArray[Any]] = {}
        for chunk in self._reader.chunks(record.job_id):
            table = decode(chunk.data)
            for name in table.column_names:
                fill(whole, name, (chunk.first, record.size), column(table, name))
        return whole

    def _table(self, job_id: JobId, task: int) -> tuple[int, pa.Table]:
        with self._lock:
            for (kept_id, first), table in self._kept.items():
                if kept_id == job_id and first <= task < first + table.num_rows:
                    self._kept.move_to_end((kept_id, first))
                    return first, table
        return self._keep(job_id, self._reader.chunk(job_id, task))

    def _keep(self, job_id: JobId, chunk: Chunk) -> tuple[int, pa.Table]:
        table = decode(chunk.data)
        with self._lock:
            self._kept[job_id, chunk.first] = table
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return chunk.first, table


def row(table: pa.Table, at: int) -> dict[str, Scalar]:
    """One row by name, with Python's values."""
    return {
        field.name: value(field, table.column(place)[at].as_py())
        for place, field in enumerate(table.schema)
    }


def value(field: pa.Field, stored: Any) -> Scalar:
    """A stored value as it was sent; a column of mixed kinds keeps each as JSON."""
    if stored is None or not encoded(field):
        scalar: Scalar = stored
        return scalar
    parsed: Scalar = json.loads(stored)
    return parsed


def encoded(field: pa.Field) -> bool:
    return JSON_ENCODED in (field.metadata or {})


def column(table: pa.Table, name: str) -> npt.NDArray[Any]:
    """A column as NumPy has it: numbers as numbers, everything else as objects."""
    field = table.schema.field(name)
    if encoded(field):
        return axis_values([value(field, one) for one in table.column(name).to_pylist()])
    if pa.types.is_string(field.type):
        return texts(table.column(name).combine_chunks())
    array: npt.NDArray[Any] = table.column(name).to_numpy()
    return array


def fill(
    whole: dict[str, npt.NDArray[Any]], name: str, at: tuple[int, int], part: npt.NDArray[Any]
) -> None:
    """Write a part of a column where it belongs; the column takes a wider kind where it must.

    Chunk by chunk, so that a sweep of 10^6 rows is in memory once, as what it becomes.
    """
    first, size = at
    if name not in whole:
        whole[name] = np.empty(size, dtype=part.dtype)
    wider = np.result_type(whole[name].dtype, part.dtype)
    if wider != whole[name].dtype:
        whole[name] = whole[name].astype(wider)
    whole[name][first : first + len(part)] = part


def texts(column: pa.Array) -> npt.NDArray[Any]:
    """Texts as objects, each distinct one made once: a million rows have few of them mostly."""
    coded = column.dictionary_encode()
    if coded.null_count:
        return np.array(column.to_pylist(), dtype=object)
    array: npt.NDArray[Any] = coded.dictionary.to_numpy(zero_copy_only=False)[coded.indices]
    return array


def grid_columns(grid: Grid) -> dict[str, npt.NDArray[Any]]:
    """The axes spelt out: each value repeated for all that turn faster, and that tiled."""
    columns: dict[str, npt.NDArray[Any]] = {}
    faster = grid.size
    for name, values in grid.axes.items():
        faster //= len(values)
        axis = axis_values(values)
        columns[name] = np.tile(np.repeat(axis, faster), grid.size // (faster * len(values)))
    return columns


def axis_values(values: Sequence[Scalar]) -> npt.NDArray[Any]:
    """Numbers as numbers; mixed or textual values as objects, so that none changes its kind."""
    kinds = {type(one) for one in values}
    if kinds <= {int, float} or kinds == {bool}:
        try:
            return np.array(values)
        except OverflowError:
            pass  # an integer beyond 64 bits stays an object
    axis = np.empty(len(values), dtype=object)
    axis[:] = values
    return axis
