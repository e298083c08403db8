"""AWS Batch behind the broker: what the broker does not keep itself is asked of it, as it is."""

from __future__ import annotations

from collections.abc import Mapping
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from headgate.errors import UpstreamRefused
from queue_broker.adapters.engines.aws.faults import FAILED, Fault, fault_of, words

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

#: Calls at one time: each holds one of the forty threads that all requests share.
AT_ONCE = 16
#: How long a call waits until others are done; with AWS in reach, one takes a tenth of that.
PATIENCE_S = 1.0
BUSY = f"AWS Batch is asked {AT_ONCE} things at once already, and answers slowly"


class BatchUpstream:
    """`queue_broker.ports.Upstream` by boto3, with the broker's own credentials.

    What does not answer keeps a call for a minute and longer. So while AWS is out of reach one call
    at a time tries whether it still is, and all others are told so at once.
    """

    def __init__(self, client: BatchClient) -> None:
        self._client: Any = client
        self._turns = BoundedSemaphore(AT_ONCE)
        self._trial = Lock()
        self._away: str | None = None

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        away = self._away
        turn, patience_s = (self._turns, PATIENCE_S) if away is None else (self._trial, 0.0)
        if not turn.acquire(timeout=patience_s):
            if away is None:
                raise UpstreamRefused(BUSY, aws_code="TooManyRequestsException", status=429)
            raise UpstreamRefused(away, status=503)
        try:
            return self._ask(operation, parameters)
        finally:
            turn.release()

    def _ask(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        try:
            # Not by the method's name: the operation comes from the same model as the request.
            answer: dict[str, Any] = self._client._make_api_call(operation, dict(parameters))
        except ClientError as error:
            self._away = None
            raise refusal(error) from error
        except FAILED as error:
            why = words(f"batch:{operation}", error)
            if fault_of(error) is not Fault.REFUSED:  # that was never sent
                self._away = why
            raise UpstreamRefused(why, status=503) from error
        self._away = None
        answer.pop("ResponseMetadata", None)
        return answer


def refusal(error: ClientError) -> UpstreamRefused:
    """In AWS's own words."""
    told: Any = error.response
    status = int(told.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
    message = told["Error"].get("Message", str(error))
    return UpstreamRefused(message, aws_code=told["Error"]["Code"], status=status)
