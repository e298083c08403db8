"""AWS Batch itself, for what the broker's wire protocol hands on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from headgate.errors import UpstreamRefused

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient


class BatchUpstream:
    """Calls operations by their names in the service's model."""

    def __init__(self, batch: BatchClient) -> None:
        self._batch = batch

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer = getattr(self._batch, xform_name(operation))(**parameters)
        except ClientError as error:
            told = error.response
            status = int(told.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
            code, message = told["Error"]["Code"], told["Error"].get("Message", "")
            raise UpstreamRefused(message, aws_code=code, status=status) from error
        except BotoCoreError as error:
            raise UpstreamRefused(str(error), status=503) from error
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}
