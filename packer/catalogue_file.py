"""The catalogue as a file: one EC2 type a line, with its nominal size and prices.

The file that comes with the package lists us-east-1; `headgate catalogue refresh` writes another.
Comment lines (#) say where the facts are from, and of what day.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from headgate.errors import InvalidInput, Problem
from headgate.resources import Resources
from headgate.validation import parse
from packer.catalogue import InstanceType

#: What the ECS agent keeps for itself on AWS Batch's machine images, in MiB.
ECS_AGENT_MIB = 32


class Row(BaseModel):
    """A type as EC2 lists it; memory is nominal, and `gpu_memory_mib` that of one GPU."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$")
    vcpu: int = Field(gt=0)
    memory_mib: int = Field(gt=0)
    gpus: int = Field(default=0, ge=0)
    gpu_model: str | None = None
    gpu_memory_mib: int = Field(default=0, ge=0)
    arch: Literal["x86_64", "arm64"]
    hypervisor: Literal["nitro", "xen"] | None = None
    on_demand_usd_hour: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    spot_usd_hour: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    interruption_per_hour: float = Field(default=0.0, ge=0, allow_inf_nan=False)


def allocatable_mib(row: Row) -> int:
    """What tasks may have of the nominal memory: less firmware and kernel, less the ECS agent.

    A straight line over what is published. Xen: 2.1 % + 40 MiB (an m4.large shows 7,985 of 8,192
    MiB in AWS Batch's guide, a t3.micro 957 of 1,024). Nitro: 3 % + 200 MiB (fleets report 1.7 to
    5.3 %, small types most). Where that is too much, an instance starts some MiB emptier than it
    could be; where too little, Batch starts a larger one: the size that ECS registers, once seen,
    should take its place.
    """
    share, base = (0.021, 40) if row.hypervisor == "xen" else (0.03, 200)
    return math.floor(row.memory_mib * (1 - share)) - base - ECS_AGENT_MIB


def read_rows(text: str) -> list[Row]:
    """The rows of a catalogue file; `InvalidInput` names the line and the field."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rows, problems = [], []
    for number, fields in enumerate(csv.DictReader(lines), start=2):
        try:
            rows.append(parse(Row, {key: value for key, value in fields.items() if value != ""}))
        except InvalidInput as error:
            problems += [
                Problem(f"line {number}.{found.field}", found.got, found.allowed)
                for found in error.problems
            ]
    if problems:
        raise InvalidInput(problems)
    return rows


def write_rows(rows: Iterable[Row], source: str) -> str:
    """A catalogue file's text; `source` says where the facts are from, and of what day."""
    names = list(Row.model_fields)
    lines = [f"# {line}" for line in source.splitlines()] + [",".join(names)]
    for row in sorted(rows, key=lambda row: row.name):
        values = (getattr(row, name) for name in names)
        lines.append(",".join("" if value is None else f"{value}" for value in values))
    return "\n".join(lines) + "\n"


def to_types(rows: Iterable[Row]) -> tuple[InstanceType, ...]:
    """Each row on demand, and on the Spot market where it has a price there; by key."""
    return tuple(
        sorted((kind for row in rows for kind in variants(row)), key=lambda kind: kind.key)
    )


def variants(row: Row) -> Iterator[InstanceType]:
    capacity = Resources(float(row.vcpu), allocatable_mib(row), row.gpus)
    if capacity.memory_mib <= 0:
        return
    on_demand = InstanceType(
        name=row.name,
        capacity=capacity,
        price_usd_hour=row.on_demand_usd_hour,
        arch=row.arch,
        gpu_model=row.gpu_model,
        gpu_memory_mib=row.gpu_memory_mib,
    )
    yield on_demand
    if row.spot_usd_hour is not None:
        yield on_demand.on_spot(row.spot_usd_hour, row.interruption_per_hour)


def built_in() -> str:
    """The text of the catalogue file that comes with the package."""
    return (files("packer") / "data" / "ec2_us_east_1.csv").read_text(encoding="utf-8")
