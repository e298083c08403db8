"""The demo's closing table: both rounds side by side, all of it measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from rich.table import Table

from headgate.tenancy import DEFAULT_TIERS
from queue_broker.demo.measure import Foretold, Measured
from queue_broker.demo.rounds import PRODUCTION

NOTE = (
    "A production job waits for a running task to end where that is foretold to be within its "
    "promise, and to stop another would lose more; else tasks of a sweep are stopped for it, and "
    "lose no attempt."
)


def table(idle_wait_s: Sequence[float], first: Measured, second: Measured) -> Table:
    """Round 1 begins with what people ask for, round 2 with what Headgate predicts."""
    drawn = Table(title="What was measured", title_justify="left", show_edge=False, pad_edge=False)
    drawn.caption, drawn.caption_justify = NOTE, "left"
    drawn.add_column("")
    drawn.add_column("round 1: untrained", justify="right")
    drawn.add_column("round 2: trained", justify="right")
    for words, left, right in rows(idle_wait_s, first, second):
        drawn.add_row(words, left, right)
    return drawn


Row = tuple[str, str, str]


def rows(idle_wait_s: Sequence[float], first: Measured, second: Measured) -> list[Row]:
    both = (first, second)
    return [
        row("tasks (failed)", [f"{m.tasks} ({m.failed})" for m in both]),
        row("wall time", [f"{m.wall_s:.0f} s" for m in both]),
        row("tasks at once, mean (most)", [at_once(m) for m in both]),
        row("estimated by", [sources(m) for m in both]),
        row("memory a task: asked", [f"{m.asked_mib:,.0f} MiB" for m in both]),
        row("               given", [f"{m.given_mib:,.0f} MiB" for m in both]),
        row("               used", [f"{m.used_mib:,.0f} MiB" for m in both]),
        row("memory x time: given", [f"{m.given_gib_h:.3f} GiB h" for m in both]),
        row("               used", [f"{m.used_gib_h:.3f} GiB h" for m in both]),
        row("kills for memory (retried well)", [kills(m) for m in both]),
        row("predicted memory: median error", [error(m.memory) for m in both]),
        row("          below its 95 % bound", [coverage(m.memory) for m in both]),
        row("predicted vCPU: median error", [error(m.vcpu) for m in both]),
        row("predicted runtime: median error", [error(m.runtime) for m in both]),
        row("          below its 95 % bound", [coverage(m.runtime) for m in both]),
        row("production wait (most)", [waits(m.production_wait_s) for m in both]),
        row("       on the idle machine", [waits(idle_wait_s)] * 2),
        row("       as promised, at most", [f"{promise_s():.0f} s"] * 2),
        row("tasks stopped for it", [str(m.stopped) for m in both]),
    ]


def row(words: str, values: Sequence[str]) -> Row:
    return words, values[0], values[1]


def at_once(measured: Measured) -> str:
    return f"{measured.at_once_mean:.1f} ({measured.at_once_most})"


def kills(measured: Measured) -> str:
    return f"{measured.memory_kills} ({measured.retried_well})"


def sources(measured: Measured) -> str:
    """The most frequent first."""
    found = sorted(measured.sources.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(source for source, _ in found)


def promise_s() -> float:
    """The wait that production is promised; the demo's broker runs with the default tiers."""
    return next(tier.promise_s for tier in DEFAULT_TIERS if tier.name == PRODUCTION)


def error(foretold: Foretold) -> str:
    return "-" if foretold.median_error is None else f"{foretold.median_error:.0%}"


def coverage(foretold: Foretold) -> str:
    return "-" if foretold.coverage is None else f"{foretold.coverage:.0%}"


def waits(seconds: Sequence[float]) -> str:
    """Median and most."""
    if not seconds:
        return "-"
    return f"{statistics.median(seconds):.1f} s ({max(seconds):.1f} s)"
