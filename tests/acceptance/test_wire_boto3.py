"""boto3 against a whole broker over a socket: real tasks, arrays, retries, signatures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.acceptance.brokers import Broker, running, wait_until


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running(tmp_path_factory.mktemp("boto3")) as broker:
        client = speak(broker)
        client.register_job_definition(
            jobDefinitionName="sh",
            type="container",
            containerProperties={"image": "busybox", "vcpus": 1, "memory": 128},
        )
        yield broker


def speak(broker: Broker, service: str = "batch", *of: str) -> Any:
    key, secret = of or ("any", "any")
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=broker.url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )


def submit(client: Any, script: str, **more: Any) -> str:
    given = {"jobName": "sh", "jobQueue": "default", "jobDefinition": "sh"} | more
    command = {"command": ["sh", "-c", script]}
    return str(client.submit_job(containerOverrides=command, **given)["jobId"])


def finished(client: Any, job_id: str) -> dict[str, Any]:
    def done() -> bool:
        return client.describe_jobs(jobs=[job_id])["jobs"][0]["status"] in ("SUCCEEDED", "FAILED")

    wait_until(done, f"job {job_id} to finish")
    return dict(client.describe_jobs(jobs=[job_id])["jobs"][0])


def log_of(broker: Broker, told: dict[str, Any]) -> list[str]:
    answer = speak(broker, "logs").get_log_events(
        logGroupName="/aws/batch/job",
        logStreamName=told["container"]["logStreamName"],
        startFromHead=True,
    )
    return [one["message"] for one in answer["events"]]


def test_a_task_sees_what_batch_sets(broker: Broker) -> None:
    client = speak(broker)
    names = "$AWS_BATCH_JOB_ID $AWS_BATCH_JOB_ATTEMPT $AWS_BATCH_JQ_NAME $AWS_EXECUTION_ENV"
    job_id = submit(client, f"echo {names}")
    told = finished(client, job_id)
    assert told["status"] == "SUCCEEDED"
    assert log_of(broker, told) == [f"{job_id} 1 default AWS_ECS_EC2"]


def test_an_array_runs_each_child_by_its_index(broker: Broker) -> None:
    client = speak(broker)
    job_id = submit(client, "exit $AWS_BATCH_JOB_ARRAY_INDEX", arrayProperties={"size": 3})
    told = finished(client, job_id)
    summary = told["arrayProperties"]["statusSummary"]
    assert (told["status"], summary["SUCCEEDED"], summary["FAILED"]) == ("FAILED", 1, 2)
    pages = client.get_paginator("list_jobs").paginate(arrayJobId=job_id, jobStatus="FAILED")
    codes = [one["container"]["exitCode"] for page in pages for one in page["jobSummaryList"]]
    assert codes == [1, 2]


def test_a_retry_strategy_looks_at_the_exit_code(broker: Broker) -> None:
    client = speak(broker)
    rules = [
        {"action": "RETRY", "onExitCode": "7"},
        {"action": "EXIT", "onExitCode": "*"},
    ]
    strategy = {"attempts": 3, "evaluateOnExit": rules}
    again = submit(client, "exit $((9 - 2 * AWS_BATCH_JOB_ATTEMPT))", retryStrategy=strategy)
    told = finished(client, again)
    codes = [one["container"]["exitCode"] for one in told["attempts"]]
    assert (told["status"], codes) == ("FAILED", [7, 5])


def test_once_a_key_is_issued_requests_must_be_signed_with_it(tmp_path: Any) -> None:
    with running(tmp_path) as broker:
        made = broker.run("keys", "create", "--tenant", "acme", "--data-dir", str(tmp_path))
        assert made.returncode == 0, made.stderr
        key, secret = (line.partition("=")[2] for line in made.stdout.splitlines())
        assert speak(broker, "batch", key, secret).describe_job_queues()["jobQueues"]
        for other in (("any", "any"), (key, "wrong")):
            with pytest.raises(ClientError) as caught:
                speak(broker, "batch", *other).describe_job_queues()
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
