"""The parameters of a task: computed from a grid's axes, or read from a table's chunk."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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


#: Tasks, and bytes of their parameters, that are spelt out at once: four chunks of a table.
BAND_TASKS = 1 << 18
BAND_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Band:
    """Tasks that follow one another, and their own parameters by name, `size` values each."""

    first: int
    size: int
    columns: dict[str, npt.NDArray[Any]]


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

    def bands(self, record: Described) -> Iterator[Band]:
        """Every task's own parameters, some tasks at a time; none where there are none."""
        if isinstance(record.parameters, Grid):
            yield from grid_bands(record.parameters)
        elif record.parameters is Table.CHUNKS:
            yield from table_bands(self._reader.chunks(record.job_id))

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


def table_bands(chunks: Iterable[Chunk]) -> Iterator[Band]:
    """A table's chunks by as many as may be spelt out at once."""
    first, end, held = 0, 0, 0
    tables: list[pa.Table] = []
    for chunk in chunks:
        tables.append(decode(chunk.data))
        end, held = chunk.first + chunk.rows, held + tables[-1].nbytes
        if end - first >= BAND_TASKS or held >= BAND_BYTES:
            yield Band(first, end - first, joined(tables))
            first, held, tables = end, 0, []
    if tables:
        yield Band(first, end - first, joined(tables))


def joined(tables: Sequence[pa.Table]) -> dict[str, npt.NDArray[Any]]:
    """The columns of tables that follow one another; one takes a wider kind where it must."""
    names = tables[0].column_names
    return {name: np.concatenate([column(table, name) for table in tables]) for name in names}


def texts(column: pa.Array) -> npt.NDArray[Any]:
    """Texts as objects, each distinct one made once: a million rows have few of them mostly."""
    coded = column.dictionary_encode()
    if coded.null_count:
        return np.array(column.to_pylist(), dtype=object)
    array: npt.NDArray[Any] = coded.dictionary.to_numpy(zero_copy_only=False)[coded.indices]
    return array


def grid_bands(grid: Grid) -> Iterator[Band]:
    for first in range(0, grid.size, BAND_TASKS):
        size = min(BAND_TASKS, grid.size - first)
        yield Band(first, size, grid_columns(grid, first, size))


def grid_columns(grid: Grid, first: int, size: int) -> dict[str, npt.NDArray[Any]]:
    """The axes spelt out for some of the tasks; the last axis turns fastest."""
    tasks = np.arange(first, first + size)
    columns: dict[str, npt.NDArray[Any]] = {}
    faster = grid.size
    for name, values in grid.axes.items():
        faster //= len(values)
        columns[name] = axis_values(values)[tasks // faster % len(values)]
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
