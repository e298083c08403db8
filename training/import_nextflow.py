"""Nextflow's trace files: one row a task attempt, with units in the cells.

Both forms are read: the readable one ("1.5 GB", "2m 3s", "104.2%"; before 19.02 with the decimal
comma of the user's language) and the raw one of `trace.raw = true` (bytes, milliseconds).
Documented at https://www.nextflow.io/docs/latest/reports.html#trace-file. Its rchar is measured
after the run, so it is not taken for an input size: nobody would know it at submission.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain, repeat
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from headgate.errors import InvalidInput
from headgate.job import Job
from headgate.lifecycle import Cause
from headgate.resources import Resources
from headgate.usage import Meter, Observation, Usage
from headgate.validation import parse
from training.import_table import missing, number, whole
from training.imports import Dropped, Import, Row, read_rows, require

#: Either of NAMED will do: users choose the columns (`trace.fields`).
REQUIRED, NAMED = ("status", "realtime"), ("name", "process")
#: Columns that only a trace has: with a name and status, one of them makes a table one.
OWN = {"task_id", "hash", "native_id", "realtime"}
MIB = 2**20
BYTES = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40, "PB": 2**50}
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
PLAIN = re.compile(r"\d+(\.\d+)?")
SIZE = re.compile(r"(\d+(?:[.,]\d+)?)\s*([KMGTP]?B)", re.IGNORECASE)
SPAN = re.compile(r"(\d+(?:[.,]\d+)?)\s*(ms|s|m|h|d)\b")
#: What a task killed for its memory exits with: SIGKILL from the kernel, or from a scheduler.
KILLED = (137, 247)
NOT_RUN = ("ABORTED", "NEW", "SUBMITTED", "RUNNING")
#: Memory is looked at so often: of a task that ended sooner, it is that of the shell that began it.
WATCHED_S = 1.0
#: Rows that tell no time ended when the trace was written, in their order, so much one after the
#: other: they stay apart. `WRITTEN` is where a row keeps that.
APART_S, WRITTEN = 0.001, "written"


def is_trace(columns: Iterable[str]) -> bool:
    """Whether a table with these columns is a trace, complete or not."""
    names = set(columns)
    return "status" in names and not names.isdisjoint(NAMED) and not names.isdisjoint(OWN)


def from_trace(
    columns: Iterable[str], rows: Iterable[Row], zone: str = "UTC", ends_s: Iterable[float] = ()
) -> Iterator[Import]:
    """The observations of a trace whose cells are text, some rows at a time; `zone` is that of its
    times, `ends_s` when rows ended that tell no time.
    """
    have = set(columns)
    named = NAMED[1:] if have.isdisjoint(NAMED[:1]) and NAMED[1] in have else NAMED[:1]
    require(have, (*named, *REQUIRED), "Nextflow trace")
    where = time_zone(zone)
    ends = chain(({WRITTEN: at_s} for at_s in ends_s), repeat({}))
    told = (cells(row) | end for row, end in zip(rows, ends, strict=False))
    return read_rows(told, lambda row: read(row, where))


def cells(row: Row) -> dict[str, Any]:
    return {name: str(value).strip() for name, value in row.items() if told(value)}


def written(written_s: float, size: int) -> Iterator[float]:
    """When the rows of a trace that tells no times are taken to have ended."""
    return (written_s - APART_S * left for left in reversed(range(size)))


def time_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise InvalidInput.of("zone", name, "a time zone such as Europe/Berlin") from error


def told(value: object) -> bool:
    return not missing(value) and str(value).strip() not in ("", "-")


def read(row: Row, zone: ZoneInfo) -> Observation:
    """One attempt. An aborted one tells nothing; a cached one is told as it ran before."""
    status = str(row.get("status", "")).upper()
    if status in NOT_RUN:
        raise Dropped(f"status: {status}, so the task did not run to its end")
    exit_code = whole(row, "exit")
    limit = size_bytes(row, "memory")
    killed = status == "FAILED" and exit_code in KILLED
    if status == "FAILED" and not killed:
        raise Dropped(f"status: FAILED with exit code {exit_code}, so its use is not its need")
    runtime_s = span_s(row, "realtime")
    if not runtime_s:
        raise Dropped("realtime: nothing, or too short to have been measured")
    return Observation(
        job=parse(Job, fields(row)),
        usage=usage(row, runtime_s),
        cause=Cause.OUT_OF_MEMORY if killed else Cause.EXITED,
        exit_code=exit_code if killed else 0,
        attempt=whole(row, "attempt") or 1,
        finished_at_s=finished_at_s(row, zone),
        allocation=Resources(number(row, "cpus") or 0.0, int(limit / MIB), 0) if limit else None,
    )


def usage(row: Row, runtime_s: float) -> Usage:
    peak = size_bytes(row, "peak_rss") or size_bytes(row, "rss")
    watched = runtime_s > WATCHED_S
    told_share = {"%cpu": row["%cpu"].rstrip("%").replace(",", ".")} if "%cpu" in row else {}
    share = number(told_share, "%cpu")
    return Usage(
        runtime_s=runtime_s,
        peak_memory_mib=peak / MIB if peak and watched else None,
        cpu_s=share / 100 * runtime_s if share and share > 0 else None,
        meter=Meter.IMPORTED,
    )


def fields(row: Row) -> dict[str, Any]:
    """The job: its process names the step; the tag names what it works on."""
    named, _, label = str(row.get("name", "")).removesuffix(")").partition(" (")
    process = str(row.get("process") or named)
    # Nextflow numbers the tasks that have no tag.
    sample = str(row.get("tag") or ("" if label.isdigit() else label))
    limit, cpus = size_bytes(row, "memory"), number(row, "cpus")
    tags = {"nextflow.io/processName": process[-256:]}
    if sample:
        tags["sample"] = sample[:256]
    return {
        "name": re.sub(r"[^A-Za-z0-9_-]", "_", process).strip("_-")[:128],
        "command": ["nextflow", process],
        "image": row.get("container"),
        "tags": tags,
        "resources": {
            "memory_mib": max(1, round(limit / MIB)) if limit else None,
            "vcpu": cpus or None,
        },
    }


def size_bytes(row: Row, name: str) -> float | None:
    """ "1.5 GB", or plain bytes."""
    text = row.get(name)
    if text is None:
        return None
    if PLAIN.fullmatch(str(text)):
        return float(text)
    found = SIZE.fullmatch(str(text))
    if found is None:
        raise Dropped(f"{name}: got {text!r}; allowed: bytes, or a size such as 1.5 GB")
    return decimal(found[1]) * BYTES[found[2].upper()]


def span_s(row: Row, name: str) -> float | None:
    """ "2m 3s", or plain milliseconds."""
    text = row.get(name)
    if text is None:
        return None
    if PLAIN.fullmatch(str(text)):
        return float(text) / 1000
    parts = SPAN.findall(str(text))
    if not parts:
        raise Dropped(f"{name}: got {text!r}; allowed: milliseconds, or a span such as 2m 3s")
    return sum(decimal(value) * SECONDS[unit] for value, unit in parts)


def decimal(text: str) -> float:
    return float(text.replace(",", "."))


def finished_at_s(row: Row, zone: ZoneInfo) -> float:
    """When the attempt ended, as near as the row tells."""
    if "complete" in row:
        return time_s(row, "complete", zone)
    if "submit" in row and "duration" in row:
        return time_s(row, "submit", zone) + (span_s(row, "duration") or 0.0)
    for began in ("start", "submit"):
        if began in row:
            return time_s(row, began, zone) + (span_s(row, "realtime") or 0.0)
    if WRITTEN in row:
        return float(row[WRITTEN])
    raise Dropped("complete: nothing, and no submit or start either; when did it end?")


def time_s(row: Row, name: str, zone: ZoneInfo) -> float:
    text = str(row[name])
    if PLAIN.fullmatch(text):
        return float(text) / 1000
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()
    except ValueError:
        raise Dropped(f"{name}: got {text!r}; allowed: ms, or 2024-06-25 11:32:39.716") from None
