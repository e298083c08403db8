"""Messages in and events out, over moto's SQS and EventBridge."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError

from headgate.errors import Unavailable, UpstreamRefused
from queue_broker.adapters.engines.aws.spare import Spare
from queue_broker.adapters.events import Announcer
from queue_broker.verdicts import Fail
from queue_broker.wire import messages
from tests.factories import ends
from tests.integration.aws.desk import JOB, Desk, define
from tests.integration.aws.moto_server import Moto
from tests.unit.queue_broker.adapters.engines.aws.leaks import a_leak


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


def test_a_bus_that_does_not_answer_is_asked_once_and_what_it_missed_told_in_a_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked: list[int] = []

    def put_events(Entries: list[object]) -> dict[str, int]:  # noqa: N803  as boto3 has it
        asked.append(len(Entries))
        raise ConnectTimeoutError(endpoint_url="https://events")

    away: Any = SimpleNamespace(put_events=put_events)
    announcer = Announcer(away, "bus", Spare(lambda: 0.0))

    announcer.announce(ends(a_leak(tasks=range(25))))

    assert asked == [10]
    assert [one for one in caplog.messages if one.startswith("25 events were not taken: events:")]


def test_ends_are_put_on_the_bus_and_reach_a_rules_target(desk: Desk, moto: Moto) -> None:
    events, queue = moto.client("events"), moto.queue()
    events.create_event_bus(Name="bus")
    events.put_rule(Name="r", EventBusName="bus", EventPattern='{"source": ["headgate"]}')
    arn = desk.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    target = {"Id": "1", "Arn": arn["Attributes"]["QueueArn"]}
    events.put_targets(Rule="r", EventBusName="bus", Targets=[target])
    desk.store.tell = Announcer(events, "bus", Spare(time.time)).announce
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


def test_a_message_is_checked_as_a_call_is(desk: Desk) -> None:
    asked = define(desk) | {"nodeOverrides": {"numNodes": 2}}
    desk.send({"submitJob": asked})

    desk.take_all()

    assert desk.store.jobs() == []
    answer = desk.sqs.receive_message(QueueUrl=desk.dead, MessageAttributeNames=["All"])
    (dead,) = answer["Messages"]
    reason = dead["MessageAttributes"]["reason"]["StringValue"]
    assert "nodeOverrides: got an object" in reason
