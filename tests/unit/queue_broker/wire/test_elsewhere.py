"""Jobs that AWS has and the broker before it does not; another broker's protocol stands for AWS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from queue_broker.adapters.engines.aws.definitions import name_of
from queue_broker.adapters.upstream import BatchUpstream
from queue_broker.wire.keys import new_key
from tests.unit.queue_broker.wire.batch import Batch, refusal

NODE = {"image": "busybox", "vcpus": 1, "memory": 128, "command": ["train"]}


@pytest.fixture
def batch(aws: Batch, database_url: str, tmp_path: Path) -> Iterator[Batch]:
    """A broker before AWS, which has the definition `plain`, and a queue that both know."""
    aws.define()
    batch = Batch(database_url, tmp_path, upstream=BatchUpstream(aws.client), engine="aws")
    yield batch
    batch.close()


@pytest.fixture
def asked(aws: Batch) -> list[tuple[str, dict[str, Any]]]:
    """What is asked of AWS from now on."""
    calls: list[tuple[str, dict[str, Any]]] = []
    call = aws.client._make_api_call

    def counted(operation: str, given: dict[str, Any]) -> Any:
        calls.append((operation, given))
        return call(operation, given)

    aws.client._make_api_call = counted
    return calls


def operations(asked: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [operation for operation, _ in asked]


def ids(answer: dict[str, Any], member: str = "jobSummaryList") -> list[str]:
    return [one["jobId"] for one in answer[member]]


def test_a_job_that_was_submitted_to_aws_before_is_told_as_aws_tells_it(
    aws: Batch, batch: Batch
) -> None:
    before = aws.submit(tags={"a": "b"})
    aws.turn()
    assert batch.describe(before) == aws.describe(before)
    arn = aws.describe(before)["jobArn"]
    assert ids(batch.client.describe_jobs(jobs=[arn]), "jobs") == [before]


def test_jobs_of_the_broker_and_of_aws_are_told_in_the_order_asked_in_one_call_of_aws(
    aws: Batch, batch: Batch, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    theirs = aws.submit(arrayProperties={"size": 3})
    mine = batch.submit(arrayProperties={"size": 3})
    wanted = [f"{theirs}:2", f"{mine}:1", "nobody's", theirs, mine]
    asked.clear()
    told = ids(batch.client.describe_jobs(jobs=[*wanted, theirs, f"{mine}:01"]), "jobs")
    assert told == [one for one in wanted if one != "nobody's"]
    described = [given for operation, given in asked if operation == "DescribeJobs"]
    assert described == [{"jobs": [f"{theirs}:2", "nobody's", theirs]}]


def test_aws_is_not_asked_for_jobs_that_the_broker_has(
    batch: Batch, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    mine = batch.submit(arrayProperties={"size": 3})
    asked.clear()
    batch.client.describe_jobs(jobs=[mine, f"{mine}:0", mine])
    batch.client.list_jobs(arrayJobId=mine)
    batch.client.terminate_job(jobId=mine, reason="enough")
    arn = batch.describe(mine)["jobArn"]
    batch.client.tag_resource(resourceArn=arn, tags={"a": "b"})
    assert batch.client.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "b"}
    assert operations(asked) == ["DescribeJobDefinitions"]


def test_children_of_an_array_that_aws_has_are_listed_page_by_page(
    aws: Batch, batch: Batch
) -> None:
    theirs = aws.submit(arrayProperties={"size": 5})
    aws.turn()
    pages = batch.client.get_paginator("list_jobs").paginate(
        arrayJobId=aws.describe(theirs)["jobArn"],
        jobStatus="SUCCEEDED",
        PaginationConfig={"PageSize": 2},
    )
    found = [ids(page) for page in pages]
    assert found == [[f"{theirs}:{at}" for at in page] for page in ((0, 1), (2, 3), (4,))]


def test_nodes_of_a_job_that_aws_has_are_listed_and_told(aws: Batch, batch: Batch) -> None:
    ranges = [{"targetNodes": "0:2", "container": NODE}]
    properties = {"numNodes": 3, "mainNode": 0, "nodeRangeProperties": ranges}
    aws.client.register_job_definition(
        jobDefinitionName="nodes", type="multinode", nodeProperties=properties
    )
    theirs = aws.submit(jobDefinition="nodes")
    aws.turn()
    listed = batch.client.list_jobs(multiNodeJobId=theirs, jobStatus="SUCCEEDED")
    assert ids(listed) == [f"{theirs}#{at}" for at in range(3)]
    assert batch.describe(f"{theirs}#1")["nodeDetails"] == {"nodeIndex": 1, "isMainNode": False}


def test_a_queue_that_aws_has_tells_of_its_jobs_behind_the_brokers_own(
    aws: Batch, batch: Batch
) -> None:
    theirs = [aws.submit(jobName=f"theirs-{at}") for at in range(3)]
    mine = [batch.submit(jobName=f"mine-{at}") for at in range(4)]
    pages = batch.client.get_paginator("list_jobs").paginate(
        jobQueue="default", jobStatus="SUBMITTED", PaginationConfig={"PageSize": 2}
    )
    found = [ids(page) for page in pages]
    assert [len(page) for page in found] == [2, 2, 2, 1]
    assert [one for page in found for one in page] == [*mine[::-1], *theirs[::-1]]


def test_within_a_page_the_newest_comes_first_whoever_has_it(aws: Batch, batch: Batch) -> None:
    old, young = batch.submit(jobName="train"), batch.submit(jobName="other")
    aws.clock.now_s += 60
    theirs = aws.submit(jobName="train")
    filters = [{"name": "JOB_NAME", "values": ["tra*"]}]
    assert ids(batch.client.list_jobs(jobQueue="default", filters=filters)) == [theirs, old]
    listed = batch.client.list_jobs(jobQueue="default", jobStatus="SUBMITTED")
    assert ids(listed) == [theirs, young, old]


def test_a_queue_that_aws_has_not_is_the_brokers_alone(batch: Batch) -> None:
    mine = batch.submit(jobQueue="mine")
    assert ids(batch.client.list_jobs(jobQueue="mine", jobStatus="SUBMITTED")) == [mine]
    assert ids(batch.client.list_jobs(jobQueue="nobody's")) == []


def of_a_leak(aws: Batch, job: str) -> str:
    """A job on AWS as the engine submits one, for tasks of the broker's job."""
    name = name_of("headgate", {"image": "busybox"})
    aws.define(name)
    return aws.submit(jobName=f"{job}-1", jobDefinition=name, arrayProperties={"size": 2})


def test_the_brokers_leaks_are_told_by_their_ids_and_listed_in_no_queue(
    aws: Batch, batch: Batch
) -> None:
    mine = batch.submit()
    leak, theirs = of_a_leak(aws, mine), aws.submit()
    assert ids(batch.client.describe_jobs(jobs=[leak, f"{leak}:1"]), "jobs") == [leak, f"{leak}:1"]
    listed = batch.client.list_jobs(jobQueue="default", jobStatus="SUBMITTED")
    assert ids(listed) == [mine, theirs]


@pytest.mark.parametrize("child", ["", ":1"])
def test_a_leak_is_not_stopped_by_its_own_id_but_by_its_jobs(
    aws: Batch, batch: Batch, child: str
) -> None:
    mine = batch.submit()
    leak = of_a_leak(aws, mine)
    with pytest.raises(ClientError, match=f"{leak}{child} runs tasks of .* job {mine}: name that"):
        batch.client.terminate_job(jobId=f"{leak}{child}", reason="enough")
    assert aws.describe(leak)["status"] == "SUBMITTED"
    arn = aws.describe(leak)["jobArn"]
    with pytest.raises(ClientError, match="runs tasks of"):
        batch.client.untag_resource(resourceArn=arn, tagKeys=["headgate:stack"])


def test_who_is_bound_to_no_tenant_stops_what_aws_alone_has(aws: Batch, batch: Batch) -> None:
    jobs = [aws.submit() for _ in range(4)]
    batch.client.cancel_job(jobId=jobs[0], reason="not needed")
    batch.client.terminate_job(jobId=jobs[1], reason="enough")
    answer = batch.client.terminate_jobs(jobs=[*jobs[2:], "nobody's"], reason="all")
    assert (answer["successful"], answer["errors"]) == ([*jobs[2:], "nobody's"], [])
    told = [(one["status"], one["statusReason"]) for one in map(aws.describe, jobs)]
    assert told == [("FAILED", why) for why in ("not needed", "enough", "all", "all")]


@pytest.fixture
def tenants_client(batch: Batch, clock: None) -> Any:
    """A client whose key speaks for a tenant."""
    key = new_key(batch.broker.shelf, "research", batch.clock())
    batch.restart()
    return batch.speak("batch", key.key_id, key.secret)


def test_the_brokers_credentials_stop_nobodys_job_for_a_tenant(
    aws: Batch, batch: Batch, tenants_client: Any
) -> None:
    theirs = aws.submit()
    for stop in (tenants_client.cancel_job, tenants_client.terminate_job):
        with pytest.raises(ClientError) as caught:
            stop(jobId=theirs, reason="enough")
        code, status, words = refusal(caught.value)
        assert (code, status) == ("AccessDeniedException", 403)
        assert "was submitted to AWS Batch itself" in words
        assert "tenant 'research'" in words
    answer = tenants_client.cancel_jobs(jobs=[theirs, "nobody's"], reason="all")
    assert answer["successful"] == ["nobody's"]
    assert [one["code"] for one in answer["errors"]] == ["AccessDeniedException"]
    assert aws.describe(theirs)["status"] == "SUBMITTED"


def test_to_stop_what_has_ended_on_aws_is_no_error_for_anybody(
    aws: Batch, tenants_client: Any
) -> None:
    theirs = aws.submit()
    aws.turn()
    tenants_client.terminate_job(jobId=theirs, reason="late")
    tenants_client.terminate_job(jobId="nobody's", reason="late")
    assert aws.describe(theirs)["status"] == "SUCCEEDED"


def test_tags_of_what_aws_alone_has_are_told_to_all_and_changed_for_no_tenant(
    aws: Batch, batch: Batch, tenants_client: Any
) -> None:
    arn = aws.describe(aws.submit(tags={"a": "b"}))["jobArn"]
    assert tenants_client.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "b"}
    for change, given in (
        (tenants_client.tag_resource, {"tags": {"c": "d"}}),
        (tenants_client.untag_resource, {"tagKeys": ["a"]}),
    ):
        with pytest.raises(ClientError, match="tenant 'research'"):
            change(resourceArn=arn, **given)
    assert aws.client.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "b"}
    unknown = arn.rpartition("/")[0] + "/none"
    with pytest.raises(ClientError, match="allowed: the ARN of a job that exists"):
        tenants_client.tag_resource(resourceArn=unknown, tags={"a": "b"})


def test_who_is_bound_to_no_tenant_changes_tags_on_aws(aws: Batch, batch: Batch) -> None:
    arn = aws.describe(aws.submit(tags={"a": "b"}))["jobArn"]
    batch.client.tag_resource(resourceArn=arn, tags={"c": "d"})
    batch.client.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert batch.client.list_tags_for_resource(resourceArn=arn)["tags"] == {"c": "d"}
    assert aws.client.list_tags_for_resource(resourceArn=arn)["tags"] == {"c": "d"}


def test_what_cannot_be_waited_for_is_said_as_it_is_submitted(aws: Batch, batch: Batch) -> None:
    theirs = aws.submit()
    with pytest.raises(ClientError) as caught:
        batch.submit(dependsOn=[{"jobId": batch.submit()}, {"jobId": theirs}])
    words = refusal(caught.value)[2]
    assert f"dependsOn.2.jobId: got '{theirs}'" in words
    assert "waits for none that AWS Batch alone has" in words


def test_while_aws_is_away_a_job_is_not_said_to_be_none(
    aws: Batch, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, mine = aws.submit(), batch.submit()

    def unreachable(*args: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="https://batch.example")

    monkeypatch.setattr(aws.client, "_make_api_call", unreachable)
    for ask, given in (
        (batch.client.describe_jobs, {"jobs": [mine, theirs]}),
        (batch.client.list_jobs, {"arrayJobId": theirs}),
        (batch.client.list_jobs, {"jobQueue": "default"}),
        (batch.client.terminate_job, {"jobId": theirs, "reason": "enough"}),
    ):
        with pytest.raises(ClientError) as caught:
            ask(**given)
        code, status, words = refusal(caught.value)
        assert (code, status) == ("TooManyRequestsException", 429)
        assert "https://batch.example" in words
    assert batch.describe(mine)["jobId"] == mine


def test_what_aws_refuses_is_told_in_its_words(
    aws: Batch, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: Any = {
        "Error": {"Code": "AccessDeniedException", "Message": "not authorized to: ListJobs"},
        "ResponseMetadata": {"HTTPStatusCode": 403},
    }

    def denied(operation: str, given: dict[str, Any]) -> Any:
        raise ClientError(told, operation)

    monkeypatch.setattr(aws.client, "_make_api_call", denied)
    for given in ({"arrayJobId": "x"}, {"jobQueue": "default"}):
        with pytest.raises(ClientError, match="not authorized to: ListJobs") as caught:
            batch.client.list_jobs(**given)
        assert refusal(caught.value)[:2] == ("AccessDeniedException", 403)
