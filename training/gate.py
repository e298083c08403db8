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


def decide(
    new: Score, current: Score, max_failure_rate: float = 0.05, *, is_first: bool = False
) -> Decision:
    """Compare two back-tests on the same held-out jobs.

    `is_first`: `current` is history alone, without any model.
    """
    if new.jobs == 0:
        return Keep("no held-out jobs to prove the new model on")
    allowed = max(max_failure_rate, current.failure_rate)
    if new.failure_rate > allowed:
        return Keep(
            f"{new.failure_rate:.1%} of the held-out jobs would have failed; at most {allowed:.1%}"
        )
    costs = f"costs {new.cost_gbh:.3g} GBh where the current costs {current.cost_gbh:.3g}"
    if new.cost_gbh < current.cost_gbh:
        return Promote(costs)
    if is_first and new.cost_gbh == current.cost_gbh:
        return Promote(f"the first model; it {costs}, and it speaks for new kinds of jobs too")
    return Keep(costs)
