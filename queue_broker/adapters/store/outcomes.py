"""Ended attempts, many to a row: compressed columns of JSON, equal values kept once."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from headgate.lifecycle import Cause
from headgate.usage import Meter, Usage
from queue_broker.events import Ended

#: Below this, compressing costs more than it saves.
SMALL_BYTES = 256
PLAIN, DEFLATED = b"j", b"z"
USAGE = ("runtime_s", "peak_memory_mib", "cpu_s", "gpu_memory_mib", "gpu_utilisation", "meter")
#: By value: an enumeration's own look-up takes five times as long, and every attempt is looked at.
METERS, CAUSES = {one.value: one for one in Meter}, {one.value: one for one in Cause}
END = ("at_s", "cause", "exit_code", "reason", "started_at_s")


def pack(values: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows of one form as bytes; `unpack` gives them back in the same order."""
    columns = {name: [row[name] for row in values] for name in values[0]}
    return pack_columns(columns)


def pack_columns(columns: Mapping[str, list[Any]]) -> bytes:
    packed: dict[str, Any] = {}
    for name, column in columns.items():
        first = column[0]
        same = all(value is first or value == first for value in column)
        packed[name] = {"all": first} if same else column
    text = json.dumps(packed, separators=(",", ":")).encode()
    return PLAIN + text if len(text) < SMALL_BYTES else DEFLATED + zlib.compress(text, 1)


def unpack(data: bytes, size: int) -> dict[str, list[Any]]:
    """The columns, each with `size` values."""
    body = zlib.decompress(data[1:]) if data[:1] == DEFLATED else data[1:]
    columns = json.loads(body)
    return {
        name: [kept["all"]] * size if isinstance(kept, dict) else kept
        for name, kept in columns.items()
    }


def pack_ended(ended: Sequence[tuple[Ended, str | None]]) -> bytes:
    """Ended attempts in the order of their tasks, each with the words that its verdict gave."""
    columns: dict[str, list[Any]] = {
        "at_s": [event.at_s for event, _ in ended],
        "cause": [event.cause.value for event, _ in ended],
        "exit_code": [event.exit_code for event, _ in ended],
        "reason": [reason for _, reason in ended],
        "started_at_s": [event.started_at_s for event, _ in ended],
    }
    usages = [event.usage for event, _ in ended]
    for name in USAGE:
        columns[name] = [None if usage is None else getattr(usage, name) for usage in usages]
    return pack_columns(columns)


def ended_at(columns: Mapping[str, list[Any]], place: int) -> dict[str, Any]:
    """One attempt's end: `at_s`, `cause`, `exit_code`, `reason`, `started_at_s`, `usage`."""
    row = {name: columns[name][place] for name in END}
    used = {name: columns[name][place] for name in USAGE}
    usage = None
    if used["runtime_s"] is not None:
        usage = Usage(**used | {"meter": METERS[used["meter"]]})
    return row | {"cause": CAUSES[row["cause"]], "usage": usage}
