"""History one already has, as observations: checked row by row, nothing dropped without a reason.

Three sources: Headgate's own documented table (docs/reference/history.md), Nextflow's trace
files, and the answers of AWS Batch's DescribeJobs. All pure: files and services are read by the
caller.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pyarrow as pa

from headgate.errors import InvalidInput, Problem
from headgate.resources import Resources
from headgate.usage import Observation
from predictor.history import dump

#: Rows that are read before they are handed on: a million observations are 4 GiB.
AT_ONCE = 10_000
#: Rows beyond these are a mix-up of units, and would teach nonsense: 24 TiB, 90 days, 2 TiB of GPU
#: memory.
MAX_MEMORY_MIB = 24 * 1024 * 1024
MAX_RUNTIME_S = 90 * 86_400
MAX_VCPU, MAX_GPUS = 4096, 64
#: What the history keeps in 32 bits.
MAX_WHOLE = 2**31 - 1
MIN_TIME_S, MAX_TIME_S = 946_684_800.0, 4_102_444_800.0  # the years 2000 to 2100

#: Where a reader keeps the cells that a row has beyond the columns.
SURPLUS = "surplus"

#: What makes two rows of a history the same attempt; an import that is run twice adds nothing.
IDENTITY = (
    *("name", "finished_at_s", "attempt", "runtime_s"),
    *("command_json", "tags_json", "parameters_json", "task_parameters_json"),
)


class Dropped(Exception):
    """The row teaches nothing, for this reason."""


@dataclass(frozen=True, slots=True)
class Import:
    """What came in of some rows, and the number and reason of each that did not."""

    observations: list[Observation] = field(default_factory=list)
    dropped: list[tuple[int, str]] = field(default_factory=list)


Row = Mapping[str, Any]


def read_rows(rows: Iterable[Row], read: Callable[[Row], Observation]) -> Iterator[Import]:
    """The rows, counted from 1, as what they can be read as; some at a time."""
    numbered = enumerate(rows, 1)
    while some := list(islice(numbered, AT_ONCE)):
        yield read_some(some, read)


def read_some(numbered: Iterable[tuple[int, Row]], read: Callable[[Row], Observation]) -> Import:
    found = Import()
    for number, row in numbered:
        try:
            if SURPLUS in row:
                raise Dropped("more cells than columns; is the separator in one of them?")
            found.observations.append(checked(read(row)))
        except Dropped as reason:
            found.dropped.append((number, str(reason)))
        except InvalidInput as error:
            found.dropped.append((number, str(error).partition("\n")[0]))
    return found


def by_reason(dropped: Iterable[tuple[int, str]]) -> dict[str, list[int]]:
    """The rows that were dropped for each reason, the most frequent reason first."""
    rows: dict[str, list[int]] = {}
    for row, reason in dropped:
        rows.setdefault(reason, []).append(row)
    return dict(sorted(rows.items(), key=lambda pair: -len(pair[1])))


def checked(item: Observation) -> Observation:
    """The observation, if its labels can be true."""
    usage = item.usage
    limits = (
        ("runtime_s", usage.runtime_s, MAX_RUNTIME_S),
        ("peak_memory_mib", usage.peak_memory_mib, MAX_MEMORY_MIB),
        ("gpu_memory_mib", usage.gpu_memory_mib, MAX_MEMORY_MIB),
        ("cpu_s", usage.cpu_s, MAX_RUNTIME_S * 1024),
    )
    for name, value, most in limits:
        if value is not None and not 0 < value <= most:
            raise Dropped(f"{name}: not between 0 and {most:,.0f}; is its unit right?")
    check_given(item)
    if not MIN_TIME_S <= item.finished_at_s <= MAX_TIME_S:
        raise Dropped("finished_at_s: not between the years 2000 and 2100; is it in seconds?")
    if usage.peak_memory_mib is None and usage.cpu_s is None and not usage.runtime_s:
        raise Dropped("nothing was measured")
    return item


def check_given(item: Observation) -> None:
    """What is no label, and yet must fit the history's columns."""
    given = item.allocation or Resources()
    limits = (
        ("exit_code", item.exit_code or 0, -MAX_WHOLE, MAX_WHOLE),
        ("attempt", item.attempt, 1, MAX_WHOLE),
        ("allocation_vcpu", given.vcpu, 0, MAX_VCPU),
        ("allocation_memory_mib", given.memory_mib, 0, MAX_MEMORY_MIB),
        ("allocation_gpus", given.gpus, 0, MAX_GPUS),
    )
    for name, value, least, most in limits:
        if not least <= value <= most:
            raise Dropped(f"{name}: got {value:,}; allowed: {least:,} to {most:,}")


def unseen(rows: pa.Table, known: pa.Table) -> pa.Table:
    """The rows that are not known, each once."""
    seen = set(identities(known))
    fresh: list[int] = []
    for place, one in enumerate(identities(rows)):
        if one not in seen:
            seen.add(one)
            fresh.append(place)
    return rows.take(pa.array(fresh, pa.int64()))


def identities(rows: pa.Table) -> Iterator[Hashable]:
    """Whether a parameter was the job's or its task's makes no other attempt of it."""
    for *told, parameters, own in zip(*(rows[name].to_pylist() for name in IDENTITY), strict=True):
        yield *told, both(parameters, own) if own else parameters


def both(parameters: str | None, own: str) -> str | None:
    """A task's own parameters lie over its job's."""
    return dump(json.loads(parameters or "{}") | json.loads(own))


def require(columns: Iterable[str], needed: Iterable[str], what: str) -> None:
    """Refuse a table that lacks the columns without which no row can be read."""
    have = set(columns) - {SURPLUS}
    missing = [name for name in needed if name not in have]
    if missing:
        got = ", ".join(sorted(have)[:20]) or "no columns"
        raise InvalidInput(
            [Problem(name, f"a {what} with {got}", "this column") for name in missing]
        )
