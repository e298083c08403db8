"""The roles may do what they must, and nothing beyond their stack."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from queue_broker.adapters import doctor
from queue_broker.adapters.doctor.needs import context, needs
from queue_broker.settings import Settings
from tests.integration.deploy.conftest import Made
from tests.integration.deploy.iam import Simulation, as_list
from tests.integration.deploy.template import BARE, Resolved
from tests.integration.deploy.test_stack import settings_of

ACCOUNT = "123456789012"
ROLES = ("BrokerRole", "JobRole", "UserRole", "ExecutionRole", "InstanceRole", "TrainingRole")
#: Actions of which IAM knows no resource, so that a policy can only say `*`.
WITHOUT_RESOURCE = {
    *("batch:DescribeComputeEnvironments", "batch:DescribeJobDefinitions", "batch:DescribeJobs"),
    *("batch:DescribeJobQueues", "batch:ListJobs", "ec2:DescribeInstanceTypeOfferings"),
    *("cloudwatch:GetMetricStatistics", "servicequotas:GetServiceQuota", "logs:DescribeLogGroups"),
    *("states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"),
    *("ecr:GetAuthorizationToken", "ecs:DiscoverPollEndpoint", "events:ListRuleNamesByTarget"),
}
#: What is narrower than the account only by condition, or that lanes of all stacks share.
SHARED = (
    r":batch:[^:]*:[^:]*:(job|consumable-resource)/\*|:log-group:/aws/batch/job:\*|:repository/\*"
)
ADAPTERS = Path(doctor.__path__[0]).parent
ROOT = Path(__file__).parents[3]
#: An action, wherever one is named: in code, in the template, and in what people are told.
NAMED = re.compile(
    r"(?<![\w:-])((?:batch|cloudwatch|ec2|ecr|ecs|elasticfilesystem|events|glue|iam|logs|pricing|s3"
    r"|secretsmanager|servicequotas|sqs|states|sts):[A-Z][A-Za-z]+)\b"
)
#: Keys of conditions, which look alike.
KEYS = {"iam:PassedToService", "elasticfilesystem:AccessPointArn"}


def attached(made: Made, role: str) -> list[dict[str, Any]]:
    """The statements of a role, as moto's IAM keeps them."""
    iam, name = made.client("iam"), made.ids[role]
    found: list[dict[str, Any]] = []
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        answer = iam.get_role_policy(RoleName=name, PolicyName=policy)
        found += answer["PolicyDocument"]["Statement"]
    return found


def test_the_broker_s_policy_covers_every_need(
    whole: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = Simulation(attached(whole, "BrokerRole"))
    settings = settings_of(whole, monkeypatch)
    watching = settings.aws.model_copy(update={"insights_wait_s": 180.0})
    settings = settings.model_copy(update={"aws": watching})

    for need in needs(settings, "aws", ACCOUNT):
        entries = [
            {"ContextKeyName": key, "ContextKeyValues": [value]}
            for key, value in context(settings.aws).items()
        ]
        answer = simulation.simulate_principal_policy(
            ActionNames=need.actions, ResourceArns=need.resources, ContextEntries=entries
        )
        for one in answer["EvaluationResults"]:
            assert one["EvalDecision"] == "allowed", (one["EvalActionName"], need.resources)


def test_every_call_of_the_adapters_is_among_the_needs() -> None:
    settings = Settings.model_validate(
        {
            "aws": {
                "bucket": "bucket",
                "events_queue_url": "https://sqs/1/e",
                "inbox_queue_url": "https://sqs/1/i",
                "dead_letter_url": "https://sqs/1/d",
                "event_bus": "bus",
            }
        }
    )
    needed = {action for need in needs(settings, "aws", ACCOUNT) for action in need.actions}
    files = [
        path
        for path in ADAPTERS.rglob("*.py")
        if "doctor" not in path.parts and path.name != "lane_orders.py"
    ]
    named = re.compile(r'"((?:batch|logs|s3|sqs|events|states|iam):[A-Z]\w+)"')
    called = {found for path in files for found in named.findall(path.read_text())}

    assert len(called) > 10
    assert called <= needed


def test_every_action_that_is_named_is_one_that_iam_knows() -> None:
    folders = [ROOT / "queue_broker", ROOT / "deploy", ROOT / "docs"]
    files = [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix in {".py", ".yaml", ".md"}
    ]
    named = {one for path in files for one in NAMED.findall(path.read_text(encoding="utf-8"))}

    assert len(named) > 50
    assert {one for one in named - KEYS if not is_known(one)} == set()


def is_known(action: str) -> bool:
    """By the list of services and their actions that cfn-lint checks policies with."""
    service, _, name = action.partition(":")
    return name.lower() in iam_actions()[service]["Actions"]


@cache
def iam_actions() -> dict[str, Any]:
    import cfnlint  # type: ignore[import-untyped]

    listed = Path(cfnlint.__path__[0]) / "data" / "AdditionalSpecs" / "Policies.json"
    found: dict[str, Any] = json.loads(listed.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reaches_nothing_beyond_its_stack(whole: Made, role: str) -> None:
    statements = attached(whole, role)

    assert statements
    for one in statements:
        assert one["Effect"] == "Allow"
        for resource in as_list(one["Resource"]):
            assert is_own(whole, one, resource), (role, one["Action"], resource)


def is_own(made: Made, statement: dict[str, Any], resource: str) -> bool:
    if resource == "*":
        by_condition = "ecs:cluster" in json.dumps(statement.get("Condition", {}))
        return by_condition or set(as_list(statement["Action"])) <= WITHOUT_RESOURCE
    own = [made.ids[name] for name in ("Bucket", "Models")]
    named = any(name in resource for name in ["headgate", "metaflow_", "secret:", *own])
    return named or re.search(SHARED, resource) is not None


@pytest.mark.parametrize(
    ("action", "arn"),
    [
        ("batch:SubmitJob", "arn:aws:batch:us-east-1:123456789012:job-queue/theirs"),
        ("batch:RegisterJobDefinition", "arn:aws:batch:us-east-1:123456789012:job-definition/x"),
        ("batch:TerminateJob", "arn:aws:batch:us-east-1:123456789012:job/untagged"),
        ("batch:DeleteJobQueue", "arn:aws:batch:us-east-1:123456789012:job-queue/headgate-m6a"),
        ("s3:GetObject", "arn:aws:s3:::theirs/headgate/lake/day=2026-01-01/x.parquet"),
        ("sqs:ReceiveMessage", "arn:aws:sqs:us-east-1:123456789012:theirs"),
        ("iam:PassRole", "arn:aws:iam::123456789012:role/admin"),
        ("events:PutEvents", "arn:aws:events:us-east-1:123456789012:event-bus/default"),
    ],
)
def test_the_broker_may_not_touch_what_is_others(whole: Made, action: str, arn: str) -> None:
    answer = Simulation(attached(whole, "BrokerRole")).simulate_principal_policy(
        ActionNames=[action],
        ResourceArns=[arn],
        ContextEntries=[
            {
                "ContextKeyName": "iam:PassedToService",
                "ContextKeyValues": ["ecs-tasks.amazonaws.com"],
            }
        ],
    )

    assert answer["EvaluationResults"][0]["EvalDecision"] == "implicitDeny"


def test_parts_that_are_left_out_take_their_rights_with_them() -> None:
    said = json.dumps(Resolved(**BARE).statements("BrokerRole"))

    assert "batch:SubmitJob" in said
    for service in ("sqs:", "states:", "events:PutEvents"):
        assert service not in said
