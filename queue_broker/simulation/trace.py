"""Traces of arrivals: read from CSV or Parquet, checked, and held as arrays.

Columns: submit_time_s, duration_s, user; optional tenant, tier, vcpu, memory_mib (as requested),
gpus, memory_used_mib, vcpu_used, queue, priority_class. Other columns are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from headgate.errors import InvalidInput
from headgate.resources import Resources

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.object_]

READERS: Mapping[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": pd.read_csv,
    ".parquet": pd.read_parquet,
}
REQUIRED = ("submit_time_s", "duration_s", "user")
#: What a trace that does not say so is taken to ask for.
DEFAULT_VCPU = 1.0
DEFAULT_MEMORY_MIB = 2048


@dataclass(frozen=True, slots=True)
class Trace:
    """N tasks in the order of their submission. `size` tasks of one sweep share a `job` number."""

    submit_s: Floats
    runtime_s: Floats
    tenant: Words
    tier: Words
    vcpu: Floats
    memory_mib: Ints
    gpus: Ints
    memory_used_mib: Ints
    queue: Words
    priority: Ints
    job: Ints
    vcpu_used: Floats  #: cores kept busy on the average

    def __len__(self) -> int:
        return len(self.submit_s)

    @property
    def work_vcpu_s(self) -> float:
        return float(self.runtime_s @ self.vcpu)

    def shares(self, total: Resources) -> Floats:
        """How much of `total` each task asks for: one row each for vCPUs, memory and GPUs."""
        asked = (self.vcpu, self.memory_mib, self.gpus)
        there = (total.vcpu, total.memory_mib, total.gpus)
        return np.stack([mine / (all_ or 1) for mine, all_ in zip(asked, there, strict=True)])

    def scarcest(self, total: Resources) -> int:
        """The row of `shares` that the work of all tasks weighs the most on."""
        return int(np.argmax(self.shares(total) @ self.runtime_s))

    def head(self, tasks: int) -> Trace:
        return self.take(np.arange(min(tasks, len(self))))

    def between(self, first_s: float, last_s: float) -> Trace:
        """The tasks that were submitted in [first_s, last_s)."""
        return self.take(np.flatnonzero((self.submit_s >= first_s) & (self.submit_s < last_s)))

    def take(self, rows: Ints) -> Trace:
        return Trace(*(getattr(self, name)[rows] for name in self.__slots__))

    def with_tier(self, rows: npt.NDArray[np.bool_], tier: str) -> Trace:
        """The same tasks, those of `rows` in another tier."""
        columns = {name: getattr(self, name) for name in self.__slots__}
        columns["tier"] = np.where(rows, tier, self.tier)
        return Trace(**columns)

    def merged(self, other: Trace) -> Trace:
        """Both, in the order of submission; the other's jobs keep apart from these."""
        shift = int(self.job.max(initial=-1)) + 1
        columns = {
            name: np.concatenate([getattr(self, name), getattr(other, name)])
            for name in self.__slots__
        }
        columns["job"] = np.concatenate([self.job, other.job + shift])
        order = np.argsort(columns["submit_s"], kind="stable")
        return Trace(**{name: column[order] for name, column in columns.items()})


def read_trace(path: Path, default_tier: str = "interactive") -> Trace:
    """A trace from a file; `InvalidInput` names the column and the row that are wrong."""
    if not path.is_file():
        raise InvalidInput.of("trace", str(path), "a CSV or Parquet file that exists")
    if path.suffix not in READERS:
        raise InvalidInput.of("trace", str(path), "a file named *.csv or *.parquet")
    try:
        frame = READERS[path.suffix](path)
    except (OSError, ValueError) as error:  # pandas' and pyarrow's own are ValueErrors
        allowed = f"a CSV or Parquet file that can be read ({error})"
        raise InvalidInput.of("trace", str(path), allowed) from error
    return to_trace(frame, default_tier)


def to_trace(frame: pd.DataFrame, default_tier: str = "interactive") -> Trace:
    """A checked trace from a table."""
    for column in REQUIRED:
        if column not in frame.columns:
            raise InvalidInput.of("trace", list(frame.columns), f"columns with {column}")
    if frame.empty:
        raise InvalidInput.of("trace", "no rows", "one task at the least")
    rows = len(frame)
    submit_s = numbers(frame, "submit_time_s", 0.0)
    late = np.flatnonzero(np.diff(submit_s) < 0)
    if len(late):
        row = int(late[0]) + 1
        raise InvalidInput.of(
            f"submit_time_s[{row}]", float(submit_s[row]), "times in ascending order"
        )
    memory_mib = numbers(frame, "memory_mib", DEFAULT_MEMORY_MIB, least=1).astype(np.int64)
    used = numbers(frame, "memory_used_mib", None) if "memory_used_mib" in frame else memory_mib
    user = words(frame, "user", "user")
    vcpu = numbers(frame, "vcpu", DEFAULT_VCPU, least=1e-3)
    return Trace(
        submit_s=submit_s,
        runtime_s=numbers(frame, "duration_s", 0.0),
        tenant=tenants(frame, user),
        tier=words(frame, "tier", default_tier),
        vcpu=vcpu,
        memory_mib=memory_mib,
        gpus=numbers(frame, "gpus", 0).astype(np.int64),
        memory_used_mib=np.asarray(used).astype(np.int64),
        queue=words(frame, "queue", "default"),
        priority=numbers(frame, "priority_class", 0).astype(np.int64),
        job=np.arange(rows, dtype=np.int64),
        vcpu_used=numbers(frame, "vcpu_used", 0.0) if "vcpu_used" in frame else vcpu,
    )


def tenants(frame: pd.DataFrame, user: Words) -> Words:
    """`organisation/user`; a user without an organisation stands alone."""
    for column in ("tenant", "vo_group"):
        if column in frame.columns:
            above = words(frame, column, "")
            return np.array(
                [f"{org}/{who}" if org else who for org, who in zip(above, user, strict=True)],
                dtype=object,
            )
    return user


def numbers(frame: pd.DataFrame, column: str, default: float | None, least: float = 0.0) -> Floats:
    """A column of finite numbers, `least` at the least."""
    if column not in frame.columns:
        return np.full(len(frame), default, dtype=float)
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=float)
    wrong = np.flatnonzero(~np.isfinite(values) | (values < least))
    if len(wrong):
        row = int(wrong[0])
        allowed = f"finite numbers, {least:g} or more"
        got = frame[column].iloc[[row]].tolist()[0]  # a number of Python's, not numpy's
        raise InvalidInput.of(f"{column}[{row}]", got, allowed)
    return values


def words(frame: pd.DataFrame, column: str, default: str) -> Words:
    if column not in frame.columns:
        return np.full(len(frame), default, dtype=object)
    return frame[column].fillna(default).astype(str).to_numpy(dtype=object)
