"""AWS Batch behind the broker: what the broker does not keep itself is asked of it, as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from headgate.errors import UpstreamRefused

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient


class BatchUpstream:
    """`queue_broker.ports.Upstream` by boto3, with the broker's own credentials."""

    def __init__(self, client: BatchClient) -> None:
        self._client: Any = client

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        try:
            # Not by the method's name: the operation comes from the same model as the request.
            answer: dict[str, Any] = self._client._make_api_call(operation, dict(parameters))
        except ClientError as error:
            told: Any = error.response
            status = int(told.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
            words = told["Error"].get("Message", str(error))
            code = told["Error"]["Code"]
            raise UpstreamRefused(words, aws_code=code, status=status) from error
        except BotoCoreError as error:
            words = f"AWS Batch cannot be reached: {error}"
            raise UpstreamRefused(words, status=503) from error
        answer.pop("ResponseMetadata", None)
        return answer
