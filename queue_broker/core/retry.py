"""What becomes of a task whose attempt ended. Pure: nobody touches the store while deciding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from headgate.estimate import Estimate
from headgate.job import EvaluateOnExit
from headgate.lifecycle import Cause
from headgate.resources import Resources
from queue_broker.core.endings import both_reasons
from queue_broker.core.whole import bared
from queue_broker.events import Ended
from queue_broker.records import Leak
from queue_broker.verdicts import Fail, Requeue, Retry, Succeed, Verdict

#: The next attempt's allocation after a kill for memory, or None when nothing bigger can be had.
Grow = Callable[[Leak, Ended], Resources | None]
SUCCEEDED = Succeed()


def verdict(leak: Leak, ended: Ended, grow: Grow, memory_attempts: int) -> Verdict:
    """What becomes of one ended attempt.

    An interruption costs no attempt, a kill for memory none of the user's own. The number of
    memory kills is bounded by `memory_attempts`, so that a leaking program ends.
    """
    match ended.cause:
        case Cause.EXITED if ended.exit_code == 0:
            return SUCCEEDED
        case Cause.CANCELLED:
            return Fail(ended.reason or "cancelled")
        case _ if ended.final or ended.cause is Cause.TIMEOUT:  # which Batch never tries again
            return Fail(reason_of(ended))
        case Cause.INTERRUPTED:
            return Requeue(ended.reason or "interrupted; no attempt was lost")
        case Cause.OUT_OF_MEMORY:
            return after_memory_kill(leak, ended, grow, memory_attempts)
        case _:
            return after_failure(leak, ended)


def as_it_is(leak: Leak, ended: Ended) -> Verdict:
    """Again without the shim, at the cost of no attempt: the user's command has not run yet."""
    reason = reason_of(ended)
    if leak.estimate is None:
        return Fail(reason)
    return Retry(bared(leak, leak.estimate), f"{reason}; tried again as it is")


def reason_of(ended: Ended) -> str:
    """Why an attempt ended, in the engine's words, or by its exit code."""
    return ended.reason or f"exit code {ended.exit_code}"


def after_memory_kill(leak: Leak, ended: Ended, grow: Grow, memory_attempts: int) -> Verdict:
    reason = ended.reason or "killed for passing its memory"
    if leak.estimate is None or leak.estimate.memory_kills >= memory_attempts:
        return Fail(f"{reason}; given up after {memory_attempts} bigger tries")
    bigger = grow(leak, ended)
    if bigger is None:
        return Fail(f"{reason}; no lane holds more")
    kills = leak.estimate.memory_kills + 1
    estimate = replace(leak.estimate, allocation=bigger, memory_kills=kills)
    given, next_ = leak.allocation.memory_mib, bigger.memory_mib
    return Retry(estimate, f"{reason}; {given} MiB were too little, tried again with {next_} MiB")


def at_last(bigger: Resources, leak: Leak, largest: Resources, memory_attempts: int) -> Resources:
    """The last of the bigger tries has what was asked for, too: there the job would have begun
    without the broker, and it must not fail for having been foretold less.
    """
    if leak.estimate is None or leak.estimate.memory_kills + 1 < memory_attempts:
        return bigger
    asked_mib = min(leak.job.resources.memory_mib or 0, largest.memory_mib)
    return replace(bigger, memory_mib=max(bigger.memory_mib, asked_mib))


def after_failure(leak: Leak, ended: Ended) -> Verdict:
    """The user's own retry strategy, with AWS Batch's rules for `evaluateOnExit`."""
    if ended.misread:
        return as_it_is(leak, ended)
    reason = reason_of(ended)
    strategy = leak.job.retry_strategy
    if leak.estimate is None or leak.attempt - not_counted(leak.estimate) >= strategy.attempts:
        return Fail(reason)
    if action(strategy.evaluate_on_exit, ended) == "EXIT":
        return Fail(f"{reason}; the retry strategy says EXIT")
    return Retry(leak.estimate, f"{reason}; tried again")


def not_counted(estimate: Estimate) -> int:
    """Attempts before this one that were not the user's own."""
    return estimate.memory_kills + estimate.bare


def action(rules: Sequence[EvaluateOnExit], ended: Ended) -> str:
    """The action of the first rule whose every condition matches; RETRY when none does."""
    return next((rule.action for rule in rules if matches(rule, ended)), "RETRY")


def matches(rule: EvaluateOnExit, ended: Ended) -> bool:
    status, container = both_reasons(ended)
    seen = (
        (rule.on_exit_code, "" if ended.exit_code is None else str(ended.exit_code)),
        (rule.on_reason, container),
        (rule.on_status_reason, status),
    )
    return all(pattern is None or fnmatchcase(value, pattern) for pattern, value in seen)
