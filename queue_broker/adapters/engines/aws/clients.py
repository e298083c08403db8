"""boto3's clients, each made once and configured for one Region."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

    from queue_broker.settings import AwsSettings

#: How many threads submit at once: at 50 calls a second and 100 ms a call, five are busy.
SUBMITTERS = 8


class Clients:
    """Made when first used. `submit` never tries again by itself: SubmitJob has no idempotency
    token, and a second try after a lost answer would start everything twice. All other calls may
    be repeated. Credentials are the session's: environment, profile or role."""

    def __init__(self, settings: AwsSettings, session: boto3.Session) -> None:
        self._settings = settings
        self._session = session

    @cached_property
    def submit(self) -> BatchClient:
        made: BatchClient = self._client("batch", attempts=1)
        return made

    @cached_property
    def batch(self) -> BatchClient:
        made: BatchClient = self._client("batch")
        return made

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        made: CloudWatchLogsClient = self._client("logs")
        return made

    @cached_property
    def s3(self) -> S3Client:
        made: S3Client = self._client("s3")
        return made

    @cached_property
    def sqs(self) -> SQSClient:
        made: SQSClient = self._client("sqs")
        return made

    @cached_property
    def events(self) -> EventBridgeClient:
        made: EventBridgeClient = self._client("events")
        return made

    @cached_property
    def steps(self) -> SFNClient:
        made: SFNClient = self._client("stepfunctions")
        return made

    def _client(self, service: str, attempts: int = 4) -> Any:
        return client(self._session, service, self._settings, attempts)


def connect_clients(settings: AwsSettings, region: str) -> Clients:
    return Clients(settings, boto3.Session(region_name=region))


def client(session: Any, service: str, settings: AwsSettings, attempts: int) -> Any:
    """`endpoint_urls` takes the place of AWS's own address, for another Region's or a test's."""
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=5,
        read_timeout=20,
        max_pool_connections=SUBMITTERS + 2,
        user_agent_extra="headgate",
        signature_version="s3v4" if service == "s3" else None,
    )
    return session.client(service, endpoint_url=settings.endpoint_urls.get(service), config=config)
