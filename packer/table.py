"""Rows of a table as demands: equal shapes together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from headgate.errors import InvalidInput, Problem
from headgate.resources import Resources
from headgate.validation import parse, refuse
from packer.demand import Demand


class Line(BaseModel):
    """One row; other columns are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    vcpu: float = Field(ge=0, allow_inf_nan=False)
    memory_mib: float = Field(ge=0, allow_inf_nan=False, description="rounded up to whole MiB")
    gpus: int = Field(default=0, ge=0)
    gpu_model: str | None = None
    gpu_memory_mib: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    arch: str | None = None
    runtime_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    rank: int = 0
    spot_ok: bool = True
    max_per_instance: int | None = Field(default=None, ge=1)
    licence: str | None = None
    count: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _needs_something(self) -> Self:
        if not (self.vcpu or self.memory_mib or self.gpus):
            refuse("vcpu", "0, and neither memory_mib nor gpus", "one of them above 0")
        return self


def to_demands(records: Iterable[Mapping[str, Any]]) -> list[Demand]:
    """Demands keyed d0, d1, ... by their shapes; `InvalidInput` names every wrong row and field.

    Rows are numbered from 1, without the header.
    """
    counts: dict[Demand, int] = {}
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
        demand = one_of(line)
        counts[demand] = counts.get(demand, 0) + line.count
    if problems:
        raise InvalidInput(problems)
    return [
        replace(demand, key=f"d{i}", count=counts[demand])
        for i, demand in enumerate(sorted(counts, key=order))
    ]


def present(value: object) -> bool:
    return (
        value is not None and value != "" and not (isinstance(value, float) and math.isnan(value))
    )


def one_of(line: Line) -> Demand:
    """A task of the line's; what has no key yet is equal where the shapes and constraints are."""
    return Demand(
        key="",
        shape=Resources(line.vcpu, math.ceil(line.memory_mib), line.gpus),
        count=1,
        rank=line.rank,
        runtime_s=line.runtime_s,
        gpu_model=line.gpu_model.upper() if line.gpu_model else None,
        gpu_memory_mib=math.ceil(line.gpu_memory_mib) if line.gpu_memory_mib else None,
        arch=line.arch,
        spot_ok=line.spot_ok,
        max_per_instance=line.max_per_instance,
        licence=line.licence,
    )


def order(demand: Demand) -> list[tuple[bool, Any]]:
    """By size, then by all else: a total order."""
    parts = (
        demand.shape,
        demand.gpu_model,
        demand.gpu_memory_mib,
        demand.arch,
        demand.runtime_s,
        demand.rank,
        demand.spot_ok,
        demand.max_per_instance,
        demand.licence,
    )
    return [(part is not None, part) for part in parts]
