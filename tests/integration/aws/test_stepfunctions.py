"""A state machine waits for a job of ours: Step Functions on moto, its messages, and our broker.

moto drops the cause of SendTaskFailure; that it is sent is tested in `test_messages`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from moto.core.config import default_user_config

from headgate.resources import Resources
from queue_broker.adapters.callbacks import Callbacks
from queue_broker.adapters.engines.instant import InstantEngine, Outcome
from queue_broker.adapters.inbox import Inbox
from queue_broker.main import wire_protocol
from queue_broker.on_aws import submit_by
from queue_broker.records import Document, Lane, Leak
from queue_broker.wire.messages import Desk
from queue_broker.wire.stepfunctions import rewrite
from tests.contract.engines import wait_until
from tests.integration.aws.moto_server import Moto
from tests.integration.aws.stand_in import StandIn

ROLE = "arn:aws:iam::123456789012:role/machine"


def fails(leak: Leak) -> Mapping[int, Outcome]:
    """A job by the name of `bad` comes to no good."""
    failing = leak.job.name == "bad"
    return {task: Outcome(exit_code=3) for task in leak.tasks} if failing else {}


class Works:
    """A machine of one state, its queue, and the broker behind that."""

    def __init__(self, moto: Moto, url: str, folder: Path) -> None:
        engine = InstantEngine([Lane("one", Resources(4, 4096))], time.time, script=fails)
        self.broker = StandIn(url, folder, engine).broker
        self.steps = moto.client("stepfunctions")
        self.queue = moto.queue()
        desk = Desk(wire_protocol(self.broker))
        self.callbacks = Callbacks(
            self.steps, self.broker.shelf, self.broker.store, desk.tell, desk.stop
        )
        self.inbox = Inbox(
            sqs=moto.client("sqs"),
            url=self.queue,
            dead_letter_url=None,
            submit=submit_by(self.broker.submitter),
            translate=desk.to_work,
            answers=self.callbacks,
            shelf=self.broker.shelf,
        )

    def start(self, name: str, message: Mapping[str, Any]) -> str:
        """The execution of a machine that sends a message and waits for its answer."""
        return self.run(name, {"StartAt": "Train", "States": {"Train": self.state(message)}})

    def state(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {
                "QueueUrl": self.queue,
                "MessageBody": {"taskToken.$": "$$.Task.Token", **message},
            },
            "HeartbeatSeconds": 60,
            "End": True,
        }

    def run(self, name: str, definition: Mapping[str, Any]) -> str:
        text = json.dumps(definition)
        made = self.steps.create_state_machine(name=name, definition=text, roleArn=ROLE)
        started = self.steps.start_execution(stateMachineArn=made["stateMachineArn"])
        return str(started["executionArn"])

    def result(self, execution: str) -> dict[str, Any]:
        """What the execution came to, while the broker does its rounds."""
        told: dict[str, Any] = {}

        def over() -> bool:
            self.inbox.run()
            self.broker.lead()
            self.callbacks.run(time.time())
            told.update(self.steps.describe_execution(executionArn=execution))
            return bool(told["status"] != "RUNNING")

        wait_until(over)
        return told


@pytest.fixture
def works(
    moto: Moto, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Works]:
    monkeypatch.setitem(default_user_config["stepfunctions"], "execute_state_machine", True)
    monkeypatch.setenv("MOTO_PORT", str(urlsplit(moto.url).port))
    works = Works(moto, sqlite_url, tmp_path)
    works.inbox.sqs.meta.events.register(
        "provide-client-params.sqs.ReceiveMessage",
        lambda params, **_: params | {"WaitTimeSeconds": 0},
    )
    yield works
    works.broker.store.close()


def test_a_state_succeeds_with_its_sweep(works: Works) -> None:
    job = {"name": "good", "command": ["python", "train.py"]}

    told = works.result(works.start("succeeds", {"sweep": {"job": job, "size": 3}}))

    assert told["status"] == "SUCCEEDED"
    output = json.loads(told["output"])
    array = output["ArrayProperties"]
    assert (output["JobName"], array["StatusSummary"]["SUCCEEDED"]) == ("good", 3)
    assert works.broker.store.job(output["JobId"]).size == 3


def test_a_state_fails_with_its_job(works: Works) -> None:
    told = works.result(works.start("fails", {"job": {"name": "bad", "command": ["false"]}}))

    assert (told["status"], told["error"]) == ("FAILED", "Batch.JobFailed")
    assert [one.job.name for one in works.broker.store.jobs()] == ["bad"]


def test_a_state_whose_message_is_no_job_fails_at_once(works: Works) -> None:
    told = works.result(works.start("refused", {"job": {"name": "a b", "command": ["true"]}}))

    assert (told["status"], told["error"]) == ("FAILED", "Batch.ClientException")
    assert works.broker.store.jobs() == []


def test_rewritten_states_hand_on_what_batch_would_have_answered(works: Works) -> None:
    """As in Metaflow's flows: the next state takes the run's id from the job before it."""
    body = {"type": "container", "containerProperties": {"image": "busybox"}, "status": "ACTIVE"}
    works.broker.shelf.put(Document("job-definition", "plain", body, 1))
    first = {"JobName": "first", "JobQueue": "default", "JobDefinition": "plain"}
    second = {"JobName": "second", "Parameters": {"run.$": "$.Parameters.['the.run']"}}
    resource = {"Type": "Task", "Resource": "arn:aws:states:::batch:submitJob.sync"}
    given = {
        "StartAt": "First",
        "States": {
            "First": resource
            | {"Parameters": first | {"Parameters": {"the.run": "r-1"}}, "Next": "Second"},
            "Second": resource
            | {"Parameters": first | second, "OutputPath": "$.Container.ExitCode", "End": True},
        },
    }
    definition, _ = rewrite(given, works.queue)

    told = works.result(works.run("handson", definition))

    assert (told["status"], told["output"]) == ("SUCCEEDED", "0")
    parameters = {one.job.name: one.job.parameters for one in works.broker.store.jobs()}
    assert parameters == {"first": {"the.run": "r-1"}, "second": {"run": "r-1"}}
