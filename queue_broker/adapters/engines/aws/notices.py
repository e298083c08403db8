"""Batch's state-change events, from EventBridge through an SQS queue."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from queue_broker.adapters.engines.aws.faults import calling
from queue_broker.adapters.engines.aws.fleet import Fleet

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

log = logging.getLogger(__name__)

STATE_CHANGE = "Batch Job State Change"
QUEUE_BLOCKED = "Batch Job Queue Blocked"
#: Receipts of one poll; SQS gives ten messages for each.
MOST_RECEIVED = 20


@dataclass(slots=True)
class Notices:
    """Reads the queue. A message is deleted once it was heard: should the broker die before its
    news is in the store, the job is looked at again, since the state itself is in Batch."""

    sqs: SQSClient
    url: str
    hear: Callable[[Mapping[str, Any]], None]
    fleet: Fleet

    def read(self) -> int:
        """Hear what is there, for a bounded number of calls; how many messages. `Unavailable`."""
        heard = 0
        for _ in range(MOST_RECEIVED):
            with calling("sqs:ReceiveMessage"):
                answer = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
            messages = answer.get("Messages", [])
            if not messages:
                break
            for message in messages:
                self.take(message["Body"])
            gone = [
                {"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]}
                for place, message in enumerate(messages)
            ]
            with calling("sqs:DeleteMessage"):  # as IAM names it
                self.sqs.delete_message_batch(QueueUrl=self.url, Entries=gone)  # type: ignore[arg-type]
            heard += len(messages)
        return heard

    def take(self, body: str) -> None:
        """One event. What is none is said in the log, and dropped: it tells of no job of ours."""
        try:
            event = json.loads(body)
            detail, kind = event["detail"], event["detail-type"]
            if kind == STATE_CHANGE:
                self.hear(detail)
            elif kind == QUEUE_BLOCKED:
                self._blocked(event)
        except (ValueError, KeyError, TypeError) as error:
            log.warning("not an event of AWS Batch: %r", error, extra={"action": "notice_dropped"})

    def _blocked(self, event: Mapping[str, Any]) -> None:
        for arn in event.get("resources", ()):
            if ":job-queue/" in arn:
                why = event["detail"].get("statusReason", "the queue's head is blocked")
                self.fleet.shut(arn.rpartition("/")[2], why)
