from __future__ import annotations

from dataclasses import replace

import pytest

from headgate.estimate import Estimate, Quantiles, Source
from headgate.job import EvaluateOnExit, Job, RetryStrategy
from headgate.lifecycle import Cause
from headgate.resources import ResourceRequest, Resources
from queue_broker.core.retry import verdict
from queue_broker.events import Ended
from queue_broker.records import GroupId, JobId, Leak, LeakId, Table, Tasks
from queue_broker.verdicts import Fail, Requeue, Retry, Succeed, Verdict

GIVEN = Resources(1, 1000)
ASKED = ResourceRequest(vcpu=1, memory_mib=4000)
TWICE = Job(name="train", command=("train",), retry_strategy=RetryStrategy(attempts=2))


def leak(attempts: int = 1, attempt: int = 1, kills: int = 0, *rules: EvaluateOnExit) -> Leak:
    strategy = RetryStrategy(attempts=attempts, evaluate_on_exit=rules)
    one = Quantiles(1, 2)
    return Leak(
        leak_id=LeakId(1),
        name="l",
        group_id=GroupId(1),
        job_id=JobId("j"),
        job=Job(name="train", command=("train",), retry_strategy=strategy),
        tenant="t",
        tier="sweep",
        attempt=attempt,
        lane="local",
        allocation=GIVEN,
        tasks=Tasks([0]),
        open=Tasks([0]),
        running=Tasks([0]),
        created_at_s=0,
        size=1,
        array=False,
        parameters=Table.NONE,
        estimate=Estimate(GIVEN, one, one, one, Source.REQUEST, "train", memory_kills=kills),
    )


def ended(cause: Cause = Cause.EXITED, exit_code: int | None = 1, reason: str = "") -> Ended:
    return Ended("l", 0, 10.0, cause, exit_code, reason=reason or None)


def judge(of: Leak, end: Ended, bigger: Resources | None = None) -> Verdict:
    return verdict(of, end, lambda _leak, _ended: bigger, memory_attempts=3)


@pytest.mark.parametrize("cause", [Cause.EXITED, Cause.INTERRUPTED, Cause.OUT_OF_MEMORY])
def test_what_the_engine_could_not_run_again_fails_with_its_reason(cause: Cause) -> None:
    end = replace(ended(cause, reason="it went wrong"), final=True)
    decided = judge(leak(attempts=3), end, Resources(1, 2000))
    assert isinstance(decided, Fail)
    assert decided.reason == "it went wrong"


def test_exit_code_0_is_success() -> None:
    assert judge(leak(), ended(exit_code=0)) == Succeed()


def test_the_last_attempt_that_fails_is_a_failure() -> None:
    assert judge(leak(), ended(exit_code=3)) == Fail("exit code 3")


def test_an_attempt_that_is_left_is_used_with_the_same_allocation() -> None:
    found = judge(leak(attempts=2), ended())

    assert isinstance(found, Retry)
    assert found.estimate.allocation == GIVEN


def test_an_interruption_costs_no_attempt() -> None:
    assert isinstance(judge(leak(), ended(Cause.INTERRUPTED, None)), Requeue)


def test_what_was_cancelled_is_not_tried_again() -> None:
    assert isinstance(judge(leak(attempts=5), ended(Cause.CANCELLED, 143)), Fail)


def test_a_kill_for_memory_is_tried_again_bigger_though_the_user_gave_one_attempt() -> None:
    found = judge(leak(), ended(Cause.OUT_OF_MEMORY, 137), bigger=Resources(1, 2000))

    assert isinstance(found, Retry)
    assert found.estimate.allocation.memory_mib == 2000
    assert found.estimate.memory_kills == 1
    assert "1000 MiB were too little, tried again with 2000 MiB" in found.reason


def test_a_kill_for_memory_at_the_largest_lane_is_final() -> None:
    found = judge(leak(), ended(Cause.OUT_OF_MEMORY, 137), bigger=None)

    assert isinstance(found, Fail)
    assert "no lane holds more" in found.reason


def test_a_program_that_leaks_memory_ends() -> None:
    found = judge(leak(kills=3), ended(Cause.OUT_OF_MEMORY, 137), bigger=Resources(1, 9000))

    assert isinstance(found, Fail)


def test_kills_for_memory_do_not_use_up_the_users_attempts() -> None:
    second_of_two = leak(attempts=2, attempt=3, kills=1)

    assert isinstance(judge(second_of_two, ended()), Fail)
    assert isinstance(judge(leak(attempts=2, attempt=2, kills=1), ended()), Retry)


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        (EvaluateOnExit(action="EXIT", on_exit_code="4*"), Fail),
        (EvaluateOnExit(action="EXIT", on_exit_code="5*"), Retry),
        (EvaluateOnExit(action="EXIT", on_reason="Host*", on_exit_code="42"), Retry),
        (EvaluateOnExit(action="RETRY", on_exit_code="42"), Retry),
    ],
)
def test_exit_rules_match_as_in_batch(rule: EvaluateOnExit, kind: type[Verdict]) -> None:
    """All conditions of a rule must match; when no rule does, the job is tried again."""
    assert isinstance(judge(leak(2, 1, 0, rule), ended(exit_code=42)), kind)


def test_what_ran_into_its_timeout_is_not_tried_again_whatever_the_rules() -> None:
    rule = EvaluateOnExit(action="RETRY", on_status_reason="Job attempt duration*")

    found = judge(
        leak(3, 1, 0, rule), ended(Cause.TIMEOUT, 137, "Job attempt duration exceeded timeout")
    )

    assert found == Fail("Job attempt duration exceeded timeout")


def test_the_first_rule_that_matches_decides() -> None:
    rules = (
        EvaluateOnExit(action="RETRY", on_exit_code="42"),
        EvaluateOnExit(action="EXIT", on_exit_code="*"),
    )

    assert isinstance(judge(leak(2, 1, 0, *rules), ended(exit_code=42)), Retry)
    assert isinstance(judge(leak(2, 1, 0, *rules), ended(exit_code=1)), Fail)


#: (cause, exit code, the engine's words) -> (statusReason, the container's reason), as told.
FAILURES = {
    "exited": (ended(exit_code=1), "Essential container in task exited", ""),
    "not_started": (
        ended(Cause.NOT_STARTED, None, "no such image"),
        "Task failed to start",
        "CannotStartContainerError: no such image",
    ),
    "of_the_service": (
        replace(ended(exit_code=1, reason="a; b"), said=("Host EC2 is gone", "DockerTimeoutError")),
        "Host EC2 is gone",
        "DockerTimeoutError",
    ),
}


@pytest.mark.parametrize(("end", "status", "container"), FAILURES.values(), ids=FAILURES)
def test_each_condition_is_matched_against_its_own_string(
    end: Ended, status: str, container: str
) -> None:
    def exits(**conditions: str) -> bool:
        rule = EvaluateOnExit(action="EXIT", **conditions)
        return isinstance(judge(leak(2, 1, 0, rule), end), Fail)

    assert exits(on_status_reason=f"{status[:8]}*")
    assert exits(on_status_reason=status)
    assert exits(on_reason=f"{container[:8]}*")
    assert exits(on_reason=container or "*")
    assert not exits(on_reason=status)
    assert not exits(on_status_reason=container or "CannotPull*")
    assert exits(on_reason=f"{container}*", on_status_reason=f"{status}*")
    assert not exits(on_reason="Cannot*", on_status_reason="Cannot*")


def test_batch_s_own_example_retries_lost_hosts_alone() -> None:
    """From the user guide: RETRY on `Host EC2*`, EXIT on any reason, and that is none too."""
    rules = (
        EvaluateOnExit(action="RETRY", on_status_reason="Host EC2*"),
        EvaluateOnExit(action="EXIT", on_reason="*"),
    )
    lost = replace(ended(exit_code=1), said=("Host EC2 (instance i-1) terminated.", ""))
    assert isinstance(judge(leak(2, 1, 0, *rules), lost), Retry)
    assert isinstance(judge(leak(2, 1, 0, *rules), ended(exit_code=1)), Fail)


def test_what_an_image_took_for_something_else_goes_again_as_it_is_at_the_cost_of_no_attempt() -> (
    None
):
    misread = replace(ended(Cause.NOT_STARTED, 0, "an ENTRYPOINT"), misread=True)

    found = judge(leak(attempts=1), misread)

    assert isinstance(found, Retry)
    assert found.estimate.bare
    assert found.reason == "an ENTRYPOINT; tried again as it is"
    again = replace(leak(attempts=1, attempt=2), estimate=found.estimate)
    assert judge(again, ended(exit_code=3)) == Fail("exit code 3")
    assert isinstance(judge(replace(again, job=TWICE), ended(exit_code=3)), Retry)


def test_an_array_that_goes_as_it_is_has_what_it_asks_for() -> None:
    array = replace(leak(), array=True, job=Job(name="t", command=("x",), resources=ASKED))
    found = judge(array, replace(ended(Cause.NOT_STARTED), misread=True))
    assert isinstance(found, Retry)
    assert found.estimate.allocation == Resources(1, 4000)
