"""A sweep: many tasks from one template, given as the axes of a grid or as a table with a row a
task.

A grid is never spelt out: task i's parameters are computed from its index, the last axis turning
fastest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Self

from pydantic import Field, model_validator

from headgate.job import MAX_SWEEP_SIZE, Job, Scalar
from headgate.validation import refuse
from headgate.value import Value

#: Of one axis. The axes go as JSON of a MiB at most, and a value takes two bytes at least.
MAX_AXIS_VALUES = 500_000


class Grid(Value):
    """The cartesian product of named axes."""

    axes: dict[str, tuple[Scalar, ...]] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_a_size(self) -> Self:
        for name, values in self.axes.items():
            if not values:
                refuse(f"axes.{name}", [], "at least one value")
            for at, value in enumerate(values):
                if isinstance(value, float) and not math.isfinite(value):
                    refuse(f"axes.{name}.{at}", value, "a finite number")
        if self.size > MAX_SWEEP_SIZE:
            refuse("axes", f"{self.size:,} tasks", f"at most {MAX_SWEEP_SIZE:,} tasks")
        return self

    @property
    def size(self) -> int:
        return math.prod(len(values) for values in self.axes.values())

    def task(self, index: int) -> dict[str, Scalar]:
        """The parameters of task `index` (0 <= index < size)."""
        picked: dict[str, Scalar] = {}
        left = index
        for name, values in reversed(self.axes.items()):
            left, place = divmod(left, len(values))
            picked[name] = values[place]
        if left:  # -1 too: of what is negative
            raise IndexError(f"task {index} of a sweep of {self.size}")
        return dict(reversed(picked.items()))

    def tasks(self) -> Iterator[dict[str, Scalar]]:
        return (self.task(index) for index in range(self.size))


class Sweep(Value):
    """What `POST /sweeps` takes. One of: `grid`; `size` alone (tasks told apart by their index).

    A table is streamed beside the template instead (docs/reference/api.md).
    """

    job: Job
    grid: Grid | None = None
    size: int | None = Field(default=None, ge=1, le=MAX_SWEEP_SIZE)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.grid is None) == (self.size is None):
            refuse("grid", "both" if self.grid else "neither", "either a grid or a size")
        known = set(self.job.parameters) | set(self.grid.axes if self.grid else ())
        check_placeholders(self.job, known)
        return self

    @property
    def tasks(self) -> int:
        return self.grid.size if self.grid else (self.size or 0)


def check_placeholders(job: Job, known: set[str]) -> None:
    """Refuse a template whose `Ref::name` names no parameter of the sweep."""
    unknown = sorted(job.placeholders() - known)
    if unknown:
        have = ", ".join(sorted(known)) or "none, the sweep has no parameters"
        refuse("job.command", f"Ref::{unknown[0]}", f"a parameter of this sweep: {have}")
