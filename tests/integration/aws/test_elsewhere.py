"""Clients of a broker that was put before an account, and the jobs that the account has: boto3,
HTTP and real processes on both sides; moto's Batch tells the same in its own way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from headgate.job import Job
from queue_broker.adapters.upstream import BatchUpstream
from queue_broker.broker import Broker
from queue_broker.main import application
from tests.integration.aws.account import DEADLINE_S, Account
from tests.integration.aws.broker import broker
from tests.integration.aws.moto_server import Moto
from tests.integration.aws.stand_in import LANE, quick, speak
from tests.served import Server

ASKED = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}]


@contextmanager
def before(broker: Broker, batch: Any) -> Iterator[Any]:
    """boto3's client of a broker that has such a client of AWS."""
    broker.upstream = BatchUpstream(batch)
    server = Server(application(broker))
    try:
        yield speak(quick(server.open())).batch
    finally:
        server.close()


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    made = Account(tmp_path)
    yield made
    made.close()


@pytest.fixture
def aws(account: Account) -> Any:
    """What speaks to the account itself."""
    batch: Any = speak(quick(account.address)).submit  # tries nothing twice
    batch.register_job_definition(
        jobDefinitionName="theirs",
        type="container",
        containerProperties={
            "image": "busybox",
            "command": ["true"],
            "resourceRequirements": ASKED,
        },
    )
    return batch


def submit(aws: Any, name: str, **more: Any) -> str:
    given = {"jobName": name, "jobQueue": LANE, "jobDefinition": "theirs"} | more
    return str(aws.submit_job(**given)["jobId"])


def awaited(batch: Any, job_id: str, *states: str) -> Any:
    """The job as it is told once it is in one of these states."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        (job,) = batch.describe_jobs(jobs=[job_id])["jobs"]
        if job["status"] in states:
            return job
        assert time.monotonic() < deadline, (job["status"], job.get("statusReason"))
        time.sleep(0.05)


def test_a_client_that_waits_for_a_job_of_before_sees_it_end(account: Account, aws: Any) -> None:
    running = submit(aws, "of-before", containerOverrides={"command": ["sleep", "1"]})
    array = submit(aws, "many", arrayProperties={"size": 3})
    with before(account.broker, aws) as batch:
        assert awaited(batch, running, "SUCCEEDED") == aws.describe_jobs(jobs=[running])["jobs"][0]
        awaited(batch, array, "SUCCEEDED")
        listed = batch.list_jobs(arrayJobId=array, jobStatus="SUCCEEDED")["jobSummaryList"]
        assert [one["jobId"] for one in listed] == [f"{array}:{at}" for at in range(3)]


def test_a_lanes_queue_tells_of_who_submitted_to_it_and_not_of_the_brokers_leaks(
    account: Account, aws: Any
) -> None:
    account.carried_out(Job(name="sweep", command=("true",)), tasks=3)
    theirs = submit(aws, "theirs")
    awaited(aws, theirs, "SUCCEEDED")
    every = aws.list_jobs(jobQueue=LANE, jobStatus="SUCCEEDED")["jobSummaryList"]
    (leak,) = (one["jobId"] for one in every if one["jobName"] == "sweep-1")
    with before(account.broker, aws) as batch:
        listed = batch.list_jobs(jobQueue=LANE, jobStatus="SUCCEEDED")["jobSummaryList"]
        assert [one["jobId"] for one in listed] == [theirs]
        (told,) = batch.describe_jobs(jobs=[leak])["jobs"]
        assert told["tags"]["headgate:leak"] == "sweep-1"


def test_whoever_is_bound_to_no_tenant_ends_a_job_of_before(account: Account, aws: Any) -> None:
    running = submit(aws, "of-before", containerOverrides={"command": ["sleep", "60"]})
    awaited(aws, running, "RUNNING")
    with before(account.broker, aws) as batch:
        batch.terminate_job(jobId=running, reason="not needed")
        assert awaited(batch, running, "FAILED")["statusReason"] == "not needed"


def test_a_client_waits_until_aws_is_back_and_does_not_hear_that_there_is_no_such_job(
    account: Account, aws: Any
) -> None:
    theirs = submit(aws, "of-before")
    with before(account.broker, aws) as batch:
        account.stand_in.between.faults.failed = 1.0
        with pytest.raises(ClientError, match="cannot be asked for just now"):
            batch.describe_jobs(jobs=[theirs])
        back = threading.Timer(1, setattr, (account.stand_in.between.faults, "failed", 0.0))
        back.start()
        assert batch.describe_jobs(jobs=[theirs])["jobs"][0]["jobId"] == theirs
        back.join()


@pytest.fixture
def motos_batch(moto: Moto) -> Iterator[Any]:
    """Of moto, which ends jobs as they are submitted."""
    httpx.post(f"{moto.url}/moto-api/config", json={"batch": {"use_docker": False}})
    iam = moto.client("iam")
    role = iam.create_role(RoleName="batch", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    batch = moto.client("batch")
    batch.create_compute_environment(
        computeEnvironmentName="env", type="UNMANAGED", state="ENABLED", serviceRole=role
    )
    order = [{"order": 1, "computeEnvironment": "env"}]
    batch.create_job_queue(
        jobQueueName=LANE, state="ENABLED", priority=1, computeEnvironmentOrder=order
    )
    container = {"image": "busybox", "vcpus": 1, "memory": 64, "command": ["true"]}
    batch.register_job_definition(
        jobDefinitionName="theirs", type="container", containerProperties=container
    )
    yield batch
    iam.delete_role(RoleName="batch")


def test_what_moto_has_is_told_as_moto_tells_it(
    motos_batch: Any, moto: Moto, sqlite_url: str, tmp_path: Path
) -> None:
    aws = motos_batch
    theirs, array = (
        submit(aws, "one", tags={"a": "b"}),
        submit(aws, "2", arrayProperties={"size": 2}),
    )
    one = broker(sqlite_url, tmp_path, speak(quick(moto.url)))
    with before(one, aws) as batch:
        wanted = [f"{array}:1", theirs]
        told = batch.describe_jobs(jobs=wanted)["jobs"]
        assert [job["jobId"] for job in told] == wanted
        assert told[1] == aws.describe_jobs(jobs=[theirs])["jobs"][0]
        listed = batch.list_jobs(jobQueue=LANE, jobStatus="SUCCEEDED")["jobSummaryList"]
        assert {theirs, array} <= {
            job["jobId"] for job in listed
        }  # children too, which AWS leaves out
        children = batch.list_jobs(arrayJobId=array, jobStatus="SUCCEEDED")["jobSummaryList"]
        assert [job["jobId"] for job in children] == [f"{array}:0", f"{array}:1"]
        arn = told[1]["jobArn"]
        batch.tag_resource(resourceArn=arn, tags={"c": "d"})
        assert batch.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "b", "c": "d"}
        assert batch.describe_jobs(jobs=["nobody's"])["jobs"] == []
        assert batch.list_jobs(jobQueue="nobody's")["jobSummaryList"] == []
    one.engine.close()
    one.store.close()
