"""Numbers as people read them. Every one of these is a filter of the templates."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from headgate.tenancy import Quota, Tenant

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
NOTHING = "–"


def count(number: float) -> str:
    """1,234 as it is; from a million on with two decimals."""
    return f"{number / 1e6:,.2f} M" if abs(number) >= 1e6 else f"{number:,.0f}"


def tasks(number: int) -> str:
    return f"{count(number)} {'task' if number == 1 else 'tasks'}"


def attempts(number: int) -> str:
    return f"{count(number)} {'attempt' if number == 1 else 'attempts'}"


def number(value: float | None) -> str:
    """Three significant digits, without an exponent."""
    if value is None:
        return NOTHING
    size = abs(value)
    if value == 0 or size >= 99.95:
        return minus(f"{value:,.0f}")
    decimals = 2 - math.floor(math.log10(size)) if size < 1 else (2 if size < 9.995 else 1)
    return minus(f"{value:.{min(decimals, 6)}f}")


def minus(text: str) -> str:
    """With the sign that typography has for it."""
    return text.replace("-", "−")


def memory(mib: float | None) -> str:
    """MiB below one GiB, then GiB, then TiB."""
    if mib is None:
        return NOTHING
    for unit, size in (("TiB", 1024 * 1024), ("GiB", 1024)):
        if mib >= size:
            return f"{number(mib / size)} {unit}"
    return f"{mib:,.0f} MiB"


def memory_hours(gib_hours: float) -> tuple[str, str]:
    """Value and unit, so that they fit a tile: GiB-hours, MiB-hours below a tenth, and TiB-hours
    from 10,000 on."""
    if 0 < abs(gib_hours) < 0.1:
        return number(gib_hours * 1024), "MiB-h"
    if abs(gib_hours) < 10_000:
        return number(gib_hours), "GiB-h"
    return number(gib_hours / 1024), "TiB-h"


def duration(seconds: float | None) -> str:
    """At most two units: `2 h 5 min`."""
    if seconds is None:
        return NOTHING
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    seconds = round(seconds)
    if seconds < MINUTE_S:
        return f"{seconds} s"
    for big, small, words in (
        (DAY_S, HOUR_S, ("d", "h")),
        (HOUR_S, MINUTE_S, ("h", "min")),
        (MINUTE_S, 1, ("min", "s")),
    ):
        if seconds >= big:
            whole, rest = divmod(seconds, big)
            return f"{whole:.0f} {words[0]} {rest // small:.0f} {words[1]}"
    raise AssertionError("not reached")


def ago(at_s: float | None, now_s: float) -> str:
    if at_s is None:
        return NOTHING
    return "just now" if now_s - at_s < 10 else f"{age(now_s - at_s)} ago"


def age(seconds: float) -> str:
    """In the largest unit alone: nobody needs the seconds of what was an hour ago."""
    return " ".join(duration(seconds).split(" ")[:2])


def percent(share: float | None) -> str:
    """A fraction as per cent; one decimal below a hundred."""
    if share is None:
        return NOTHING
    return minus(f"{share * 100:,.0f} %" if abs(share) >= 10 else f"{share * 100:.1f} %")


def error(share: float | None) -> str:
    """A relative error: per cent, and from ten times what was measured on so many times."""
    return f"{share:,.0f} ×" if share is not None and share >= 9.995 else percent(share)


def moment(at_s: float | None) -> str:
    """UTC, to the second, as in ISO 8601."""
    if at_s is None:
        return NOTHING
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%S} UTC"


def usd(dollars: float) -> str:
    sign = "−" if dollars < 0 else ""
    return f"{sign}${abs(dollars):,.2f}" if abs(dollars) >= 0.01 else f"{sign}${abs(dollars):.4f}"


def quota(quota: Quota) -> str:
    """What it bounds, one after another."""
    pairs = (
        (quota.vcpu, f"{number(quota.vcpu)} vCPU"),
        (quota.memory_mib, memory(quota.memory_mib)),
        (quota.gpus, f"{quota.gpus} GPUs"),
        (quota.usd_hour, f"{usd(quota.usd_hour or 0)} an hour"),
    )
    return ", ".join(words for bound, words in pairs if bound is not None) or "unbounded"


def caps(tenant: Tenant) -> str:
    """What bounds its tasks beside the quota."""
    pairs = (
        (tenant.max_running, "running"),
        (tenant.max_starts_per_minute, "starts a minute"),
    )
    return ", ".join(f"{count(most)} {words}" for most, words in pairs if most is not None)


def setting(value: Any) -> str:
    """A limit as it was set."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
