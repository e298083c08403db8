"""Answers to Step Functions: how the jobs ended that came with a task token."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from headgate.errors import NotFound
from headgate.lifecycle import FINISHED, State
from queue_broker.adapters.engines.aws.faults import calling, code_of
from queue_broker.adapters.inbox import KIND
from queue_broker.ports import Reader, Shelf
from queue_broker.records import Document, JobId

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

#: Step Functions takes so many characters of a cause.
MOST_CAUSE = 32_768
#: What is told of a failure whose job has too much in it: large environments, many attempts.
BRIEFLY = ("JobArn", "JobId", "JobName", "JobQueue", "Status", "StatusReason")
FAILED = "Batch.JobFailed"
REFUSED = "Batch.ClientException"
#: Nobody waits for the answer any more: the state timed out, or its machine was stopped.
CLOSED = "TaskTimedOut"
GONE = frozenset({CLOSED, "TaskDoesNotExist", "InvalidToken"})
NOBODY_WAITS = "the state machine does not wait for it any more"


@dataclass(slots=True)
class Callbacks:
    """The end of a job as success or failure; until then, now and then, a heartbeat."""

    steps: SFNClient
    shelf: Shelf
    reader: Reader
    tell: Callable[[JobId], Mapping[str, Any]]  #: a job as `batch:submitJob.sync` answers
    stop: Callable[[JobId, str], None]  #: a job, and why; idempotent
    beat_s: float = 30.0
    _beaten_s: dict[str, float] = field(default_factory=dict)

    def run(self, now_s: float) -> bool:
        """One pass over the tokens that wait; whether any was answered. `Unavailable`."""
        answered = False
        after: tuple[str, int] | None = None
        while documents := self.shelf.page(KIND, after, 100):
            after = (documents[-1].name, documents[-1].revision)
            answered |= sum(self._answer(document, now_s) for document in documents) > 0
        return answered

    def taken(self, token: str, job_id: JobId) -> None:
        """To who does not wait: as SubmitJob answers."""
        told = self.tell(job_id)
        output = json.dumps({name: told[name] for name in ("JobArn", "JobId", "JobName")})
        with sending("states:SendTaskSuccess"):
            self.steps.send_task_success(taskToken=token, output=output)

    def refused(self, token: str, reason: str) -> None:
        with sending("states:SendTaskFailure"):
            self.steps.send_task_failure(taskToken=token, error=REFUSED, cause=reason[:MOST_CAUSE])

    def _answer(self, document: Document, now_s: float) -> bool:
        job_id, token = JobId(document.name), document.body["token"]
        try:
            if self.reader.job(job_id).state not in FINISHED:
                self._beat(document, job_id, now_s)
                return False
            self._send(self.tell(job_id), token)
        except NotFound as error:  # it left the store while Step Functions could not be told
            self.refused(token, str(error))
        self._forget(document)
        return True

    def _send(self, told: Mapping[str, Any], token: str) -> None:
        if told["Status"] == State.SUCCEEDED.value:
            with sending("states:SendTaskSuccess"):
                self.steps.send_task_success(taskToken=token, output=json.dumps(told))
        else:
            with sending("states:SendTaskFailure"):
                self.steps.send_task_failure(taskToken=token, error=FAILED, cause=to_cause(told))

    def _beat(self, document: Document, job_id: JobId, now_s: float) -> None:
        if now_s - self._beaten_s.get(job_id, float("-inf")) < self.beat_s:
            return
        self._beaten_s[job_id] = now_s
        with sending("states:SendTaskHeartbeat", lambda: self._abandon(document, job_id)):
            self.steps.send_task_heartbeat(taskToken=document.body["token"])

    def _abandon(self, document: Document, job_id: JobId) -> None:
        """Its execution was stopped, or another branch failed: Batch's own `.sync` ends the job."""
        if document.body.get("stops"):
            self.stop(job_id, NOBODY_WAITS)
        self._forget(document)

    def _forget(self, document: Document) -> None:
        self.shelf.remove(document)
        self._beaten_s.pop(document.name, None)


def to_cause(told: Mapping[str, Any]) -> str:
    cause = json.dumps(told)
    if len(cause) <= MOST_CAUSE:
        return cause
    return json.dumps({name: told[name] for name in BRIEFLY if name in told})


@contextmanager
def sending(action: str, closed: Callable[[], None] = lambda: None) -> Iterator[None]:
    """As `calling`, but an answer that nobody waits for is no error. `closed` is called where Step
    Functions says that its task is over, and not where it does not know the token."""
    with calling(action):
        try:
            yield
        except ClientError as error:
            if code_of(error) not in GONE:
                raise
            if code_of(error) == CLOSED:
                closed()
