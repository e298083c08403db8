"""The AWS CLI against a broker that only its environment names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.brokers import wait_until
from tests.acceptance.wire_clients import Site, need, site

CONTAINER = {"image": "busybox", "vcpus": 1, "memory": 128, "command": ["echo", "Ref::what"]}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    need("awscli")
    with site(tmp_path_factory.mktemp("awscli")) as found:
        define = ("--job-definition-name", "cli", "--type", "container")
        aws(found, "batch", "register-job-definition", *define,
            "--container-properties", json.dumps(CONTAINER))  # fmt: skip
        yield found


def aws(here: Site, *arguments: str) -> Any:
    done = here.python("-m", "awscli", *arguments, "--output", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout or "null")


def submit(here: Site, *more: str) -> str:
    named = ("--job-name", "cli", "--job-queue", "default", "--job-definition", "cli")
    return str(aws(here, "batch", "submit-job", *named, *more)["jobId"])


def described(here: Site, job_id: str) -> Any:
    return aws(here, "batch", "describe-jobs", "--jobs", job_id)["jobs"][0]


def wait_until_it_is(here: Site, job_id: str, status: str) -> None:
    """Asked through boto3: the CLI takes a second each time to start."""
    batch = here.batch()
    wait_until(
        lambda: batch.describe_jobs(jobs=[job_id])["jobs"][0]["status"] == status,
        f"the job to be {status}",
    )


def test_a_job_is_submitted_described_listed_and_its_log_is_read(here: Site) -> None:
    job_id = submit(here, "--parameters", "what=hello")
    wait_until_it_is(here, job_id, "SUCCEEDED")
    told = described(here, job_id)
    assert told["status"] == "SUCCEEDED"
    assert told["container"]["command"] == ["echo", "hello"]
    listed = aws(here, "batch", "list-jobs", "--job-queue", "default", "--job-status", "SUCCEEDED")
    assert job_id in [one["jobId"] for one in listed["jobSummaryList"]]
    stream = ("--log-stream-name", told["container"]["logStreamName"])
    log = aws(here, "logs", "get-log-events", "--log-group-name", "/aws/batch/job", *stream)
    assert [one["message"] for one in log["events"]] == ["hello"]
    named = ("--log-stream-names", told["container"]["logStreamName"])
    asked = ("--log-group-name", "/aws/batch/job", *named, "--filter-pattern", "?hello ?goodbye")
    found = aws(here, "logs", "filter-log-events", *asked)
    assert [one["message"] for one in found["events"]] == ["hello"]


def test_a_running_job_is_terminated_with_the_reason_given(here: Site) -> None:
    job_id = submit(here, "--container-overrides", '{"command": ["sleep", "600"]}')
    wait_until_it_is(here, job_id, "RUNNING")
    aws(here, "batch", "terminate-job", "--job-id", job_id, "--reason", "enough")
    wait_until_it_is(here, job_id, "FAILED")
    assert described(here, job_id)["statusReason"] == "enough"


def test_an_error_is_told_as_batchs_own(here: Site, tmp_path: Path) -> None:
    del tmp_path
    named = ("--job-name", "cli", "--job-queue", "nowhere", "--job-definition", "cli")
    done = here.python("-m", "awscli", "batch", "submit-job", *named)
    assert "(ClientException) when calling the SubmitJob operation" in done.stderr
    assert "JobQueue nowhere not found." in done.stderr
