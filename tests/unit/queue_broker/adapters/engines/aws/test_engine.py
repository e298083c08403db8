"""What goes wrong between the broker and AWS Batch, and what becomes of the tasks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from headgate.errors import Unavailable
from headgate.job import EvaluateOnExit, RetryStrategy
from headgate.lifecycle import Cause
from queue_broker.records import Leak
from tests.unit.queue_broker.adapters.engines.aws.batch import error
from tests.unit.queue_broker.adapters.engines.aws.leaks import a_leak
from tests.unit.queue_broker.adapters.engines.aws.scene import Scene, leaks

NO_CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity"
NOT_OFFERED = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - no such instance type here"
TWICE = RetryStrategy(
    attempts=2, evaluate_on_exit=(EvaluateOnExit(action="EXIT", on_exit_code="3"),)
)
EXPIRED = error("ExpiredTokenException", "The security token is expired", 403)
DENIED = error("AccessDeniedException", "User is not authorised", 403)


@pytest.mark.parametrize(
    ("failed", "told"),
    [
        (EXPIRED, "batch:SubmitJob: the AWS credentials are expired"),
        (DENIED, '"Action": "batch:SubmitJob"'),
    ],
)
def test_without_the_right_to_submit_nothing_is_lost_and_what_lacks_is_said(
    failed: Exception, told: str
) -> None:
    scene = Scene()
    scene.batch.errors["submit_job"] = [failed, failed]
    some = leaks(2)

    with pytest.raises(Unavailable) as caught:
        scene.hand_over(*some)

    assert told in str(caught.value)
    assert scene.hand_over(*some) == {"job-0": None, "job-1": None}
    assert sorted(scene.submitted()) == ["job-0", "job-1"]


def test_a_job_says_whose_it_is() -> None:
    scene = Scene(stack="ours")
    scene.batch.queues["lane"]["tags"]["headgate:stack"] = "ours"
    scene.hand_over(*leaks(1))

    (job,) = scene.batch.jobs.values()
    assert job["asked"]["tags"] == {
        "headgate:stack": "ours",
        "headgate:leak": "job-0",
        "headgate:tenant": "acme",
        "headgate:tier": "sweep",
    }


def test_the_tags_that_bills_are_split_by_go_with_the_job_where_aws_takes_them() -> None:
    scene = Scene()
    users = {"project": "x", "sample": "S1 (a;b)", "aws:mine": "", "headgate:tier": "free"}
    scene.hand_over(a_leak(tags=users))

    (job,) = scene.batch.jobs.values()
    given = job["asked"]["tags"]
    assert given["project"] == "x"
    assert given["headgate:tier"] == "sweep"
    assert not {"sample", "aws:mine"} & given.keys()


def test_with_as_many_tags_as_a_job_may_have_the_brokers_own_come_first() -> None:
    scene = Scene()
    scene.hand_over(a_leak(tags={str(at): "" for at in range(50)}))

    (job,) = scene.batch.jobs.values()
    given = job["asked"]["tags"]
    assert len(given) == 50
    assert given["headgate:leak"] == "job-1"


BARE = {"headgate:shim": "off"}
LOST_HOSTS = [
    {"onStatusReason": "Host EC2*", "action": "RETRY"},
    {"onReason": "*", "action": "EXIT"},
]


@pytest.mark.parametrize(
    ("leak", "strategy"),
    [
        (a_leak(tasks=(0, 1), tags=BARE), {"attempts": 10, "evaluateOnExit": LOST_HOSTS}),
        (
            a_leak(tasks=(0, 1), tags=BARE, retry_strategy=RetryStrategy(attempts=3)),
            {"attempts": 3},
        ),
        (
            a_leak(tasks=(0, 1), tags=BARE, retry_strategy=TWICE),
            {"attempts": 2, "evaluateOnExit": [{"action": "EXIT", "onExitCode": "3"}]},
        ),
        (a_leak(tasks=(0, 1)), {"attempts": 1}),
        (a_leak(array=False, tags=BARE), {"attempts": 1}),
    ],
)
def test_only_children_that_could_not_go_alone_are_tried_again_by_batch(
    leak: Leak, strategy: dict[str, Any]
) -> None:
    scene = Scene()
    scene.hand_over(leak)
    (job,) = scene.batch.jobs.values()
    assert job["asked"]["retryStrategy"] == strategy


def test_a_child_that_could_not_go_alone_has_ended_for_good() -> None:
    scene = Scene()
    scene.hand_over(a_leak(tasks=(0, 1), tags=BARE))
    (job,) = scene.batch.jobs
    ends = [child(job, 0, "SUCCEEDED"), child(job, 1, "FAILED")]
    scene.batch.jobs |= {one["jobId"]: one for one in ends}
    summary = {"SUCCEEDED": 1, "FAILED": 1}
    over = {"status": "FAILED", "arrayProperties": {"size": 2, "statusSummary": summary}}
    scene.batch.jobs[job] |= {**over, "children": ends}

    assert [(end.task, end.final) for end in scene.later(100)] == [(0, False), (1, True)]


def child(job: str, index: int, status: str) -> dict[str, Any]:
    told = {"startedAt": 1, "stoppedAt": 2}
    return {"jobId": f"{job}:{index}", "status": status} | told


def test_tags_that_would_make_a_submission_too_long_are_left_out() -> None:
    users = {f"{at:02}" + "ö" * 126: "ü" * 256 for at in range(46)}  # six bytes each in JSON
    scene = Scene()
    scene.hand_over(a_leak(("echo", "x" * 6_000), tags=users))

    (job,) = scene.batch.jobs.values()
    request = job["asked"]
    assert 29_000 < len(json.dumps(request)) <= 30 * 1024
    assert {"headgate:leak", next(iter(users))} < request["tags"].keys()


def test_what_no_submission_can_carry_fails_in_batch_s_words_and_is_not_handed_over_again() -> None:
    scene = Scene()
    leak = a_leak(("echo", "x" * 9_000), tasks=(4,))

    assert scene.hand_over(leak) == {"job-1": None}
    assert scene.batch.jobs == {}
    (end,) = scene.later(1)
    assert (end.task, end.final) == (4, True)
    assert (end.reason or "").startswith("Container Overrides length must be at most 8192; its")

    scene.engine = scene.live()
    scene.engine.adopt([replace(leak, engine_id="none")])
    assert [(end.task, end.final) for end in scene.later(1)] == [(4, True)]


def test_credentials_that_expire_half_way_leave_what_was_taken() -> None:
    scene = Scene()
    scene.batch.errors["submit_job"] = [EXPIRED]
    some = leaks(3)

    taken = scene.hand_over(*some)

    assert len(taken) == 2
    assert scene.hand_over(*some) == {one.name: None for one in some}
    assert len(scene.submitted()) == 3


def test_what_may_not_be_looked_at_is_named_and_seen_later() -> None:
    scene = Scene()
    scene.hand_over(*leaks(1))
    scene.batch.errors["describe_jobs"] = [DENIED]

    with pytest.raises(Unavailable, match=r"is not permitted: .* lacks"):
        scene.later(20)

    scene.batch.jobs["id-1"] |= {"status": "SUCCEEDED", "startedAt": 1, "stoppedAt": 2}
    assert [end.cause for end in scene.later(20)] == [Cause.EXITED]


def test_an_answer_that_is_lost_after_the_deed_is_not_asked_for_twice() -> None:
    scene = Scene(settle_s=10)
    scene.batch.after["submit_job"] = [error("ServerException", status=500)]
    some = leaks(1)

    assert scene.hand_over(*some) == {}
    assert scene.hand_over(*some) == {"job-0": None}

    assert scene.submitted() == ["job-0"]


def test_a_deed_that_never_was_is_done_once_batch_has_settled() -> None:
    scene = Scene(settle_s=10)
    scene.batch.errors["submit_job"] = [error("ServerException", status=500)]
    some = leaks(1)

    assert scene.hand_over(*some) == scene.hand_over(*some) == {}
    scene.now_s += 10

    assert scene.hand_over(*some) == {"job-0": None}
    assert scene.submitted() == ["job-0"]


def test_a_queue_deleted_under_us_shuts_its_lane_and_its_tasks_wait_again() -> None:
    scene = Scene(lane_shut_s=300)
    scene.batch.errors["submit_job"] = [error("ClientException", "JobQueue lane not found")]

    refused = scene.hand_over(*leaks(1))

    assert "JobQueue lane not found" in str(refused["job-0"])
    assert scene.closed is not None
    scene.now_s += 300
    assert scene.closed is None


def test_a_queue_that_is_gone_from_the_account_is_no_lane() -> None:
    scene = Scene()
    del scene.batch.queues["lane"]

    refused = scene.hand_over(*leaks(1))

    assert refused == {"job-0": "there is no lane lane in AWS Batch"}
    assert scene.submitted() == []


def test_what_a_deleted_queue_had_ends_when_batch_has_forgotten_it() -> None:
    scene = Scene()
    scene.hand_over(*leaks(1))
    scene.batch.jobs.clear()
    scene.batch.errors["list_jobs"] = [error("ClientException", "JobQueue lane not found")] * 9

    assert scene.later(60) == []
    (end,) = scene.later(120)

    assert (end.cause, end.reason) == (
        Cause.INTERRUPTED,
        "AWS Batch does not know the job any more",
    )


def test_a_definition_deregistered_while_tasks_wait_is_registered_anew() -> None:
    scene = Scene()
    inactive = error("ClientException", "JobDefinition headgate-1:1 is not ACTIVE")
    scene.hand_over(*leaks(1))
    for one in scene.batch.definitions.values():
        one["status"] = "INACTIVE"
    scene.batch.errors["submit_job"] = [inactive]

    assert scene.hand_over(leaks(2)[1]) == {"job-1": None}

    used = [one["asked"]["jobDefinition"].rpartition(":")[2] for one in scene.batch.jobs.values()]
    assert used == ["1", "2"]


def test_a_definition_that_is_never_good_makes_its_tasks_wait_with_the_reason() -> None:
    scene = Scene()
    bad = error("ClientException", "Job definition is malformed")
    scene.batch.errors["submit_job"] = [bad, bad]

    assert "malformed" in str(scene.hand_over(*leaks(1))["job-0"])
    assert scene.closed is None


@pytest.mark.parametrize("why", [NO_CAPACITY, NOT_OFFERED])
def test_a_lane_that_gets_no_instances_is_shut_and_its_work_comes_back(why: str) -> None:
    scene = Scene()
    scene.hand_over(a_leak(tasks=range(5)))
    scene.batch.jobs["id-1"]["statusReason"] = why

    assert scene.later(20) == []

    assert scene.closed == why
    assert scene.batch.terminated == [("id-1", "Headgate: the lane has no capacity")]
    told = {"status": "FAILED", "statusReason": "Headgate: the lane has no capacity"}
    children = [told | {"jobId": f"id-1:{n}"} for n in range(5)]
    array = {"size": 5, "statusSummary": {"FAILED": 5}}
    scene.batch.jobs["id-1"] |= {
        "status": "FAILED",
        "arrayProperties": array,
        "children": children,
    }
    assert [end.cause for end in scene.later(20)] == [Cause.INTERRUPTED] * 5


def test_a_lane_that_starts_nothing_for_long_is_shut() -> None:
    scene = Scene(patience_s=900)
    scene.hand_over(*leaks(1))

    scene.later(800)
    assert scene.closed is None
    scene.later(200)

    assert scene.closed == "nothing started for 1000 s"


def test_an_environment_that_the_region_has_no_instances_for_is_closed_with_its_reason() -> None:
    scene = Scene()
    reason = "CLIENT_ERROR - The following instance types are not supported: [p9.large]"
    scene.batch.queues["lane"] |= {"status": "INVALID", "statusReason": reason}

    assert scene.closed == f"the compute environment is INVALID: {reason}"


def test_what_a_job_holds_beside_its_instance_is_asked_of_batch_too() -> None:
    scene, needs = Scene(), {"consumableResourceList": [{"consumableResource": "l", "quantity": 1}]}
    scene.hand_over(a_leak(batch={"consumableResourceProperties": needs}))
    asked = scene.batch.jobs["id-1"]["asked"]
    assert asked["consumableResourcePropertiesOverride"] == needs


def test_what_waits_for_a_licence_is_taken_back_and_its_lane_stays_open() -> None:
    needs = {"consumableResourceList": [{"consumableResource": "l", "quantity": 1}]}
    scene = Scene(patience_s=60)
    scene.hand_over(a_leak(array=False, batch={"consumableResourceProperties": needs}))
    scene.later(61)
    assert [job for job, _ in scene.batch.terminated] == ["id-1"]
    assert scene.closed is None


def test_tags_that_go_on_to_tasks_are_the_definition_s_and_the_job_s_own_over_them() -> None:
    scene = Scene()
    arn = "arn:aws:batch:eu-central-1:123456789012:job-definition/theirs:1"
    scene.batch.definitions[arn] = {
        "jobDefinitionName": "theirs",
        "jobDefinitionArn": arn,
        "revision": 1,
        "status": "ACTIVE",
        "containerProperties": {"image": "busybox"},
        "tags": {"team": "vision", "stage": "dev"},
    }
    job: dict[str, Any] = {
        "definition": "theirs:1",
        "tags": {"stage": "prod"},
        "batch": {"propagateTags": True},
    }
    scene.hand_over(a_leak(array=False, **job))
    asked = scene.batch.jobs["id-1"]["asked"]
    assert asked["propagateTags"] is True
    assert {name: asked["tags"][name] for name in ("team", "stage")} == {
        "team": "vision",
        "stage": "prod",
    }
