"""Promote the new model only where it is proven no worse. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from training.evaluate import Score


@dataclass(frozen=True, slots=True)
class Promote:
    """The new model replaces the current one."""

    reason: str


@dataclass(frozen=True, slots=True)
class Keep:
    """The current model (or none) stays."""

    reason: str


Decision = Promote | Keep


def decide(new: Score, current: Score, max_failure_rate: float = 0.05) -> Decision:
    """Compare two back-tests on the same held-out jobs."""
    if new.jobs == 0:
        return Keep("no held-out jobs to prove the new model on")
    allowed = max(max_failure_rate, current.failure_rate)
    if new.failure_rate > allowed:
        return Keep(
            f"{new.failure_rate:.1%} of the held-out jobs would have failed; at most {allowed:.1%}"
        )
    if new.cost_gbh > current.cost_gbh:
        return Keep(f"costs {new.cost_gbh:.3g} GBh where the current costs {current.cost_gbh:.3g}")
    return Promote(f"costs {new.cost_gbh:.3g} GBh where the current costs {current.cost_gbh:.3g}")
