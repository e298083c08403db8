"""Jobs and sweeps that come as messages on SQS, and the answers that Step Functions waits for.

A message's body is `{"job": {...}}` or `{"sweep": {...}}`, as `POST /jobs` and `POST /sweeps` take
them, or SubmitJob's arguments as `{"submitJob": {...}}` (what `headgate stepfunctions rewrite`
makes states send). With `"taskToken"` (of `sqs:sendMessage.waitForTaskToken`) the job's end is sent
back, or with `"wait": false` that it was taken. A message that comes twice is one job: its id
stands for a client token. What cannot be taken goes to the dead-letter queue with the reason.

With `"wait": true` the state stands for Batch's own `.sync`: when nobody waits any more, the job is
stopped. With `"answeredByJob": true` the job has the token, and only a refusal is sent back.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

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
#: What SubmitJob's arguments ask for; `InvalidInput`.
Translate = Callable[[Mapping[str, Any]], Job | Sweep]
KINDS = ("job", "sweep", "submitJob")


class Answers(Protocol):
    """Who waits for a message's job; `token` is Step Functions' own."""

    def taken(self, token: str, job_id: JobId) -> None:
        """It is submitted, and nobody waits for its end."""

    def refused(self, token: str, reason: str) -> None:
        """It never will be submitted."""


@dataclass(slots=True)
class Inbox:
    """Takes messages. One is deleted only after its job is in the store."""

    sqs: SQSClient
    url: str
    dead_letter_url: str | None
    submit: Submit
    translate: Translate
    answers: Answers
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
        token = None
        try:
            given = to_given(body)
            token = to_token(given)
            job_id = self.submit(once(to_work(given, self.translate), message_id))
        except Unavailable:
            raise
        except HeadgateError as error:
            self._refuse(body, str(error))
            if token is not None:
                self.answers.refused(token, str(error))
            return
        if token is not None and not given.get("answeredByJob"):
            self._promise(token, job_id, given.get("wait"))

    def _promise(self, token: str, job_id: JobId, wait: object) -> None:
        if wait is False:
            self.answers.taken(token, job_id)
        elif self.shelf.get(KIND, job_id) is None:
            self.shelf.put(Document(KIND, job_id, {"token": token, "stops": wait is True}))

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


def to_given(body: str) -> Mapping[str, Any]:
    """The message as an object; `InvalidInput` says what is wrong with it."""
    try:
        given = json.loads(body)
    except ValueError as error:
        raise InvalidInput.of("body", body, f"JSON ({error})") from error
    if not isinstance(given, dict) or len(given.keys() & set(KINDS)) != 1:
        raise InvalidInput.of("body", given, f"an object with one of {', '.join(KINDS)}")
    return given


def to_token(given: Mapping[str, Any]) -> str | None:
    token = given.get("taskToken")
    if token is None or isinstance(token, str):
        return token
    raise InvalidInput.of("taskToken", token, "text, as Step Functions gives it")


def to_work(given: Mapping[str, Any], translate: Translate) -> Job | Sweep:
    (kind,) = given.keys() & set(KINDS)
    asked = given[kind]
    if not isinstance(asked, dict):
        raise InvalidInput.of(kind, asked, "an object")
    if kind == "submitJob":
        return translate(asked)
    return parse(Job, asked) if kind == "job" else parse(Sweep, asked)


def once(work: Job | Sweep, message_id: str) -> Job | Sweep:
    """SQS may deliver a message twice, with the same id: that stands for a client token."""
    job = work if isinstance(work, Job) else work.job
    if job.client_token:
        return work
    named = job.model_copy(update={"client_token": f"sqs-{message_id}"})
    return named if isinstance(work, Job) else work.model_copy(update={"job": named})
