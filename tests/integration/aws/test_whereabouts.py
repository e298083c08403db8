"""What a client of the broker is told of a job's log is what CloudWatch calls it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headgate.errors import UpstreamRefused
from headgate.job import Job
from headgate.lifecycle import State
from queue_broker.adapters.upstream import BatchUpstream
from queue_broker.core.submit import Caller
from queue_broker.main import wire_protocol
from queue_broker.wire import jobs
from queue_broker.wire.names import Place
from queue_broker.wire.service import Call, Wire
from tests.integration.aws.account import Account
from tests.integration.aws.stand_in import quick, speak

HERE = Place("eu-central-1", "123456789012")


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    made = Account(tmp_path)
    yield made
    made.close()


def before_aws(account: Account) -> Wire:
    upstream = BatchUpstream(speak(quick(account.address)).batch)
    return replace(wire_protocol(account.broker), upstream=upstream)


def described(wire: Wire, *ids: str) -> list[dict[str, Any]]:
    written = jobs.describe(wire, Call("DescribeJobs", {"jobs": list(ids)}, Caller(), HERE))
    found: list[dict[str, Any]] = json.loads(written.json)["jobs"]
    return found


def log_of(account: Account, stream: str) -> list[str]:
    """As a client reads it in the account."""
    logs = speak(quick(account.address)).logs
    told = logs.get_log_events(logGroupName="/aws/batch/job", logStreamName=stream)
    return [event["message"] for event in told["events"]]


def test_logs_of_jobs_and_children_are_found_by_the_names_that_are_told(account: Account) -> None:
    say = ("sh", "-c", "echo I am $AWS_BATCH_JOB_ARRAY_INDEX")
    account.carried_out(Job(name="one", command=say))
    account.carried_out(Job(name="many", command=say), tasks=3)

    one, child = described(before_aws(account), "one", "many:2")

    assert "I am" in log_of(account, one["container"]["logStreamName"])
    assert "I am 2" in log_of(account, child["container"]["logStreamName"])
    (attempt,) = child["attempts"]
    assert attempt["container"]["logStreamName"] == child["container"]["logStreamName"]
    assert attempt["container"]["taskArn"] == child["container"]["taskArn"]


def test_aws_is_asked_once_for_each_attempt(account: Account) -> None:
    account.carried_out(Job(name="one", command=("true",)))
    wire = before_aws(account)
    first = described(wire, "one")
    asked = account.stand_in.between.calls["describejobs"]

    assert described(wire, "one") == first
    assert account.stand_in.between.calls["describejobs"] == asked


def test_while_aws_is_away_jobs_are_told_without_their_logs_names(account: Account) -> None:
    account.carried_out(Job(name="one", command=("true",)))

    class Away:
        def call(self, *_: object) -> dict[str, Any]:
            raise UpstreamRefused("AWS Batch cannot be reached", status=503)

    wire = replace(before_aws(account), upstream=Away())
    (job,) = described(wire, "one")

    assert job["status"] == State.SUCCEEDED
    assert "logStreamName" not in job["container"]
