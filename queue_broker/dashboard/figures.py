"""The figures as plain data: columns of rounded numbers, without a word on how they are drawn."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from queue_broker.core.scoreboard import TARGETS, Point, Scoreboard

#: Smaller values are drawn here on a logarithmic axis.
LEAST = 1e-3


@dataclass(frozen=True, slots=True)
class Words:
    """How a target is shown: its name, its unit, and how many of the target's own make one."""

    name: str
    unit: str
    divisor: float = 1.0


WORDS = {
    "memory_mib": Words("Memory", "GiB", 1024.0),
    "vcpu": Words("Cores kept busy", "vCPU"),
    "runtime_s": Words("Runtime", "s"),
    "gpu_memory_mib": Words("GPU memory", "GiB", 1024.0),
}


def figures(board: Scoreboard) -> dict[str, Any]:
    """Every figure that has data, by name."""
    drawn = {
        target: scatter(board.points(target), WORDS[target])
        for target in TARGETS
        if board.points(target)
    }
    moments = board.timeline.cumulative()
    return drawn | ({"waste": waste(moments)} if moments else {})


def scatter(points: Sequence[Point], words: Words) -> dict[str, Any]:
    """Columns by source; the family of a point is a place in `families`, since few names repeat."""
    families: dict[str, int] = {}
    by_source: dict[str, dict[str, list[Any]]] = defaultdict(
        lambda: {"predicted": [], "actual": [], "family": []}
    )
    for point in points:
        columns = by_source[point.source]
        columns["predicted"].append(short(point.predicted / words.divisor))
        columns["actual"].append(short(point.actual / words.divisor))
        columns["family"].append(families.setdefault(point.family, len(families)))
    values = [x / words.divisor for point in points for x in (point.predicted, point.actual)]
    return {
        "unit": words.unit,
        "line": limits(values),
        "families": list(families),
        "points": dict(by_source),
    }


def limits(values: Iterable[float]) -> tuple[float, float]:
    """Axis limits with room around the values: 1-2-5 steps, so that they seldom move."""
    positive = [max(value, LEAST) for value in values]
    return step(min(positive) / 1.1, math.floor), step(max(positive) * 1.1, math.ceil)


def step(value: float, rounding: Any) -> float:
    """The next of 1, 2, 5, 10, ... at or beyond a positive value."""
    steps = (1, 2, 5)
    decade = math.floor(math.log10(value))
    ladder = [s * 10.0**d for d in (decade, decade + 1) for s in steps]
    if rounding is math.floor:
        return max(rung for rung in ladder if rung <= value * (1 + 1e-12))
    return min(rung for rung in ladder if rung >= value * (1 - 1e-12))


def waste(moments: Sequence[Any]) -> dict[str, Any]:
    names = ("asked", "given", "used")
    columns = {name: [short(getattr(moment, name)) for moment in moments] for name in names}
    return {"at_s": [round(moment.at_s, 1) for moment in moments]} | columns


def short(value: float) -> float:
    """Four significant digits: what a screen can show, and half the bytes."""
    return float(f"{value:.4g}")
