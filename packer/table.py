"""Rows of a table as demands: equal shapes together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from headgate.errors import InvalidInput, Problem
from headgate.resources import Resources
from headgate.validation import parse
from packer.demand import Demand


class Line(BaseModel):
    """One row; other columns are ignored. Sizes that make no sense are `pack`'s to refuse, by
    name."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    vcpu: float = Field(allow_inf_nan=False)
    memory_mib: float = Field(allow_inf_nan=False, description="rounded up to whole MiB")
    gpus: int = 0
    gpu_model: str | None = None
    gpu_memory_mib: float | None = Field(default=None, allow_inf_nan=False)
    arch: str | None = None
    runtime_s: float | None = Field(default=None, allow_inf_nan=False)
    count: int = 1


def to_demands(records: Iterable[Mapping[str, Any]]) -> list[Demand]:
    """Demands keyed d0, d1, ... by their shapes; `InvalidInput` names every wrong row and field.

    Rows are numbered from 1, without the header.
    """
    counts: dict[tuple[Any, ...], int] = {}
    problems: list[Problem] = []
    for number, record in enumerate(records, start=1):
        try:
            line = parse(Line, {name: value for name, value in record.items() if present(value)})
        except InvalidInput as error:
            problems += [
                Problem(f"row {number}.{found.field}", found.got, found.allowed)
                for found in error.problems
            ]
            continue
        counts[shape_of(line)] = counts.get(shape_of(line), 0) + line.count
    if problems:
        raise InvalidInput(problems)
    ordered = sorted(counts, key=lambda shape: [(part is not None, part) for part in shape])
    return [demand(f"d{i}", shape, counts[shape]) for i, shape in enumerate(ordered)]


def present(value: object) -> bool:
    return (
        value is not None and value != "" and not (isinstance(value, float) and math.isnan(value))
    )


def shape_of(line: Line) -> tuple[Any, ...]:
    model = line.gpu_model.upper() if line.gpu_model else None
    gpu_memory = math.ceil(line.gpu_memory_mib) if line.gpu_memory_mib else None
    memory = math.ceil(line.memory_mib)
    return line.vcpu, memory, line.gpus, model, gpu_memory, line.arch, line.runtime_s


def demand(key: str, shape: tuple[Any, ...], count: int) -> Demand:
    vcpu, memory_mib, gpus, gpu_model, gpu_memory_mib, arch, runtime_s = shape
    return Demand(
        key=key,
        shape=Resources(vcpu, memory_mib, gpus),
        count=count,
        runtime_s=runtime_s,
        gpu_model=gpu_model,
        gpu_memory_mib=gpu_memory_mib,
        arch=arch,
    )
