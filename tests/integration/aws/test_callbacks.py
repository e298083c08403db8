"""Answers to state machines, over moto's SQS."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.lifecycle import State
from queue_broker.adapters.callbacks import MOST_CAUSE
from queue_broker.adapters.inbox import KIND
from queue_broker.records import Document
from queue_broker.verdicts import Fail
from tests.integration.aws.desk import JOB, Desk, define


def test_a_job_with_a_task_token_is_answered_at_its_end(desk: Desk) -> None:
    desk.send({"job": JOB, "taskToken": "t-1"})
    desk.take_all()
    (job,) = desk.store.jobs()
    steps, callbacks = desk.steps, desk.callbacks

    callbacks.run(0.0)
    callbacks.run(1.0)
    desk.finish(job.job_id)
    assert callbacks.run(2.0) is True
    assert callbacks.run(3.0) is False

    names = [name for name, _ in steps.told]
    assert names == ["send_task_heartbeat", "send_task_success"]
    assert steps.told[1][1]["taskToken"] == "t-1"
    told = json.loads(steps.told[1][1]["output"])
    assert (told["JobId"], told["Status"]) == (job.job_id, "SUCCEEDED")
    assert told["Container"]["ExitCode"] == 0
    assert desk.shelf.get(KIND, job.job_id) is None


def test_a_job_that_failed_fails_its_state(desk: Desk) -> None:
    desk.send({"job": JOB, "taskToken": "t-1"})
    desk.take_all()
    (job,) = desk.store.jobs()
    desk.finish(job.job_id, Fail("exit code 3"))

    desk.callbacks.run(0.0)

    ((name, given),) = desk.steps.told
    assert (name, given["error"]) == ("send_task_failure", "Batch.JobFailed")
    assert json.loads(given["cause"])["Status"] == "FAILED"


def test_a_cause_that_is_too_long_for_step_functions_is_told_in_brief(desk: Desk) -> None:
    desk.send({"job": JOB, "taskToken": "t-1"})
    desk.take_all()
    (job,) = desk.store.jobs()
    desk.finish(job.job_id, Fail("exit code 3"))
    long = {**desk.callbacks.tell(job.job_id), "Attempts": ["x" * MOST_CAUSE]}
    desk.callbacks.tell = lambda job_id: long

    desk.callbacks.run(0.0)

    ((_, given),) = desk.steps.told
    cause = json.loads(given["cause"])
    assert (cause["JobId"], cause["Status"]) == (job.job_id, "FAILED")
    assert cause["StatusReason"]
    assert "Attempts" not in cause


@pytest.mark.parametrize(
    ("message", "code", "state"),
    [
        ({"wait": True}, "TaskTimedOut", State.FAILED),
        ({}, "TaskTimedOut", State.SUBMITTED),
        ({"wait": True}, "InvalidToken", State.SUBMITTED),
    ],
)
def test_a_job_whose_execution_was_stopped_is_stopped_as_sync_does(
    desk: Desk, message: dict[str, Any], code: str, state: State
) -> None:
    desk.send({"job": JOB, "taskToken": "t-1"} | message)
    desk.take_all()
    (job,) = desk.store.jobs()
    desk.steps.error = code

    desk.callbacks.run(0.0)

    assert desk.store.job(job.job_id).state is state
    assert (desk.shelf.get(KIND, job.job_id) is None) is (code == "TaskTimedOut")


def test_a_job_that_the_store_knows_no_more_holds_up_no_other(desk: Desk) -> None:
    desk.shelf.put(Document(KIND, "gone", {"token": "t-1"}))
    desk.send({"job": JOB, "taskToken": "t-2"})
    desk.take_all()
    (job,) = desk.store.jobs()
    desk.finish(job.job_id)

    assert desk.callbacks.run(0.0) is True

    told = {given["taskToken"]: name for name, given in desk.steps.told}
    assert told == {"t-1": "send_task_failure", "t-2": "send_task_success"}
    assert desk.callbacks.run(1.0) is False


def test_a_job_that_answers_itself_is_not_answered_for(desk: Desk) -> None:
    desk.send({"job": JOB, "taskToken": "t-1", "answeredByJob": True})
    desk.send({"job": {"name": "a b"}, "taskToken": "t-2", "answeredByJob": True})
    desk.take_all()
    (job,) = desk.store.jobs()
    desk.finish(job.job_id)

    assert desk.callbacks.run(0.0) is False
    assert [(name, given["taskToken"]) for name, given in desk.steps.told] == [
        ("send_task_failure", "t-2")
    ]


def test_a_rewritten_state_is_submitted_and_answered_as_it_asked(desk: Desk) -> None:
    asked = define(desk)
    array = asked | {"arrayProperties": {"size": 3}}
    refused = asked | {"jobDefinition": "none"}

    desk.send({"submitJob": array, "wait": True, "taskToken": "t-1"})
    desk.send({"submitJob": asked, "wait": False, "taskToken": "t-2"})
    desk.send({"submitJob": refused, "wait": True, "taskToken": "t-3"})
    desk.take_all()

    assert sorted(job.size for job in desk.store.jobs()) == [1, 3]
    told = {given["taskToken"]: name for name, given in desk.steps.told}
    (answer,) = (json.loads(given["output"]) for _, given in desk.steps.told if "output" in given)
    assert answer.keys() == {"JobArn", "JobId", "JobName"}
    assert told == {"t-2": "send_task_success", "t-3": "send_task_failure"}
