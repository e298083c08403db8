"""moto's server: S3, SQS, EventBridge, Step Functions and more: Logs, and Batch's control plane."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import boto3
from moto.server import ThreadedMotoServer


@dataclass(slots=True)
class Moto:
    """One server for a session; every test makes its own buckets and queues in it."""

    url: str
    session: boto3.Session = field(
        default_factory=lambda: boto3.Session("key", "secret", region_name="us-east-1")
    )
    _numbers: Iterator[int] = field(default_factory=count)

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.url)  # type: ignore[call-overload]

    def bucket(self) -> str:
        name = f"bucket-{next(self._numbers)}"
        self.client("s3").create_bucket(Bucket=name)
        return name

    def queue(self) -> str:
        """The URL of a new SQS queue."""
        name = f"queue-{next(self._numbers)}"
        return str(self.client("sqs").create_queue(QueueName=name)["QueueUrl"])


@contextmanager
def moto_server() -> Iterator[Moto]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    try:
        yield Moto(f"http://127.0.0.1:{port}")
    finally:
        server.stop()
