from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.parsers import ResponseParserError

from headgate.errors import UpstreamRefused
from queue_broker.adapters import upstream
from queue_broker.adapters.upstream import AT_ONCE, BatchUpstream

GONE = ReadTimeoutError(endpoint_url="https://batch.example")


class Aws:
    """A client whose calls hang until they are let go, and then fail or not."""

    def __init__(self) -> None:
        self.go = Event()
        self.begun = 0
        self.fails: Exception | None = None

    def _make_api_call(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        self.begun += 1
        assert self.go.wait(10)
        if self.fails is not None:
            raise self.fails
        return {"jobs": [], "ResponseMetadata": {"HTTPStatusCode": 200}}


@pytest.fixture
def aws() -> Aws:
    return Aws()


@pytest.fixture
def asked(aws: Aws) -> BatchUpstream:
    client: Any = aws
    return BatchUpstream(client)


def ask(asked: BatchUpstream) -> dict[str, Any]:
    return asked.call("DescribeJobs", {"jobs": ["x"]})


def begin(
    aws: Aws, asked: BatchUpstream, pool: ThreadPoolExecutor, calls: int
) -> list[Future[Any]]:
    """So many calls that hang."""
    until = aws.begun + calls
    begun = [pool.submit(ask, asked) for _ in range(calls)]
    while aws.begun < until:
        pass
    return begun


def test_while_aws_is_out_of_reach_one_call_tries_and_others_are_told_at_once(
    aws: Aws, asked: BatchUpstream
) -> None:
    aws.fails = GONE
    aws.go.set()
    with pytest.raises(UpstreamRefused, match=r"https://batch.example"):
        ask(asked)
    aws.go.clear()
    with ThreadPoolExecutor() as pool:
        (trial,) = begin(aws, asked, pool, 1)
        for _ in range(3):
            with pytest.raises(UpstreamRefused, match=r"https://batch.example") as caught:
                ask(asked)
            assert caught.value.status == 503
        assert aws.begun == 2
        aws.fails = None
        aws.go.set()
        assert trial.result(10) == {"jobs": []}
        assert [one.result(10) for one in begin(aws, asked, pool, 3)] == [{"jobs": []}] * 3


def test_so_many_calls_at_once_and_no_more_wait_for_an_aws_that_is_slow(
    aws: Aws, asked: BatchUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "PATIENCE_S", 0.01)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        begun = begin(aws, asked, pool, AT_ONCE)
        with pytest.raises(UpstreamRefused, match="answers slowly") as caught:
            ask(asked)
        assert (caught.value.aws_code, caught.value.status) == ("TooManyRequestsException", 429)
        aws.go.set()
        assert [one.result(10) for one in begun] == [{"jobs": []}] * AT_ONCE
        assert ask(asked) == {"jobs": []}


def test_what_is_no_answer_of_aws_is_said_in_words(aws: Aws, asked: BatchUpstream) -> None:
    aws.fails = ResponseParserError("invalid JSON: <html>")
    aws.go.set()
    with pytest.raises(UpstreamRefused, match="what answered is not AWS"):
        ask(asked)
