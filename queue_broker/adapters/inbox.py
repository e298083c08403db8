"""Jobs and sweeps that come as messages on SQS, and the answers that Step Functions waits for.

A message's body is what `POST /jobs` or `POST /sweeps` takes, as
`{"job": {...}}` or `{"sweep": {...}}`, with an optional `"taskToken"` (of
`sqs:sendMessage.waitForTaskToken`): then the job's end is sent back with it. A message that comes
twice is one job: its id stands for a client token where the job has none. What cannot be taken goes
to the dead-letter queue with the reason.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headgate.errors import HeadgateError, InvalidInput, Unavailable
from headgate.job import Job
from headgate.sweep import Sweep
from headgate.validation import parse
from queue_broker.adapters.engines.aws.faults import calling
from queue_broker.ports import Shelf
from queue_broker.records import Document, JobId

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

log = logging.getLogger(__name__)

#: Tokens of jobs that run, kept on the shelf until their answer was taken.
KIND = "task-token"
#: SQS's own bounds.
MOST_MESSAGES, MOST_REASON = 10, 1000
#: Submits, durably; the id of the job.
Submit = Callable[[Job | Sweep], JobId]


@dataclass(slots=True)
class Inbox:
    """Takes messages. One is deleted only after its job is in the store."""

    sqs: SQSClient
    url: str
    dead_letter_url: str | None
    submit: Submit
    shelf: Shelf

    def run(self) -> bool:
        """One bounded pass: whether there was anything. `Unavailable`."""
        with calling("sqs:ReceiveMessage"):
            answer = self.sqs.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=MOST_MESSAGES, WaitTimeSeconds=1
            )
        messages = answer.get("Messages", [])
        for message in messages:
            self._take(message["MessageId"], message["Body"])
            with calling("sqs:DeleteMessage"):
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return bool(messages)

    def _take(self, message_id: str, body: str) -> None:
        try:
            work, token = to_work(body, message_id)
            job_id = self.submit(work)
        except Unavailable:
            raise
        except HeadgateError as error:
            self._refuse(body, str(error))
            return
        if token is not None and self.shelf.get(KIND, job_id) is None:
            self.shelf.put(Document(KIND, job_id, {"token": token}))

    def _refuse(self, body: str, reason: str) -> None:
        log.warning(
            "a message of the inbox is no job: %s", reason, extra={"action": "message_refused"}
        )
        if self.dead_letter_url is None:
            return
        told = {"reason": {"DataType": "String", "StringValue": reason[:MOST_REASON]}}
        with calling("sqs:SendMessage"):
            self.sqs.send_message(
                QueueUrl=self.dead_letter_url,
                MessageBody=body,
                MessageAttributes=told,  # type: ignore[arg-type]
            )


def to_work(body: str, message_id: str) -> tuple[Job | Sweep, str | None]:
    """What a message asks for, and its task token; `InvalidInput` says what is wrong with it."""
    try:
        given = json.loads(body)
    except ValueError as error:
        raise InvalidInput.of("body", body, f"JSON ({error})") from error
    kinds = {"job", "sweep"} & given.keys() if isinstance(given, dict) else set()
    if len(kinds) != 1:
        raise InvalidInput.of("body", given, 'an object with either "job" or "sweep"')
    token = given.get("taskToken")
    if token is not None and not isinstance(token, str):
        raise InvalidInput.of("taskToken", token, "text, as Step Functions gives it")
    if "job" in kinds:
        return once(parse(Job, as_object(given, "job")), message_id), token
    sweep = parse(Sweep, as_object(given, "sweep"))
    return sweep.model_copy(update={"job": once(sweep.job, message_id)}), token


def as_object(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if not isinstance(given[name], dict):
        raise InvalidInput.of(name, given[name], "an object")
    found: Mapping[str, Any] = given[name]
    return found


def once(job: Job, message_id: str) -> Job:
    """SQS may deliver a message twice, with the same id."""
    return job if job.client_token else job.model_copy(update={"client_token": f"sqs-{message_id}"})
