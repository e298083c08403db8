"""The usage shim around a container's command, and what it reported, read back from the log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from headgate.usage import Meter, Usage
from queue_broker.adapters.engines.ecs_stats import figures
from queue_broker.records import Tasks

SHIM = Path(__file__).with_name("shim.sh")
#: Where the shim finds which tasks an array's children are.
TASKS_VARIABLE = "HEADGATE_TASKS"
#: Where it finds what Batch itself would tell of the whole: an array's size, the attempt.
SIZE_VARIABLE, ATTEMPT_VARIABLE = "HEADGATE_ARRAY_SIZE", "HEADGATE_ATTEMPT"
#: Of the shim's own lines; no `#` with a blank before and behind is anything else there.
COMMENT = re.compile(r"(^|\s)# .*")
#: The line break before a report is the shim's own.
REPORT = re.compile(r"\n?^HEADGATE_USAGE (\{.*\})\r?$\n?", re.MULTILINE)
MIB = 1 << 20


@cache
def script() -> str:
    """The shim without its comments: AWS Batch takes 8,192 characters of overrides in all."""
    lines = (COMMENT.sub("", line) for line in SHIM.read_text(encoding="ascii").splitlines())
    return "\n".join(line.strip() for line in lines if line.strip())


def wrap(command: Sequence[str]) -> tuple[str, ...]:
    """A container command that runs `command` under the shim; no quoting, no change of image."""
    return ("/bin/sh", "-c", script(), "headgate", *command)


def show_tasks(tasks: Tasks) -> str:
    """Task indexes as `TASKS_VARIABLE` holds them, neighbours together: 0-4,9."""
    indexes = list(tasks)
    if not indexes:
        return ""
    gaps = [(low, high) for low, high in pairwise(indexes) if high > low + 1]
    firsts = [indexes[0], *(high for _, high in gaps)]
    lasts = [*(low for low, _ in gaps), indexes[-1]]
    return ",".join(
        str(first) if first == last else f"{first}-{last}"
        for first, last in zip(firsts, lasts, strict=True)
    )


@dataclass(frozen=True, slots=True)
class Report:
    """What the shim said at the end of a container. None: not known."""

    exit_code: int | None = None
    needed_bytes: int | None = None
    peak_bytes: int | None = None
    cache_bytes: int | None = None
    shared_bytes: int | None = None
    oom_kills: int | None = None
    cpu_us: int | None = None
    cpu_ns: int | None = None
    gpu_mib: int | None = None
    gpu_busy: int | None = None
    gpu_looks: int | None = None

    def usage(self, runtime_s: float) -> Usage:
        looks, needed_bytes = self.gpu_looks or 0, self._needed_bytes()
        return Usage(
            runtime_s=runtime_s,
            peak_memory_mib=None if needed_bytes is None else needed_bytes / MIB,
            cpu_s=self._cpu_s(),
            gpu_memory_mib=float(self.gpu_mib or 0) if looks else None,
            gpu_utilisation=(self.gpu_busy or 0) / looks / 100 if looks else None,
            meter=Meter.NONE if needed_bytes is None else Meter.CGROUP,
        )

    def _cpu_s(self) -> float | None:
        if self.cpu_us is not None:
            return self.cpu_us / 1e6
        return None if self.cpu_ns is None else self.cpu_ns / 1e9

    def _needed_bytes(self) -> int | None:
        """As it was watched; else, as ECS knows it, the peak less the file cache at the end."""
        if self.needed_bytes or self.peak_bytes is None:
            return self.needed_bytes or None
        cache_bytes = max(0, (self.cache_bytes or 0) - (self.shared_bytes or 0))
        return max(0, self.peak_bytes - cache_bytes)


def take_report(log: str) -> tuple[str, Report | None]:
    """The log as the command wrote it, and the shim's report where there is one.

    A command may print such a line too: the last word on each figure is the shim's, which prints
    after the command's end.
    """
    found = [report for match in REPORT.finditer(log) if (report := read(match.group(1)))]
    if not found:
        return log, None
    merged = {name: value for report in found for name, value in report.items()}
    return REPORT.sub("", log), Report(**merged)


def read(text: str) -> dict[str, int] | None:
    """The known whole numbers of a report; None when it is no report."""
    try:
        told: dict[str, Any] = json.loads(text)
    except ValueError:
        return None
    stats = told.get("ecs")
    return dict(_known(told.items())) | (figures(stats) if isinstance(stats, dict) else {})


def _known(items: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, int]]:
    names = Report.__dataclass_fields__
    return ((name, value) for name, value in items if name in names and type(value) is int)
