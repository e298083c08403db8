"""The template is made on moto, whole and with every part left out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from packer.lanes import lane_shapes
from queue_broker.adapters.lane_orders import lane_name
from queue_broker.cli.tables import read_types
from queue_broker.settings import Settings, read_settings
from tests.integration.deploy.conftest import Made
from tests.integration.deploy.template import NOT_IN_MOTO


def settings_of(made: Made, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """As the container reads them, where ECS put the secrets into its environment."""
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HEADGATE_TOKENS", '{"a-token": "tenant"}')
    return read_settings()


def test_all_is_made_but_what_moto_does_not_know(whole: Made) -> None:
    wanted = {
        name: one["Type"]
        for name, one in whole.resolved.resources.items()
        if one["Type"] not in NOT_IN_MOTO
    }

    assert whole.types == wanted


def test_the_container_s_environment_is_settings_of_what_was_made(
    whole: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(whole, monkeypatch)

    aws = settings.aws
    assert (settings.engine, settings.port, aws.stack) == ("aws", 8470, "headgate")
    assert aws.bucket == whole.outputs["BucketOfHistory"]
    assert aws.inbox_queue_url == whole.outputs["InboxUrl"] == whole.ids["InboxQueue"]
    assert aws.events_queue_url == whole.ids["EventsQueue"]
    assert aws.dead_letter_url == whole.ids["DeadLetters"]
    assert whole.client("events").describe_event_bus(Name=aws.event_bus)
    assert aws.job_role_arn == whole.outputs["RoleOfJobs"]
    assert len(aws.subnets) == 2
    assert (aws.launch_template or "").startswith("lt-")
    assert settings.store_url.startswith("postgresql+psycopg://headgate@")


def test_batch_s_news_reach_the_queue_that_the_broker_reads(whole: Made) -> None:
    queue = whole.client("sqs").get_queue_attributes(
        QueueUrl=whole.ids["EventsQueue"], AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    events = whole.client("events")

    rules = events.list_rule_names_by_target(TargetArn=queue)["RuleNames"]

    assert len(rules) == 2
    for rule in rules:
        pattern = json.loads(events.describe_rule(Name=rule)["EventPattern"])
        assert pattern["source"] == ["aws.batch"]
        assert ":job-queue/headgate-" in json.dumps(pattern)


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        ({"status": "RUNNING"}, True),
        ({"status": "SUCCEEDED", "arrayProperties": {"size": 9, "statusSummary": {}}}, True),
        ({"status": "FAILED", "arrayProperties": {"index": 3}}, True),
        ({"status": "SUCCEEDED", "arrayProperties": {"index": 3}}, False),
    ],
)
def test_of_an_array_s_tasks_only_failures_are_told_one_by_one(
    whole: Made, detail: dict[str, object], told: bool
) -> None:
    found = whole.client("events").describe_rule(Name=whole.ids["BatchChanges"])
    queue = "arn:aws:batch:us-east-1:123456789012:job-queue/headgate-m6a-4xlarge"
    event: Any = {"source": "aws.batch", "detail-type": "Batch Job State Change"}

    matches = EventPattern.load(found["EventPattern"]).matches_event

    assert matches(event | {"detail": detail | {"jobQueue": queue}}) is told
    assert not matches(event | {"detail": detail | {"jobQueue": queue.replace("headgate", "x")}})


def test_the_training_runs_the_broker_s_task_with_its_own_command(whole: Made) -> None:
    events = whole.client("events")
    (rule,) = [one for one in events.list_rules()["Rules"] if "ScheduleExpression" in one]

    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]

    assert target["EcsParameters"]["TaskDefinitionArn"] == whole.ids["BrokerTask"]
    override = json.loads(target["Input"])["containerOverrides"]
    assert override == [{"name": "broker", "command": ["train"]}]
    assert whole.task()["containerDefinitions"][0]["name"] == "broker"


def test_the_service_stands_behind_the_balancer(whole: Made) -> None:
    (arn,) = whole.client("ecs").list_services(cluster="headgate-broker")["serviceArns"]
    (service,) = whole.client("ecs").describe_services(cluster="headgate-broker", services=[arn])[
        "services"
    ]
    (listener,) = whole.client("elbv2").describe_listeners(LoadBalancerArn=whole.ids["Balancer"])[
        "Listeners"
    ]

    assert service["desiredCount"] == 2
    # moto forgets a service's balancers: this is what the template says.
    (balancer,) = whole.resolved.resources["Broker"]["Properties"]["LoadBalancers"]
    assert balancer["TargetGroupArn"] == {"Ref": "BalancerTargets"}
    assert (listener["Protocol"], listener["Port"]) == ("HTTPS", 443)
    assert whole.outputs["Address"].startswith("https://")


def test_parts_that_are_switched_off_are_not_made(
    bare: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out = ("::Batch::", "::SQS::", "::Events::", "::RDS::", "::S3::", "LoadBalancing")
    monkeypatch.setenv("HEADGATE_DATABASE_URL", "postgresql://ours@db/headgate")

    aws = settings_of(bare, monkeypatch).aws

    assert not [kind for kind in bare.types.values() if any(one in kind for one in left_out)]
    assert aws.bucket == "a-bucket-of-ours"
    assert aws.events_queue_url is aws.inbox_queue_url is aws.event_bus is None


def test_the_first_lanes_are_as_lanes_apply_would_make_them(whole: Made) -> None:
    types = {one.name: one for one in read_types(None)}
    for name, one in whole.resolved.resources.items():
        if one["Type"] != "AWS::Batch::ComputeEnvironment":
            continue
        compute, tags = one["Properties"]["ComputeResources"], one["Properties"]["Tags"]
        members = [types[member] for member in compute["InstanceTypes"]]
        (lane,) = lane_shapes(members[:1])
        memory_mib = min(member.capacity.memory_mib for member in members)

        assert tags["headgate:shape"] == f"16/{memory_mib}/0", name
        assert float(tags["headgate:usd-hour"]) == members[0].price_usd_hour
        spot = "-spot" if compute["Type"] == "SPOT" else ""
        stack_name = one["Properties"]["ComputeEnvironmentName"]["Fn::Sub"]
        assert stack_name == lane_name(lane, "${AWS::StackName}") + spot
