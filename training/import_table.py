"""Headgate's own table, from CSV or Parquet: the documented columns, of which few are required."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, TypeVar

from headgate.job import Input, Job
from headgate.lifecycle import Cause
from headgate.resources import Resources
from headgate.usage import Meter, Observation, Usage
from headgate.validation import parse
from training.imports import Dropped, Import, Row, read_rows, require

W = TypeVar("W", bound=StrEnum)

REQUIRED = ("name", "finished_at_s", "runtime_s")
#: Columns with these prefixes spread a mapping over columns: parameter.alpha, tag.team.
SPREAD = {"parameter.": "parameters", "tag.": "tags"}
_REQUEST = ("vcpu", "memory_mib", "gpus", "gpu_memory_mib", "gpu_model", "arch", "ceiling")
_WORDS = ("definition", "image", "queue", "tier", "tenant")
#: Columns that hold JSON, as a lake writes them; see `predictor.history.SCHEMA`.
_JSON = ("parameters", "tags", "command", "inputs")


def from_rows(columns: Iterable[str], rows: Iterable[Row]) -> Iterator[Import]:
    """The observations of a table in the documented format, some rows at a time."""
    require(columns, REQUIRED, "table")
    told = ({name: cell for name, cell in row.items() if not missing(cell)} for row in rows)
    return read_rows(told, read)


def read(row: Row) -> Observation:
    """One row of the table."""
    for name in REQUIRED:
        if name not in row:
            raise Dropped(f"{name}: nothing; it is required")
    return Observation(
        job=parse(Job, fields(row)),
        usage=Usage(
            runtime_s=number(row, "runtime_s") or 0.0,
            peak_memory_mib=number(row, "peak_memory_mib"),
            cpu_s=number(row, "cpu_s"),
            gpu_memory_mib=number(row, "gpu_memory_mib"),
            gpu_utilisation=number(row, "gpu_utilisation"),
            meter=word(Meter, row, "meter") or Meter.IMPORTED,
        ),
        cause=word(Cause, row, "cause") or Cause.EXITED,
        exit_code=whole(row, "exit_code") or 0,
        attempt=whole(row, "attempt") or 1,
        finished_at_s=number(row, "finished_at_s") or 0.0,
        allocation=allocation(row),
        parameters=mapping(row, "task_parameters"),
    )


def allocation(row: Row) -> Resources | None:
    memory_mib = whole(row, "allocation_memory_mib")
    if not memory_mib:
        return None
    vcpu, gpus = number(row, "allocation_vcpu") or 0.0, whole(row, "allocation_gpus") or 0
    return Resources(vcpu, memory_mib, gpus)


def fields(row: Row) -> dict[str, Any]:
    """The fields of the job that the row tells."""
    found: dict[str, Any] = {name: str(row[name]) for name in ("name", *_WORDS) if name in row}
    for prefix, target in SPREAD.items():
        spread = {name.removeprefix(prefix): row[name] for name in row if name.startswith(prefix)}
        if spread:
            found[target] = {name: plain(value, target) for name, value in spread.items()}
    for name in _JSON:
        if f"{name}_json" in row:
            found[name] = load(name, row[f"{name}_json"])
    found.setdefault("command", ["unknown"])
    found["resources"] = {
        name: plain(row[f"request_{name}"], "request")
        for name in _REQUEST
        if f"request_{name}" in row
    }
    found |= {name: whole(row, name) for name in ("priority", "timeout_s") if name in row}
    size = number(row, "input_bytes")
    if size is not None:
        found["inputs"] = [Input(uri="imported", size_bytes=int(size))]
    return found


def load(name: str, text: object) -> Any:
    try:
        return json.loads(str(text))
    except ValueError as error:
        raise Dropped(f"{name}_json: not JSON ({error})") from error


def mapping(row: Row, name: str) -> dict[str, object]:
    """A JSON object of numbers, text and flags; nothing where there is none."""
    found = load(name, row[f"{name}_json"]) if f"{name}_json" in row else {}
    if not isinstance(found, dict) or any(isinstance(v, dict | list) for v in found.values()):
        raise Dropped(f"{name}_json: got {found!r:.80}; allowed: an object of plain values")
    return found


def word(words: type[W], row: Row, name: str) -> W | None:
    """One of the words of an enumeration, or None where there is nothing."""
    if name not in row:
        return None
    try:
        return words(str(row[name]))
    except ValueError:
        raise Dropped(f"{name}: got {row[name]!r}; allowed: {', '.join(words)}") from None


def number(row: Row, name: str) -> float | None:
    """A number, or None where there is none; what is no number drops the row."""
    if name not in row:
        return None
    try:
        value = float(row[name])
    except (TypeError, ValueError):
        raise Dropped(f"{name}: got {row[name]!r}; allowed: a number") from None
    if not math.isfinite(value):
        raise Dropped(f"{name}: got {value}; allowed: a finite number")
    return value


def whole(row: Row, name: str) -> int | None:
    value = number(row, name)
    return None if value is None else int(value)


def plain(value: Any, target: str) -> Any:
    """A cell as the job takes it: whole floats (as CSV gives them) as ints, tags as text."""
    if target == "tags":
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value.item() if hasattr(value, "item") else value


def missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
