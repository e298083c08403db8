"""Which permissions a broker needs, by its settings. Pure.

The policy of deploy/headgate.yaml is tested against this list, and this list against the calls in
the adapters, so that none of the three is forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from queue_broker.settings import AwsSettings, Settings

#: The last part of what stands for all of a kind: the simulation takes no patterns.
PROBE = "doctors-probe"
LOOKS = (
    "batch:DescribeComputeEnvironments",
    "batch:DescribeJobQueues",
    "batch:DescribeJobDefinitions",
    "batch:DescribeJobs",
    "batch:ListJobs",
)
COUNTS = "batch:DescribeConsumableResource"


@dataclass(frozen=True, slots=True)
class Need:
    """Actions on resources, without which `loses` happens."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    loses: str

    def line(self, actions: Sequence[str]) -> str:
        """The policy statement that grants some of the actions."""
        granted = [
            f"{one.removesuffix(PROBE)}*" if one.endswith(PROBE) else one for one in self.resources
        ]
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": granted}
        return json.dumps(statement)


def context(aws: AwsSettings) -> dict[str, str]:
    """What a simulated call carries: jobs are stopped by their tag, roles passed to containers."""
    passed = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    return passed | {"aws:ResourceTag/headgate:stack": aws.stack}


def needs(settings: Settings, partition: str, account: str) -> list[Need]:
    """Everything that the broker of these settings calls, each with the ARNs that it names."""
    aws, region = settings.aws, settings.aws_region
    arn = Arns(partition, region, account)
    return [
        *of_batch(aws, arn),
        *of_logs(aws, arn),
        *of_bucket(aws, partition),
        *of_roles(aws),
        *of_messages(aws, arn),
    ]


@dataclass(frozen=True, slots=True)
class Arns:
    partition: str
    region: str
    account: str

    def of(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def of_queue(self, url: str) -> str:
        """An SQS queue's, whose address ends with its account and name."""
        account, _, name = urlsplit(url).path.strip("/").partition("/")
        return f"arn:{self.partition}:sqs:{self.region}:{account}:{name}"


def of_batch(aws: AwsSettings, arn: Arns) -> Iterator[Need]:
    queue = arn.of("batch", f"job-queue/{aws.stack}-{PROBE}")
    definition = arn.of("batch", f"job-definition/{aws.stack}-{PROBE}")
    job = arn.of("batch", f"job/{PROBE}")
    yield Need(LOOKS, ("*",), "the broker sees no lane and no job")
    resource = arn.of("batch", f"consumable-resource/{PROBE}")
    yield Need((COUNTS,), (resource,), "jobs that need a licence wait in Batch, in others' way")
    yield Need(("batch:SubmitJob",), (queue, definition), "no job runs")
    yield Need(("batch:RegisterJobDefinition",), (definition,), "no job of a new kind runs")
    yield Need(("batch:TagResource",), (job, definition), "no job runs")
    yield Need(("batch:TerminateJob",), (job,), "jobs are not stopped, and their cost goes on")


def of_logs(aws: AwsSettings, arn: Arns) -> Iterator[Need]:
    group = arn.of("logs", f"log-group:{aws.log_group}:log-stream:{PROBE}")
    actions = ("logs:GetLogEvents", "logs:FilterLogEvents")
    yield Need(actions, (group,), "nobody sees output, and measured use is not learned from")
    if aws.insights_wait_s:
        clusters = f"log-group:/aws/ecs/containerinsights/AWSBatch-{aws.stack}-{PROBE}"
        loses = "what runs without the shim is not learned from"
        yield Need(("logs:FilterLogEvents",), (arn.of("logs", clusters),), loses)


def of_bucket(aws: AwsSettings, partition: str) -> Iterator[Need]:
    if aws.bucket is None:
        return
    bucket = f"arn:{partition}:s3:::{aws.bucket}"
    actions = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")
    loses = "history is not kept, and sweeps of tables do not run"
    yield Need(actions, (f"{bucket}/{aws.key(PROBE)}",), loses)
    yield Need(("s3:ListBucket",), (bucket,), loses)


def of_roles(aws: AwsSettings) -> Iterator[Need]:
    roles = tuple(aws.roles().values())
    if roles:
        yield Need(("iam:PassRole",), roles, "no job definition can be registered")


def of_messages(aws: AwsSettings, arn: Arns) -> Iterator[Need]:
    hear = ("sqs:ReceiveMessage", "sqs:DeleteMessage")
    if aws.events_queue_url:
        queue = arn.of_queue(aws.events_queue_url)
        yield Need(hear, (queue,), "ends of jobs are seen late")
    if aws.inbox_queue_url:
        yield Need(hear, (arn.of_queue(aws.inbox_queue_url),), "messages are not taken")
        answers = ("SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat")
        actions = tuple(f"states:{one}" for one in answers)
        yield Need(actions, ("*",), "state machines wait until they time out")
    if aws.dead_letter_url:
        queue = arn.of_queue(aws.dead_letter_url)
        yield Need(
            ("sqs:SendMessage",), (queue,), "a message that cannot be taken blocks the inbox"
        )
    if aws.event_bus:
        bus = arn.of("events", f"event-bus/{aws.event_bus.rpartition('/')[2]}")
        yield Need(("events:PutEvents",), (bus,), "nobody is told of ends")
