"""What became of a replayed trace: the account of every attempt, and the figures drawn from it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from headgate.lifecycle import Cause
from headgate.resources import Resources
from queue_broker.adapters.engines.simulated.fleet import Run
from queue_broker.simulation.trace import Floats, Ints, Trace


@dataclass(slots=True)
class Account:
    """Filled while a replay runs; one row for each attempt that ran."""

    tasks: int
    first_start_s: list[float] = field(init=False)
    done_s: list[float] = field(init=False)
    task: list[int] = field(default_factory=list)
    start_s: list[float] = field(default_factory=list)
    end_s: list[float] = field(default_factory=list)
    useful: list[bool] = field(default_factory=list)
    killed: int = 0
    interrupted: int = 0

    def __post_init__(self) -> None:
        self.first_start_s = [-1.0] * self.tasks
        self.done_s = [-1.0] * self.tasks

    def take(self, started: Sequence[Run], ended: Sequence[Run], epoch_s: float = 0.0) -> None:
        """What has happened meanwhile; the fleet's clock was at `epoch_s` when the trace began."""
        first_s = self.first_start_s
        for run in started:
            if first_s[run.fate.row] < 0:
                first_s[run.fate.row] = run.start_s - epoch_s
        tried = [run for run in ended if run.started]  # else it is no attempt
        self.task.extend([run.fate.row for run in tried])
        self.start_s.extend([run.start_s - epoch_s for run in tried])
        self.end_s.extend([run.end_s - epoch_s for run in tried])
        self.useful.extend([run.cause is Cause.EXITED for run in tried])
        for run in tried:
            if run.cause is Cause.EXITED:
                self.done_s[run.fate.row] = run.end_s - epoch_s
            elif run.cause is Cause.OUT_OF_MEMORY:
                self.killed += 1
            else:
                self.interrupted += 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished replay. Times are seconds; waits are from submission to the first start."""

    policy: str
    trace: Trace
    total: Resources
    account: Account
    cost_usd: float
    passes: int = 0
    calls: int = 0
    seconds: float = 0.0

    @property
    def wait_s(self) -> Floats:
        """NaN for what never started."""
        first = np.array(self.account.first_start_s)
        return np.where(first < 0, np.nan, first - self.trace.submit_s)

    @property
    def done_s(self) -> Floats:
        done = np.array(self.account.done_s)
        return np.where(done < 0, np.nan, done)

    def of_tier(self, tier: str) -> npt.NDArray[np.bool_]:
        chosen: npt.NDArray[np.bool_] = self.trace.tier == tier
        return chosen

    def wait_quantile_s(self, rows: npt.NDArray[np.bool_], quantile: float) -> float:
        """A task that never started waited for ever."""
        waits = np.nan_to_num(self.wait_s[rows], nan=np.inf)
        return float(np.quantile(waits, quantile, method="higher")) if len(waits) else 0.0

    def makespan_s(self, rows: npt.NDArray[np.bool_]) -> float:
        """From the first submission to the last end."""
        if not rows.any():
            return 0.0
        done = np.nan_to_num(self.done_s[rows], nan=np.inf)
        return float(done.max() - self.trace.submit_s[rows].min())

    def use(self, first_s: float, last_s: float) -> float:
        """What the useful attempts held between two moments of the resource that the trace needs
        most, as a share of what the fleet has of it.
        """
        account = self.account
        start, end = np.array(account.start_s), np.array(account.end_s)
        inside = np.clip(np.minimum(end, last_s) - np.maximum(start, first_s), 0.0, None)
        useful = np.array(account.useful)
        return float((inside * self.held)[useful].sum() / (last_s - first_s))

    @property
    def held(self) -> Floats:
        """The share of the fleet that each attempt held of the resource the trace needs most."""
        shares = self.trace.shares(self.total)[self.trace.scarcest(self.total)]
        return np.asarray(shares[np.array(self.account.task, dtype=np.int64)])

    def shares(self, groups: Ints, count: int, edges: Floats) -> Floats:
        """The dominant share that each of `count` groups held on the average, by window.

        `groups` has each task's group; the answer is windows x groups.
        """
        account = self.account
        task = np.array(account.task, dtype=np.int64)
        start, end = np.array(account.start_s), np.array(account.end_s)
        held = np.zeros((3, len(edges) - 1, count))
        parts = self.trace.shares(self.total)
        for w, (first, last) in enumerate(itertools.pairwise(edges)):
            inside = np.clip(np.minimum(end, last) - np.maximum(start, first), 0.0, None)
            for p, part in enumerate(parts):
                np.add.at(held[p, w], groups[task], inside * part[task] / (last - first))
        most: Floats = held.max(axis=0)
        return most

    def summary(self, tiers: Sequence[str]) -> dict[str, float]:
        """The figures of a table: waits by tier, use, money."""
        everything = np.ones(len(self.trace), dtype=bool)
        figures: dict[str, float] = {}
        for tier in tiers:
            rows = self.of_tier(tier)
            if rows.any():
                figures[f"{tier}_wait_p50_s"] = self.wait_quantile_s(rows, 0.5)
                figures[f"{tier}_wait_p99_s"] = self.wait_quantile_s(rows, 0.99)
                figures[f"{tier}_makespan_s"] = self.makespan_s(rows)
        first = float(self.trace.submit_s.min())
        figures["makespan_s"] = self.makespan_s(everything)
        figures["use"] = self.use(first, first + max(figures["makespan_s"], 1.0))
        figures["usd"] = self.cost_usd
        figures["killed_for_memory"] = float(self.account.killed)
        figures["interrupted"] = float(self.account.interrupted)
        return figures
