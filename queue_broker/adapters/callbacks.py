"""Answers to Step Functions: how the jobs ended that came with a task token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from headgate.lifecycle import FINISHED, State
from queue_broker.adapters.engines.aws.faults import calling, code_of
from queue_broker.adapters.inbox import KIND
from queue_broker.ports import Reader, Shelf
from queue_broker.records import Document, JobId, JobRecord

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

#: Step Functions takes so many characters of a cause.
MOST_CAUSE = 32_768
FAILED = "Batch.JobFailed"
REFUSED = "Batch.ClientException"
#: Nobody waits for the answer any more: the state timed out, or its machine was stopped.
GONE = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})


@dataclass(slots=True)
class Callbacks:
    """The end of a job as success or failure; until then, now and then, a heartbeat."""

    steps: SFNClient
    shelf: Shelf
    reader: Reader
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
        name = self.reader.job(job_id).job.name
        output = json.dumps({"JobId": job_id, "JobName": name})
        with sending("states:SendTaskSuccess"):
            self.steps.send_task_success(taskToken=token, output=output)

    def refused(self, token: str, reason: str) -> None:
        with sending("states:SendTaskFailure"):
            self.steps.send_task_failure(taskToken=token, error=REFUSED, cause=reason[:MOST_CAUSE])

    def _answer(self, document: Document, now_s: float) -> bool:
        record = self.reader.job(JobId(document.name))
        token = document.body["token"]
        if record.state not in FINISHED:
            self._beat(document.name, token, now_s)
            return False
        self._send(record, token)
        self.shelf.remove(document)
        self._beaten_s.pop(document.name, None)
        return True

    def _send(self, record: JobRecord, token: str) -> None:
        told: dict[str, object] = {
            "JobId": record.job_id,
            "JobName": record.job.name,
            "Status": record.state.value,
            "Counts": {state.value: n for state, n in record.counts.items() if n},
        }
        if record.state is State.SUCCEEDED:
            with sending("states:SendTaskSuccess"):
                self.steps.send_task_success(taskToken=token, output=json.dumps(told))
        else:
            cause = json.dumps(told | {"StatusReason": record.reason or "a task failed"})
            with sending("states:SendTaskFailure"):
                self.steps.send_task_failure(
                    taskToken=token, error=FAILED, cause=cause[:MOST_CAUSE]
                )

    def _beat(self, job_id: str, token: str, now_s: float) -> None:
        if now_s - self._beaten_s.get(job_id, float("-inf")) >= self.beat_s:
            self._beaten_s[job_id] = now_s
            with sending("states:SendTaskHeartbeat"):
                self.steps.send_task_heartbeat(taskToken=token)


@contextmanager
def sending(action: str) -> Iterator[None]:
    """As `calling`, but an answer that nobody waits for is no error."""
    with calling(action):
        try:
            yield
        except ClientError as error:
            if code_of(error) not in GONE:
                raise
