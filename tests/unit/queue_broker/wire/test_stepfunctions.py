from __future__ import annotations

from typing import Any

import pytest

from headgate.errors import InvalidInput
from queue_broker.wire.stepfunctions import rewrite

INBOX = "https://sqs.us-east-1.amazonaws.com/123456789012/inbox"
PARAMETERS: dict[str, Any] = {
    "JobName": "train",
    "JobQueue": "prod-queue",
    "JobDefinition.$": "$.definition",
    "Parameters": {"Depth": "3", "Rows.$": "$.rows"},
    "ArrayProperties": {"Size.$": "$.size"},
    "ContainerOverrides": {
        "Environment": [{"Name": "A", "Value.$": "$.a"}],
        "ResourceRequirements": [{"Type": "MEMORY", "Value": "512"}],
    },
    "Tags": {"Team": "x"},
}


def a_task(resource: str = "arn:aws:states:::batch:submitJob.sync", **more: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, "Parameters": PARAMETERS, "Next": "end"} | more


def rewritten(**states: Any) -> tuple[dict[str, Any], list[str]]:
    found, changes = rewrite({"StartAt": "a", "States": states}, INBOX)
    return found["States"], [change.state for change in changes]


def test_a_state_that_waits_for_a_job_waits_for_the_broker() -> None:
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}]
    states, changed = rewritten(run=a_task(Retry=retry, ResultPath="$.result"))
    assert changed == ["run"]
    assert states["run"] == {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Next": "end",
        "Retry": retry,
        "ResultPath": "$.result",
        "Parameters": {
            "QueueUrl": INBOX,
            "MessageBody": {
                "submitJob": {
                    "jobName": "train",
                    "jobQueue": "prod-queue",
                    "jobDefinition.$": "$.definition",
                    "parameters": {"Depth": "3", "Rows.$": "$.rows"},
                    "arrayProperties": {"size.$": "$.size"},
                    "containerOverrides": {
                        "environment": [{"name": "A", "value.$": "$.a"}],
                        "resourceRequirements": [{"type": "MEMORY", "value": "512"}],
                    },
                    "tags": {"Team": "x"},
                },
                "wait": True,
                "taskToken.$": "$$.Task.Token",
            },
        },
    }


def test_a_state_that_only_submits_is_answered_at_once() -> None:
    states, _ = rewritten(run=a_task("arn:aws-cn:states:::batch:submitJob"))
    assert states["run"]["Parameters"]["MessageBody"]["wait"] is False
    assert states["run"]["Resource"].startswith("arn:aws-cn:states:::sqs:")


def test_states_inside_maps_and_branches_are_found() -> None:
    inner = {"StartAt": "b", "States": {"b": a_task()}}
    states, changed = rewritten(
        a={"Type": "Map", "Iterator": inner},
        c={"Type": "Map", "ItemProcessor": inner},
        d={"Type": "Parallel", "Branches": [inner, inner]},
    )
    assert changed == ["b"] * 4
    assert "MessageBody" in states["d"]["Branches"][1]["States"]["b"]["Parameters"]


def test_a_state_in_jsonata_keeps_its_expressions() -> None:
    arguments = {"JobName": "{% $name %}", "JobQueue": "q", "JobDefinition": "d"}
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::batch:submitJob.sync",
        "QueryLanguage": "JSONata",
        "Arguments": arguments,
    }
    states, _ = rewritten(run=state)
    body = states["run"]["Arguments"]["MessageBody"]
    assert body["submitJob"]["jobName"] == "{% $name %}"
    assert body["taskToken"] == "{% $states.context.Task.Token %}"


def test_a_state_in_jsonata_may_compute_all_of_its_arguments() -> None:
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::batch:submitJob.sync",
        "Arguments": "{% $job %}",
    }
    found, _ = rewrite({"QueryLanguage": "JSONata", "States": {"run": state}}, INBOX)
    body = found["States"]["run"]["Arguments"]["MessageBody"]
    assert body["submitJob"] == "{% $job %}"


def test_the_language_of_a_map_holds_inside_of_it() -> None:
    inner = {"States": {"b": {**a_task(), "Arguments": PARAMETERS}}}
    states, _ = rewritten(a={"Type": "Map", "QueryLanguage": "JSONata", "ItemProcessor": inner})
    assert "MessageBody" in states["a"]["ItemProcessor"]["States"]["b"]["Arguments"]


def test_the_sdks_integration_submits_too() -> None:
    states, _ = rewritten(run=a_task("arn:aws:states:::aws-sdk:batch:submitJob"))
    assert states["run"]["Resource"] == "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
    assert states["run"]["Parameters"]["MessageBody"]["wait"] is False


def test_a_job_that_has_the_token_answers_by_itself() -> None:
    states, _ = rewritten(run=a_task("arn:aws:states:::batch:submitJob.waitForTaskToken"))
    body = states["run"]["Parameters"]["MessageBody"]
    assert (body["answeredByJob"], "wait" in body) == (True, False)
    assert body["taskToken.$"] == "$$.Task.Token"


def test_the_partition_may_be_a_placeholder_of_cloudformation() -> None:
    states, _ = rewritten(run=a_task("arn:${AWS::Partition}:states:::batch:submitJob.sync"))
    assert states["run"]["Resource"].startswith("arn:${AWS::Partition}:states:::sqs:")


def test_an_express_workflow_sends_and_waits_for_nothing() -> None:
    inner = {"States": {"b": a_task("arn:aws:states:::batch:submitJob")}}
    express = inner | {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}}
    states, changed = rewritten(a={"Type": "Map", "ItemProcessor": express})
    sent = states["a"]["ItemProcessor"]["States"]["b"]
    assert sent["Resource"] == "arn:aws:states:::sqs:sendMessage"
    assert sent["Parameters"]["MessageBody"].keys() == {"submitJob"}
    assert changed == ["b", "b"]  # what was done, and what it means
    whole, _ = rewrite(inner, INBOX, express=True)
    assert whole["States"]["b"]["Resource"] == "arn:aws:states:::sqs:sendMessage"


def test_states_that_ask_batch_of_a_job_stay_and_are_told() -> None:
    resource = "arn:aws:states:::aws-sdk:batch:describeJobs"
    state = {"Type": "Task", "Resource": resource, "Parameters": {"Jobs.$": "$.ids"}}
    states, told = rewritten(ask=state)
    assert (states, told) == ({"ask": state}, ["ask"])


def test_what_the_states_rules_and_role_have_to_know_is_told() -> None:
    known, unknown = "Batch.ClientException", "Batch.AWSBatchException"
    state = a_task(
        Retry=[{"ErrorEquals": [known, unknown, "States.TaskFailed"]}],
        Credentials={"RoleArn": "arn:aws:iam::123456789012:role/other"},
    )
    _, changes = rewrite({"States": {"run": state}}, INBOX)
    told = [change.what for change in changes[1:]]
    assert told[0].startswith(f"{unknown} will not come")
    assert "sqs:SendMessage" in told[1]


def test_all_other_states_stay_as_they_are() -> None:
    others = {
        "a": {"Type": "Pass", "Next": "b"},
        "b": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {}},
        "c": {"Type": "Task", "Resource": "arn:aws:states:::batch:submitServiceJob.sync"},
    }
    assert rewritten(**others) == (others, [])


def test_what_the_model_does_not_know_is_told_and_sent_as_it_is() -> None:
    found, changes = rewrite(
        {"States": {"run": a_task(Parameters={"JobName": "j", "FromTheFuture": {"A": 1}})}}, INBOX
    )
    body = found["States"]["run"]["Parameters"]["MessageBody"]
    assert body["submitJob"]["FromTheFuture"] == {"A": 1}
    assert any("FromTheFuture" in change.what for change in changes)


@pytest.mark.parametrize(
    "definition",
    [
        {},
        {"States": []},
        {"States": {"run": a_task(Parameters=None)}},
        {"States": {"run": 5}},
        {"States": {"run": {"Type": "Parallel", "Branches": {}}}},
        {"States": {"run": {"Type": "Map", "ItemProcessor": {"StartAt": "a"}}}},
    ],
)
def test_what_is_no_state_machine_is_refused(definition: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="States"):
        rewrite(definition, INBOX)


def test_a_definition_that_was_rewritten_is_not_changed_again() -> None:
    once, _ = rewrite({"States": {"run": a_task()}}, INBOX)
    assert rewrite(once, INBOX) == (once, [])
