from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from headgate.errors import Throttled, Unavailable
from queue_broker.wire import model
from queue_broker.wire.router import JOBS, KEPT, MERGED, SUBMIT, TAGS
from tests.unit.queue_broker.wire.batch import Batch


def post(batch: Batch, path: str, content: bytes) -> tuple[int, str, dict[str, Any]]:
    """Status, code and body of a raw answer."""
    answer = batch.send("POST", path, content, {})
    return answer.status_code, answer.headers.get("x-amzn-errortype", ""), answer.json()


def test_every_operation_served_is_one_of_the_model() -> None:
    served = {SUBMIT, *JOBS, *KEPT, *MERGED, *TAGS}
    assert served <= {one.name for one in model.operations()}


def test_an_answer_carries_a_request_id(batch: Batch) -> None:
    answer = batch.client.describe_job_queues()
    assert len(answer["ResponseMetadata"]["RequestId"]) == 36


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "SerializationException"),
        (b"[]", "SerializationException"),
        (b'{"jobs": NaN}', "SerializationException"),
        (b"[" * 100_000, "SerializationException"),
        (b'{"jobs": "x"}', "ClientException"),
        (b"", "ClientException"),
    ],
)
def test_a_bad_body_is_refused(batch: Batch, content: bytes, code: str) -> None:
    status, told, body = post(batch, "/v1/describejobs", content)
    assert (status, told) == (400, code)
    assert body["message"]


def test_a_body_beyond_all_limits_is_not_read_to_its_end(batch: Batch) -> None:
    assert post(batch, "/v1/describejobs", b" " * ((1 << 20) + 1))[0] == 413


def test_an_operation_that_does_not_exist_is_told(batch: Batch) -> None:
    assert post(batch, "/v1/nosuchthing", b"{}")[:2] == (404, "UnknownOperationException")


def test_an_operation_that_needs_aws_is_told(batch: Batch) -> None:
    status, code, body = post(batch, "/v1/describeservicejob", b'{"jobId": "x"}')
    assert (status, code) == (400, "ClientException")
    assert "without AWS Batch behind the broker" in body["message"]


def test_what_there_is_none_of_without_aws_is_listed_as_nothing(batch: Batch) -> None:
    client = batch.client
    assert client.list_consumable_resources()["consumableResources"] == []
    assert client.describe_service_environments()["serviceEnvironments"] == []
    assert client.list_quota_shares(jobQueue="default")["quotaShares"] == []
    assert client.list_service_jobs()["jobSummaryList"] == []


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Throttled("too many"), 429, "TooManyRequestsException"),
        (Unavailable("the database is away"), 500, "ServerException"),
        (RuntimeError("a bug"), 500, "ServerException"),
    ],
)
def test_the_brokers_own_troubles_are_told_as_awss(
    batch: Batch, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    def fail(submissions: Any) -> Any:
        raise error

    monkeypatch.setattr(batch.broker.store, "add", fail)
    content = {"jobName": "j", "jobQueue": "default", "jobDefinition": "plain"}
    told = post(batch, "/v1/submitjob", json.dumps(content).encode())
    assert told[:2] == (status, code)


def test_without_botocore_the_answer_says_how_to_get_it(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch.restart()
    model.operations.cache_clear()
    model.load.cache_clear()
    monkeypatch.setitem(sys.modules, "botocore.loaders", None)
    status, code, body = post(batch, "/v1/describejobqueues", b"{}")
    monkeypatch.undo()
    assert (status, code) == (500, "ServerException")
    assert "pip install 'headgate[aws]'" in body["message"]
