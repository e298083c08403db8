"""An inbox and its answers on a store, with moto's SQS and a Step Functions that remembers."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from queue_broker.adapters.callbacks import Callbacks
from queue_broker.adapters.engines.instant import InstantEngine
from queue_broker.adapters.events import AnnouncingStore
from queue_broker.adapters.inbox import Inbox
from queue_broker.adapters.store.shelf import SqlShelf
from queue_broker.adapters.store.standings import SqlDescriber
from queue_broker.core.group_commit import GroupCommit
from queue_broker.core.submit import Submitter
from queue_broker.on_aws import submit_by
from queue_broker.records import Document, JobId, Split
from queue_broker.settings import Settings
from queue_broker.verdicts import Fail
from queue_broker.wire import messages
from queue_broker.wire.service import Wire
from tests.factories import START_S, an_estimate, an_intent, ends, starts, taken
from tests.integration.aws.moto_server import Moto

JOB = {"name": "train", "command": ["python", "train.py"]}


class Steps:
    """Step Functions, that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.error: str | None = None  #: the code of what it answers with

    def __getattr__(self, name: str) -> Any:
        def call(**given: Any) -> None:
            self.told.append((name, given))
            if self.error is not None:
                raise ClientError({"Error": {"Code": self.error}}, name)

        return call


class Desk:
    """An inbox on a store."""

    def __init__(self, moto: Moto, url: str) -> None:
        self.store = AnnouncingStore(url, lambda: START_S)
        self.shelf = SqlShelf(self.store.database)
        self.sqs = moto.client("sqs")
        self.queue, self.dead = moto.queue(), moto.queue()
        commit = GroupCommit(self.store)
        submitter = Submitter(Settings(), self.store, commit, lambda: START_S)
        self.steps = Steps()
        self.wire = Wire(
            settings=Settings(),
            submitter=submitter,
            store=self.store,
            describer=SqlDescriber(self.store.database),
            shelf=self.shelf,
            engine=InstantEngine([], lambda: START_S),
            clock=lambda: START_S,
            wall=lambda: START_S,
        )
        desk = messages.Desk(self.wire)
        self.callbacks = Callbacks(
            self.steps,  # type: ignore[arg-type]
            self.shelf,
            self.store,
            desk.tell,
            desk.stop,
        )
        self.inbox = Inbox(
            sqs=self.sqs,
            url=self.queue,
            dead_letter_url=self.dead,
            submit=submit_by(submitter),
            translate=desk.to_work,
            answers=self.callbacks,
            shelf=self.shelf,
        )

    def send(self, *bodies: Any) -> None:
        for body in bodies:
            text = body if isinstance(body, str) else json.dumps(body)
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=text)

    def take_all(self) -> None:
        while self.inbox.run():
            pass

    def finish(self, job_id: JobId, verdict: Fail | None = None) -> None:
        """RUNNABLE to its end, whatever the task does."""
        (group,) = self.store.groups(job_id)
        self.store.estimated([(group, [Split(group.waiting, an_estimate())])])
        (group,) = self.store.groups(job_id)
        (leak,) = self.store.write_intents([an_intent(group)], START_S)
        self.store.handed_over(taken([leak]), START_S)
        self.store.started(starts(leak))
        self.store.settle(ends(leak, verdict=verdict))


def define(desk: Desk) -> dict[str, Any]:
    """A definition on the shelf, and a SubmitJob of it."""
    container = {"image": "busybox", "command": ["true"]}
    body = {"type": "container", "containerProperties": container, "status": "ACTIVE"}
    desk.shelf.put(Document("job-definition", "plain", body, 1))
    return {"jobName": "a", "jobQueue": "default", "jobDefinition": "plain"}
