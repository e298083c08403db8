"""How large a task's kin were beside the middles of their families, for a family's own fits.

A middle moves while a batch ends, its short tasks first. So a window measures its attempts, and the
tasks that it is asked about, by the same middles: those of the kin that its own attempts had.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np

from predictor.risk import Vector

V = TypeVar("V", float, Vector)

#: How the log of what the latest kin of one family needed is named, see `raw_name`.
RAW, APART = "kinlog.", "\x1f"
#: So many attempts must have had kin of a family for their middle to be one.
ENOUGH = 3


@dataclass(frozen=True, slots=True)
class Yardstick:
    """The log middles of the kin that some attempts had, by the name of the raw number."""

    target: str
    middles: Mapping[str, float]

    @classmethod
    def of(cls, target: str, columns: Mapping[str, Vector]) -> Self:
        """By the attempts of a window, NaN where one had no such kin."""
        kept = {name: logs for name, logs in columns.items() if np.isfinite(logs).sum() >= ENOUGH}
        return cls(target, {name: float(np.nanmedian(logs)) for name, logs in kept.items()})

    def ratios(self, inputs: Mapping[str, Vector], size: int) -> Vector:
        """One for each task, NaN where none of its kin is known."""
        own, usual, count = np.zeros(size), np.zeros(size), np.zeros(size)
        for name, middle in self.middles.items():
            if name in inputs:
                logs = inputs[name]
                there = np.isfinite(logs)
                count += there
                own += np.where(there, summand(self.target, logs), 0.0)
                usual += np.where(there, summand(self.target, middle), 0.0)
        known = count > 0
        found = np.full(size, np.nan)
        found[known] = ratio(self.target, own[known], usual[known], count[known])
        return found


def yardsticks(raw: Mapping[str, Vector]) -> dict[str, Yardstick]:
    """A yardstick for each derived input of the raw columns."""
    groups: dict[str, dict[str, Vector]] = {}
    for name, logs in raw.items():
        groups.setdefault(derived(name), {})[name] = logs
    return {name: Yardstick.of(name.split(".")[1], columns) for name, columns in groups.items()}


def summand(target: str, log: V) -> V:
    """What is summed over kin. Runtimes add up, and count by their length: of a task of a second
    hardly more than its start is seen. Of memory it is the log.
    """
    return np.exp(log) if target == "runtime_s" else log


def ratio(target: str, own: V, usual: V, count: V | int) -> V:
    """What kin needed beside what is usual, from the sums over `count` of them; of memory the mean
    ratio, in log.
    """
    return own / usual if target == "runtime_s" else np.exp((own - usual) / count)


def raw_name(target: str, name: str, family: str) -> str:
    """The number that has what the latest kin of a family, by the word called `name`, needed."""
    return f"{RAW}{target}.{name}{APART}{family}"


def derived(raw: str) -> str:
    """The ratio that a raw number is a part of: `kin.<target>.<word's name>`."""
    return "kin." + raw.removeprefix(RAW).partition(APART)[0]
