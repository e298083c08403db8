"""The bucket, the log, and the queues of messages with their lag."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from queue_broker.adapters.doctor.findings import Account, Finding, Found, namer
from queue_broker.settings import AwsSettings

#: News older than this are late: the broker's own looks find out sooner.
MOST_LAG_S = 120.0
DEFAULT_LOG = AwsSettings().log_group


def bucket(account: Account) -> Found:
    """Whether history has a place that is there."""
    good, warning, _ = namer("bucket")
    name = account.aws.bucket
    if name is None:
        says = "none is set: history stays on the broker's disk, and sweeps of tables do not run"
        yield warning(says, "set aws.bucket")
        return
    account.ask("s3", "ListObjectsV2", "s3:ListBucket", Bucket=name, MaxKeys=1)
    yield good(f"{name} is there")


def log(account: Account) -> Found:
    """Whether the jobs' log group is there; AWS Batch makes its own one with the first job."""
    good, warning, bad = namer("log")
    name = account.aws.log_group
    answer = account.ask("logs", "DescribeLogGroups", logGroupNamePrefix=name)
    if any(one["logGroupName"] == name for one in answer["logGroups"]):
        yield good(f"{name} is there")
    elif name == DEFAULT_LOG:
        yield warning(f"there is no {name} yet", "AWS Batch makes it with the first job")
    else:
        yield bad(f"there is no {name}", f"aws logs create-log-group --log-group-name {name}")


def events(account: Account) -> Found:
    """Whether Batch's news come, and how late."""
    good, warning, _ = namer("events")
    url = account.aws.events_queue_url
    if url is None:
        says = "no queue of events is set: the broker looks at its jobs every few seconds"
        yield warning(says, "set aws.events_queue_url; deploy/headgate.yaml makes it")
        return
    told = attributes(account, url)
    rules = account.ask("events", "ListRuleNamesByTarget", TargetArn=told["QueueArn"])["RuleNames"]
    if rules:
        yield good(
            f"{', '.join(sorted(rules))} fill{'s' if len(rules) == 1 else ''} {name_of(url)}"
        )
    else:
        mend = "make a rule for aws.batch's `Batch Job State Change` with the queue as its target"
        yield warning(f"no rule of EventBridge fills {name_of(url)}", mend)
    yield from lag(account, url, told, "is a broker up, and does it lead?")


def inbox(account: Account) -> Found:
    """Whether messages are taken, and what could not be."""
    good, warning, _ = namer("inbox")
    url, dead = account.aws.inbox_queue_url, account.aws.dead_letter_url
    if url is None:
        return
    yield from lag(account, url, attributes(account, url), "is a broker up?")
    if dead is None:
        says = "no dead-letter queue is set: what cannot be taken is only logged"
        yield warning(says, "set aws.dead_letter_url")
        return
    waiting = int(attributes(account, dead)["ApproximateNumberOfMessages"])
    if waiting:
        mend = (
            "read the attribute `reason` of its messages; send them to the inbox again once mended"
        )
        yield warning(f"{waiting} messages in {name_of(dead)} could not be taken", mend)
    else:
        yield good("nothing was set aside")


def lag(account: Account, url: str, told: dict[str, str], mend: str) -> Iterator[Finding]:
    """How old the oldest message has been in the last ten minutes, by CloudWatch."""
    good, warning, _ = namer("lag")
    now = datetime.fromtimestamp(account.clock(), UTC)
    answer: Any = account.ask(
        "cloudwatch",
        "GetMetricStatistics",
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": name_of(url)}],
        StartTime=now - timedelta(minutes=10),
        EndTime=now,
        Period=60,
        Statistics=["Maximum"],
    )
    latest = max(answer["Datapoints"], key=lambda one: one["Timestamp"], default={"Maximum": 0.0})
    age_s, waiting = float(latest["Maximum"]), told["ApproximateNumberOfMessages"]
    says = f"{name_of(url)}: {waiting} messages wait, the oldest for {age_s:.0f} s"
    yield warning(says, mend) if age_s > MOST_LAG_S else good(says)


def attributes(account: Account, url: str) -> dict[str, str]:
    names = ["QueueArn", "ApproximateNumberOfMessages"]
    answer = account.ask("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=names)
    found: dict[str, str] = answer["Attributes"]
    return found


def name_of(url: str) -> str:
    return url.rpartition("/")[2]
