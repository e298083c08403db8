"""What a failed call means: was it taken, and what mends it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from headgate.errors import Unavailable
from queue_broker.adapters.engines.aws.faults import Fault, calling, fault_of, words
from tests.unit.queue_broker.adapters.engines.aws.batch import error

URL = "https://batch.eu-central-1.amazonaws.com"


@pytest.mark.parametrize(
    ("failed", "fault"),
    [
        (error("TooManyRequestsException", status=429), Fault.THROTTLED),
        (error("ThrottlingException"), Fault.THROTTLED),
        (error("SomethingNew", status=429), Fault.THROTTLED),
        (error("AccessDeniedException", status=403), Fault.DENIED),
        (error("ExpiredTokenException", status=403), Fault.DENIED),
        (error("UnrecognizedClientException", status=403), Fault.DENIED),
        (error("ServerException", status=500), Fault.UNCLEAR),
        (error("ServiceUnavailable", status=503), Fault.UNCLEAR),
        (error("ClientException", "JobDefinition headgate-1:1 is INACTIVE"), Fault.NO_DEFINITION),
        (error("ClientException", "Job Definition x does not exist"), Fault.NO_DEFINITION),
        (error("ClientException", "JobQueue lane not found"), Fault.NO_QUEUE),
        (error("ClientException", "Container overrides too long"), Fault.REFUSED),
        (boto.ParamValidationError(report="x"), Fault.REFUSED),
        (boto.NoCredentialsError(), Fault.DENIED),
        (boto.TokenRetrievalError(provider="sso", error_msg="expired"), Fault.DENIED),
        (boto.EndpointConnectionError(endpoint_url=URL), Fault.AWAY),
        (boto.ConnectTimeoutError(endpoint_url=URL), Fault.AWAY),
        (boto.ReadTimeoutError(endpoint_url=URL), Fault.UNCLEAR),
        (boto.ConnectionClosedError(endpoint_url=URL), Fault.UNCLEAR),
    ],
)
def test_faults_are_told_apart(failed: Exception, fault: Fault) -> None:
    assert fault_of(failed) is fault


def test_whatever_is_not_known_to_be_untaken_is_unclear() -> None:
    """An answer that never came must not lead to a second submission."""
    assert fault_of(boto.HTTPClientError(error=ValueError())) is Fault.UNCLEAR
    assert fault_of(boto.BotoCoreError()) is Fault.UNCLEAR


def test_a_permission_that_lacks_is_named_with_its_policy_line() -> None:
    told = words("batch:SubmitJob", error("AccessDeniedException", "not authorised", 403))

    assert told.startswith("batch:SubmitJob is not permitted: not authorised")
    line: dict[str, Any] = json.loads(told.partition("lacks ")[2])
    assert line == {"Effect": "Allow", "Action": "batch:SubmitJob", "Resource": "*"}


@pytest.mark.parametrize(
    ("failed", "told"),
    [
        (error("ExpiredTokenException", "too old"), "expired or wrong (ExpiredTokenException)"),
        (boto.NoCredentialsError(), "there are no AWS credentials"),
        (boto.ConnectTimeoutError(endpoint_url=URL), "AWS could not be reached"),
        (error("ServerException", "oops", 500), "sqs:ReceiveMessage: ServerException: oops"),
    ],
)
def test_people_read_what_failed_and_why(failed: Exception, told: str) -> None:
    said = words("sqs:ReceiveMessage", failed)

    assert said.startswith("sqs:ReceiveMessage")
    assert told in said


def test_a_failed_call_is_unavailable_and_other_errors_are_not_hidden() -> None:
    with (
        pytest.raises(Unavailable, match="batch:ListJobs: ServerException"),
        calling("batch:ListJobs"),
    ):
        raise error("ServerException", status=500)
    with pytest.raises(ZeroDivisionError), calling("batch:ListJobs"):
        raise ZeroDivisionError


def test_a_page_of_a_proxy_in_place_of_an_answer_is_told_in_a_line() -> None:
    page = ResponseParserError("invalid XML received:\n<!doctype html>\n<title>Sign in</title>")
    with pytest.raises(Unavailable) as told, calling("iam:SimulatePrincipalPolicy"):
        raise page
    assert str(told.value) == (
        "iam:SimulatePrincipalPolicy: what answered is not AWS, or not well: "
        "invalid XML received: <!doctype html> <title>Sign in</title>"
    )
