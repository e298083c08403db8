"""A multi-node job from SubmitJob to its end, with real processes for its nodes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from queue_broker.adapters.upstream import BatchUpstream
from queue_broker.core.submit import Caller
from queue_broker.main import wire_protocol
from queue_broker.records import JobId
from queue_broker.wire import jobs, submit
from queue_broker.wire.names import Place
from queue_broker.wire.service import Call, Wire
from tests.integration.aws.account import DEADLINE_S, Account
from tests.integration.aws.stand_in import quick, speak

HERE = Place("eu-central-1", "123456789012")
AMOUNTS = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}]
SAYS = "echo node $AWS_BATCH_JOB_NODE_INDEX of $AWS_BATCH_JOB_NUM_NODES learns at Ref::lr"


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    made = Account(tmp_path)
    yield made
    made.close()


def a_range(target: str, script: str) -> dict[str, Any]:
    command = ["sh", "-c", script]
    container = {"image": "mpi", "command": command, "resourceRequirements": AMOUNTS}
    return {"targetNodes": target, "container": container}


def before_aws(account: Account) -> Wire:
    batch = speak(quick(account.address)).batch
    return replace(wire_protocol(account.broker), upstream=BatchUpstream(batch))


def run(account: Account, main: str, **asked: Any) -> tuple[Wire, str]:
    """A job of two nodes, the second of which is the main one, from its submission to its end."""
    ranges = [a_range("0", f"{SAYS}; sleep 60"), a_range("1:", main)]
    properties = {"numNodes": 2, "mainNode": 1, "nodeRangeProperties": ranges}
    batch: Any = speak(quick(account.address)).batch
    batch.register_job_definition(
        jobDefinitionName="mpi", type="multinode", nodeProperties=properties
    )
    wire = before_aws(account)
    given = {"jobName": "train", "jobQueue": "default", "jobDefinition": "mpi", **asked}
    call = Call("SubmitJob", given, Caller(), HERE)
    accepted = asyncio.run(submit.submit(wire, call, submit.definition_of(wire, call)))
    job_id, deadline = JobId(accepted["jobId"]), time.monotonic() + DEADLINE_S
    while not account.broker.store.job(job_id).finished_at_s and time.monotonic() < deadline:
        account.broker.lead()
        time.sleep(0.02)
    return wire, job_id


def described(wire: Wire, *ids: str) -> list[dict[str, Any]]:
    written = jobs.describe(wire, Call("DescribeJobs", {"jobs": list(ids)}, Caller(), HERE))
    found: list[dict[str, Any]] = json.loads(written.json)["jobs"]
    return found


def log_of(account: Account, told: dict[str, Any]) -> list[str]:
    logs = speak(quick(account.address)).logs
    stream = told["container"]["logStreamName"]
    found = logs.get_log_events(logGroupName="/aws/batch/job", logStreamName=stream)
    return [event["message"] for event in found["events"]]


def test_all_of_its_nodes_run_and_end_with_the_main_one(account: Account) -> None:
    wire, job_id = run(account, f"{SAYS}; sleep 0.5", parameters={"lr": "0.5"})

    job, first, main = described(wire, job_id, f"{job_id}#0", f"{job_id}#1")

    assert job["status"] == "SUCCEEDED", job.get("statusReason")
    assert log_of(account, first) == ["node 0 of 2 learns at 0.5"]
    assert log_of(account, main) == ["node 1 of 2 learns at 0.5"]
    assert main["container"]["exitCode"] == 0
    assert job["attempts"][0]["container"]["logStreamName"] == main["container"]["logStreamName"]
    assert account.submitted() == 1


def test_the_main_node_s_failure_is_another_attempt_of_all(account: Account) -> None:
    strategy = {"attempts": 2, "evaluateOnExit": [{"onExitCode": "3", "action": "RETRY"}]}
    wire, job_id = run(account, "exit 3", parameters={"lr": "1"}, retryStrategy=strategy)

    (job,) = described(wire, job_id)

    assert job["status"] == "FAILED"
    assert [one["container"]["exitCode"] for one in job["attempts"]] == [3, 3]
    assert account.submitted() == 2


def test_what_a_submission_says_of_some_nodes_holds_for_those(account: Account) -> None:
    command = ["sh", "-c", "echo I am another; sleep 60"]
    change = {"targetNodes": "0", "containerOverrides": {"command": command}}
    overrides = {"nodePropertyOverrides": [change]}
    words = {"parameters": {"lr": "1"}, "nodeOverrides": overrides}
    wire, job_id = run(account, "sleep 0.5", **words)

    (other,) = described(wire, f"{job_id}#0")

    assert log_of(account, other) == ["I am another"]
