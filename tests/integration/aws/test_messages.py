"""Messages in, events and answers out, over moto's SQS and EventBridge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headgate.errors import Unavailable, UpstreamRefused
from headgate.lifecycle import State
from queue_broker.adapters.callbacks import MOST_CAUSE, Callbacks
from queue_broker.adapters.engines.instant import InstantEngine
from queue_broker.adapters.events import Announcer, AnnouncingStore
from queue_broker.adapters.inbox import KIND, Inbox
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


@pytest.fixture
def desk(moto: Moto, sqlite_url: str) -> Iterator[Desk]:
    desk = Desk(moto, sqlite_url)
    desk.inbox.sqs.meta.events.register(
        "provide-client-params.sqs.ReceiveMessage",
        lambda params, **_: params | {"WaitTimeSeconds": 0},
    )
    yield desk
    desk.store.close()


def test_jobs_and_sweeps_come_as_messages(desk: Desk) -> None:
    desk.send({"job": JOB}, {"sweep": {"job": JOB, "size": 7}})

    desk.take_all()

    assert sorted(job.size for job in desk.store.jobs()) == [1, 7]
    assert desk.inbox.run() is False


def test_a_message_that_comes_twice_is_one_job(desk: Desk) -> None:
    body = json.dumps({"job": JOB})

    desk.inbox._take("id-1", body)
    desk.inbox._take("id-1", body)
    desk.inbox._take("id-2", body)

    assert len(desk.store.jobs()) == 2


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{", "body: got '{'; allowed: JSON"),
        ("[]", "allowed: an object with one of job, sweep, submitJob"),
        ({"job": JOB, "sweep": {}}, "one of"),
        ({"submitJob": {"jobName": "a", "jobQueue": "q", "jobDefinition": "none"}}, "submitJob"),
        ({"job": 3}, "job: got 3; allowed: an object"),
        ({"job": JOB | {"name": "a b"}}, "name: got 'a b'"),
        ({"job": JOB, "taskToken": 5}, "taskToken: got 5"),
    ],
)
def test_what_is_no_job_goes_to_the_dead_letters_with_the_reason(
    desk: Desk, body: Any, reason: str
) -> None:
    desk.send(body, {"job": JOB})

    desk.take_all()

    assert len(desk.store.jobs()) == 1
    answer = desk.sqs.receive_message(QueueUrl=desk.dead, MessageAttributeNames=["All"])
    (dead,) = answer["Messages"]
    assert reason in dead["MessageAttributes"]["reason"]["StringValue"]


def test_a_job_with_a_task_token_is_answered_at_its_end(desk: Desk) -> None:
    desk.send({"job": JOB, "taskToken": "t-1"})
    desk.take_all()
    (job,) = desk.store.jobs()
    steps, callbacks = desk.steps, desk.callbacks

    callbacks.run(0.0)
    callbacks.run(1.0)
    desk.finish(job.job_id)
    assert callbacks.run(2.0) is True
    assert callbacks.run(3.0) is False

    names = [name for name, _ in steps.told]
    assert names == ["send_task_heartbeat", "send_task_success"]
    assert steps.told[1][1]["taskToken"] == "t-1"
    told = json.loads(steps.told[1][1]["output"])
    assert (told["JobId"], told["Status"]) == (job.job_id, "SUCCEEDED")
    assert told["Container"]["ExitCode"] == 0
    assert desk.shelf.get(KIND, job.job_id) is None


def test_a_job_that_failed_fails_its_state(desk: Desk) -> None:
    desk.send({"job": JOB, "taskToken": "t-1"})
    desk.take_all()
    (job,) = desk.store.jobs()
    desk.finish(job.job_id, Fail("exit code 3"))

    desk.callbacks.run(0.0)

    ((name, given),) = desk.steps.told
    assert (name, given["error"]) == ("send_task_failure", "Batch.JobFailed")
    assert json.loads(given["cause"])["Status"] == "FAILED"


def test_a_cause_that_is_too_long_for_step_functions_is_told_in_brief(desk: Desk) -> None:
    desk.send({"job": JOB, "taskToken": "t-1"})
    desk.take_all()
    (job,) = desk.store.jobs()
    desk.finish(job.job_id, Fail("exit code 3"))
    long = {**desk.callbacks.tell(job.job_id), "Attempts": ["x" * MOST_CAUSE]}
    desk.callbacks.tell = lambda job_id: long

    desk.callbacks.run(0.0)

    ((_, given),) = desk.steps.told
    cause = json.loads(given["cause"])
    assert (cause["JobId"], cause["Status"]) == (job.job_id, "FAILED")
    assert cause["StatusReason"]
    assert "Attempts" not in cause


@pytest.mark.parametrize(
    ("message", "code", "state"),
    [
        ({"wait": True}, "TaskTimedOut", State.FAILED),
        ({}, "TaskTimedOut", State.SUBMITTED),
        ({"wait": True}, "InvalidToken", State.SUBMITTED),
    ],
)
def test_a_job_whose_execution_was_stopped_is_stopped_as_sync_does(
    desk: Desk, message: dict[str, Any], code: str, state: State
) -> None:
    desk.send({"job": JOB, "taskToken": "t-1"} | message)
    desk.take_all()
    (job,) = desk.store.jobs()
    desk.steps.error = code

    desk.callbacks.run(0.0)

    assert desk.store.job(job.job_id).state is state
    assert (desk.shelf.get(KIND, job.job_id) is None) is (code == "TaskTimedOut")


def test_a_job_that_the_store_knows_no_more_holds_up_no_other(desk: Desk) -> None:
    desk.shelf.put(Document(KIND, "gone", {"token": "t-1"}))
    desk.send({"job": JOB, "taskToken": "t-2"})
    desk.take_all()
    (job,) = desk.store.jobs()
    desk.finish(job.job_id)

    assert desk.callbacks.run(0.0) is True

    told = {given["taskToken"]: name for name, given in desk.steps.told}
    assert told == {"t-1": "send_task_failure", "t-2": "send_task_success"}
    assert desk.callbacks.run(1.0) is False


def test_a_job_that_answers_itself_is_not_answered_for(desk: Desk) -> None:
    desk.send({"job": JOB, "taskToken": "t-1", "answeredByJob": True})
    desk.send({"job": {"name": "a b"}, "taskToken": "t-2", "answeredByJob": True})
    desk.take_all()
    (job,) = desk.store.jobs()
    desk.finish(job.job_id)

    assert desk.callbacks.run(0.0) is False
    assert [(name, given["taskToken"]) for name, given in desk.steps.told] == [
        ("send_task_failure", "t-2")
    ]


def define(desk: Desk) -> dict[str, Any]:
    """A definition on the shelf, and a SubmitJob of it."""
    container = {"image": "busybox", "command": ["true"]}
    body = {"type": "container", "containerProperties": container, "status": "ACTIVE"}
    desk.shelf.put(Document("job-definition", "plain", body, 1))
    return {"jobName": "a", "jobQueue": "default", "jobDefinition": "plain"}


def test_values_that_a_state_took_from_its_input_come_in_step_functions_capitals(
    desk: Desk,
) -> None:
    variables = [{"Name": "Depth", "Value": "3"}]
    overrides = {"Command": ["echo", "Hi"], "Environment": variables}
    given = {"containerOverrides": overrides, "arrayProperties": {"Size": 3}}
    desk.send({"submitJob": define(desk) | given})
    desk.send({"submitJob": {"JobName": "b", "JobQueue": "default", "JobDefinition": "plain"}})

    desk.take_all()

    array, plain = sorted(desk.store.jobs(), key=lambda one: one.job.name)
    assert (array.size, plain.size, plain.job.name) == (3, 1, "b")
    assert array.job.command == ("echo", "Hi")
    assert array.job.environment == {"Depth": "3"}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"jobQueue": "none"}, "JobQueue none not found"),
        ({"jobName": 5}, "jobName: got 5; allowed: a string"),
        ({"containerOverrides": "x"}, "containerOverrides: got 'x'; allowed: an object"),
        ({"dependsOn": "a"}, "dependsOn: got 'a'; allowed: a list"),
        ({"arrayProperties": {"Size": "5"}}, "arrayProperties.size: got '5'; allowed: an integer"),
        ({"parameters": {"a": 5}}, "parameters.a: got 5; allowed: a string"),
        ({"eksPropertiesOverride": {"podProperties": 5}}, "podProperties: got 5"),
    ],
)
def test_a_submission_of_the_wrong_form_is_refused_and_the_next_is_taken(
    desk: Desk, more: dict[str, Any], reason: str
) -> None:
    asked = define(desk)
    desk.send({"submitJob": asked | more, "wait": True, "taskToken": "t-1"}, {"submitJob": asked})

    desk.take_all()

    assert len(desk.store.jobs()) == 1
    ((name, given),) = desk.steps.told
    assert (name, given["error"]) == ("send_task_failure", "Batch.ClientException")
    assert reason in given["cause"]


def test_a_message_waits_while_aws_cannot_say_what_its_definition_is(desk: Desk) -> None:
    class Upstream:
        def call(self, operation: str, parameters: object) -> dict[str, Any]:
            raise UpstreamRefused("slower", aws_code="TooManyRequestsException", status=429)

    away = messages.Desk(replace(desk.wire, upstream=Upstream()))

    with pytest.raises(Unavailable, match="slower"):
        away.to_work({"jobName": "a", "jobQueue": "default", "jobDefinition": "plain"})


def test_a_rewritten_state_is_submitted_and_answered_as_it_asked(desk: Desk) -> None:
    asked = define(desk)
    array = asked | {"arrayProperties": {"size": 3}}
    refused = asked | {"jobDefinition": "none"}

    desk.send({"submitJob": array, "wait": True, "taskToken": "t-1"})
    desk.send({"submitJob": asked, "wait": False, "taskToken": "t-2"})
    desk.send({"submitJob": refused, "wait": True, "taskToken": "t-3"})
    desk.take_all()

    assert sorted(job.size for job in desk.store.jobs()) == [1, 3]
    told = {given["taskToken"]: name for name, given in desk.steps.told}
    (answer,) = (json.loads(given["output"]) for _, given in desk.steps.told if "output" in given)
    assert answer.keys() == {"JobArn", "JobId", "JobName"}
    assert told == {"t-2": "send_task_success", "t-3": "send_task_failure"}


def test_an_upstream_event_starts_a_job_by_a_rule_alone(desk: Desk, moto: Moto) -> None:
    """moto puts text between quotes of its own only where the template has them."""
    events = moto.client("events")
    arn = desk.sqs.get_queue_attributes(QueueUrl=desk.queue, AttributeNames=["QueueArn"])
    asked = {"name": "index", "command": ["python", "index.py", "<table>"], "client_token": "<id>"}
    told = {
        "InputPathsMap": {"table": "$.detail.table", "id": "$.id"},
        "InputTemplate": json.dumps({"job": asked}),
    }
    target = {"Id": "1", "Arn": arn["Attributes"]["QueueArn"], "InputTransformer": told}
    events.put_rule(Name="written", EventPattern='{"source": ["upstream"]}')
    events.put_targets(Rule="written", Targets=[target])
    event = {"Source": "upstream", "DetailType": "Table Written", "Detail": '{"table": "sales"}'}

    events.put_events(Entries=[event])
    desk.take_all()

    (record,) = desk.store.jobs()
    assert record.job.command == ("python", "index.py", "sales")
    assert record.job.client_token


def test_ends_are_put_on_the_bus_and_reach_a_rules_target(desk: Desk, moto: Moto) -> None:
    events, queue = moto.client("events"), moto.queue()
    events.create_event_bus(Name="bus")
    events.put_rule(Name="r", EventBusName="bus", EventPattern='{"source": ["headgate"]}')
    arn = desk.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    target = {"Id": "1", "Arn": arn["Attributes"]["QueueArn"]}
    events.put_targets(Rule="r", EventBusName="bus", Targets=[target])
    desk.store.tell = Announcer(events, "bus").announce
    desk.send({"job": JOB})
    desk.take_all()
    (job,) = desk.store.jobs()

    desk.finish(job.job_id, Fail("exit code 3"))

    (message,) = desk.sqs.receive_message(QueueUrl=queue)["Messages"]
    event = json.loads(message["Body"])
    assert event["detail-type"] == "Batch Job State Change"
    assert event["detail"]["jobId"] == job.job_id
    assert event["detail"]["status"] == "FAILED"
    assert event["detail"]["statusReason"] == "exit code 3"
