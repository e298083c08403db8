"""Creates, changes and drains lanes: for each a compute environment of one shape, and its queue.

What is there is compared with what is wanted, and only the difference is done: doing it twice does
nothing the second time, and a dry run prints the very steps that would be taken.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headgate.errors import InvalidInput, Unavailable
from packer.lanes import LaneShape
from queue_broker.adapters.engines.aws.faults import calling
from queue_broker.adapters.engines.aws.fleet import (
    ARCH_TAG,
    GPU_TAG,
    PRICE_TAG,
    SHAPE_TAG,
    STACK_TAG,
    pages,
    show_shape,
)

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

    from queue_broker.settings import AwsSettings

#: AWS Batch's quota of queues in a Region, and of compute environments.
MOST_QUEUES = 50
STRATEGY = {"ON_DEMAND": "BEST_FIT_PROGRESSIVE", "SPOT": "SPOT_PRICE_CAPACITY_OPTIMIZED"}
KIND = {"ON_DEMAND": "EC2", "SPOT": "SPOT"}
#: What UpdateComputeEnvironment changes without replacing running instances.
UPDATABLE = ("minvCpus", "maxvCpus", "instanceTypes")


@dataclass(frozen=True, slots=True)
class Step:
    """One call, and what it is for."""

    operation: str
    arguments: Mapping[str, Any]
    words: str


@dataclass(frozen=True, slots=True)
class Standing:
    """The Region's environments and queues by name."""

    environments: Mapping[str, Mapping[str, Any]]
    queues: Mapping[str, Mapping[str, Any]]


def standing(batch: BatchClient) -> Standing:
    """What is there now. `Unavailable`."""
    environments = pages(batch, "describe_compute_environments", "computeEnvironments")
    queues = pages(batch, "describe_job_queues", "jobQueues")
    return Standing(
        {one["computeEnvironmentName"]: one for one in environments},
        {one["jobQueueName"]: one for one in queues},
    )


def apply_steps(shapes: Sequence[LaneShape], settings: AwsSettings, now: Standing) -> list[Step]:
    """What brings the lanes about; `InvalidInput` where a quota or a setting stands against it."""
    check_network(settings)
    steps = [step for shape in shapes for step in lane_steps(shape, settings, now)]
    made = Counter(step.operation for step in steps)
    check_quota("environments", len(now.environments), made["create_compute_environment"])
    check_quota("queues", len(now.queues), made["create_job_queue"])
    return steps


def check_quota(what: str, there: int, more: int) -> None:
    if more and there + more > MOST_QUEUES:
        got = f"{there} that are there and {more} new ones"
        raise InvalidInput.of(what, got, f"{MOST_QUEUES} a Region")


def check_network(settings: AwsSettings) -> None:
    for name in ("subnets", "security_group_ids", "instance_role_arn"):
        if not getattr(settings, name):
            raise InvalidInput.of(f"aws.{name}", None, "a value; lanes cannot be made without it")


def lane_steps(shape: LaneShape, settings: AwsSettings, now: Standing) -> Iterator[Step]:
    name = lane_name(shape, settings.stack)
    wanted = environment(shape, settings)
    found = now.environments.get(name)
    if found is None:
        words = f"+ {name}: {', '.join(shape.members)}, {wanted['computeResources']['type']}"
        yield Step("create_compute_environment", wanted, words)
    else:
        yield from update_steps(name, wanted, found)
    if name not in now.queues:
        order = [{"order": 1, "computeEnvironment": name}]
        arguments = {
            "jobQueueName": name,
            "priority": 1,
            "state": "ENABLED",
            "computeEnvironmentOrder": order,
            "tags": {STACK_TAG: settings.stack},
        }
        yield Step("create_job_queue", arguments, f"+ {name}: its queue")
    elif now.queues[name]["state"] != "ENABLED":
        yield Step("update_job_queue", {"jobQueue": name, "state": "ENABLED"}, f"~ {name}: opened")


def update_steps(name: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Step]:
    """Only what differs. Tags make a lane of an environment that somebody else created."""
    have, want = found.get("computeResources", {}), wanted["computeResources"]
    changed = {key: want[key] for key in UPDATABLE if differs(want[key], have.get(key))}
    arguments: dict[str, Any] = {"computeEnvironment": name}
    if changed:
        arguments["computeResources"] = changed
    if found.get("state") != "ENABLED":
        arguments["state"] = "ENABLED"
    if len(arguments) > 1:
        told = ", ".join(f"{key} {have.get(key)} -> {value}" for key, value in changed.items())
        yield Step("update_compute_environment", arguments, f"~ {name}: {told or 'enabled'}")
    tags = {
        key: value
        for key, value in wanted["tags"].items()
        if found.get("tags", {}).get(key) != value
    }
    if tags:
        tagged = {"resourceArn": found["computeEnvironmentArn"], "tags": tags}
        yield Step("tag_resource", tagged, f"~ {name}: tags {', '.join(sorted(tags))}")


def differs(want: object, have: object) -> bool:
    """The order of instance types says nothing."""
    if isinstance(want, list) and isinstance(have, list):
        return sorted(want) != sorted(have)
    return want != have


def lane_name(shape: LaneShape, stack: str) -> str:
    """The stack, the cheapest type, and the purchase option: legal as the name of a queue."""
    key = shape.kind.key.lower().replace(".", "-").replace(":", "-")
    return f"{stack}-{key}"


def environment(shape: LaneShape, settings: AwsSettings) -> dict[str, Any]:
    """CreateComputeEnvironment's arguments."""
    kind = shape.kind
    resources: dict[str, Any] = {
        "type": KIND[kind.purchase],
        "allocationStrategy": STRATEGY[kind.purchase],
        "minvCpus": 0,
        "maxvCpus": max(settings.lane_max_vcpus, int(kind.capacity.vcpu)),
        "instanceTypes": list(shape.members),
        "subnets": list(settings.subnets),
        "securityGroupIds": list(settings.security_group_ids),
        "instanceRole": settings.instance_role_arn,
        "tags": {STACK_TAG: settings.stack},
    }
    if settings.launch_template:
        resources["launchTemplate"] = {"launchTemplateId": settings.launch_template}
    tags = {
        STACK_TAG: settings.stack,
        SHAPE_TAG: show_shape(kind.capacity),
        ARCH_TAG: kind.arch,
        PRICE_TAG: f"{kind.price_usd_hour or 0:g}",
    }
    if kind.gpu_model:
        tags[GPU_TAG] = f"{kind.gpu_model}/{kind.gpu_memory_mib}"
    return {
        "computeEnvironmentName": lane_name(shape, settings.stack),
        "type": "MANAGED",
        "state": "ENABLED",
        "computeResources": resources,
        "tags": tags,
    }


def drain_steps(name: str, now: Standing) -> list[Step]:
    """The queue takes nothing more, and what runs runs on; `InvalidInput` names what is there."""
    queue = now.queues.get(name)
    if queue is None:
        known = ", ".join(sorted(now.queues)) or "none, the Region has no queues"
        raise InvalidInput.of("LANE", name, f"one of {known}")
    if queue["state"] == "DISABLED":
        return []
    arguments = {"jobQueue": name, "state": "DISABLED"}
    return [Step("update_job_queue", arguments, f"~ {name}: takes nothing more")]


@dataclass(frozen=True, slots=True)
class Carrier:
    """Carries steps out. An environment becomes VALID before its queue can name it."""

    batch: BatchClient
    wait_s: float = 300.0
    pause: Callable[[float], None] = field(default=time.sleep)

    def carry_out(self, steps: Sequence[Step]) -> None:
        """In order; `Unavailable` names the call that failed: what went before it stands, and doing
        it all again goes on from there."""
        for step in steps:
            action = "".join(part.capitalize() for part in step.operation.split("_"))
            for one in step.arguments.get("computeEnvironmentOrder", ()):
                self._wait_for(one["computeEnvironment"])
            with calling(f"batch:{action}"):
                getattr(self.batch, step.operation)(**step.arguments)

    def _wait_for(self, environment: str) -> None:
        left_s = self.wait_s
        while True:
            with calling("batch:DescribeComputeEnvironments"):
                found: Any = self.batch.describe_compute_environments(
                    computeEnvironments=[environment]
                )["computeEnvironments"]
            status = found[0]["status"] if found else "missing"
            if status == "VALID":
                return
            if left_s <= 0 or status == "INVALID":
                why = found[0].get("statusReason", "") if found else ""
                raise Unavailable(f"the compute environment {environment} is {status}: {why}")
            self.pause(2.0)
            left_s -= 2.0
