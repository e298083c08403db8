"""The lanes as AWS Batch has them: queues of the stack, each with the shape of its instances.

What a lane is stands in the tags of its compute environment (`headgate lanes apply` writes them),
so that there is one place where it is true, and any broker finds it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from headgate.resources import Resources
from queue_broker.adapters.engines.aws.faults import calling
from queue_broker.adapters.engines.aws.spare import Spare
from queue_broker.nodes import nodes_of
from queue_broker.records import Lane, Leak

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

    from queue_broker.ports import Clock

STACK_TAG = "headgate:stack"
SHAPE_TAG = "headgate:shape"  #: VCPU/MIB/GPUS of one instance, as 16/62500/0
PRICE_TAG = "headgate:usd-hour"
ARCH_TAG = "headgate:arch"
GPU_TAG = "headgate:gpu"  #: MODEL/MIB of one GPU


@dataclass(slots=True)
class Fleet:
    """Reads the lanes once in `fresh_s`, and remembers which are shut. Thread-safe."""

    batch: BatchClient
    stack: str
    clock: Clock
    fresh_s: float = 30.0
    shut_s: float = 300.0
    _lanes: dict[str, Lane] = field(default_factory=dict)
    _read_s: float = float("-inf")
    _shut: dict[str, tuple[float, str]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _asking: Lock = field(default_factory=Lock)
    spare: Spare = field(init=False)

    def __post_init__(self) -> None:
        self.spare = Spare(self.clock)

    def lanes(self) -> list[Lane]:
        """By name, those that are shut with the reason. `Unavailable` before the first answer; what
        was known last while AWS does not say."""
        now_s = self.clock()
        self._renew(now_s)
        with self._lock:
            return [self._now(lane, now_s) for _, lane in sorted(self._lanes.items())]

    def _renew(self, now_s: float) -> None:
        """Ask AWS, if it is time to. One asks; the others go on with what is known, if anything is:
        what does not answer is asked for a minute and more."""
        known = math.isfinite(self._read_s)
        if now_s - self._read_s < self.fresh_s or not self._asking.acquire(blocking=not known):
            return
        try:
            found = self.spare.ask(self._read, self._lanes) if known else self._read()
            with self._lock:
                self._lanes, self._read_s = found, now_s
        finally:
            self._asking.release()

    def _read(self) -> dict[str, Lane]:
        return {lane.name: lane for lane in read_lanes(self.batch, self.stack)}

    def shut(self, lane: str, why: str) -> None:
        """Nothing is leaked into it for a while; the next plan moves its work."""
        with self._lock:
            self._shut[lane] = (self.clock() + self.shut_s, why)

    def why_not(self, leak: Leak) -> str | None:
        """Why a leak can never run where it was put; asks nobody."""
        with self._lock:
            lane = self._lanes.get(leak.lane)
        if lane is None:
            return f"there is no lane {leak.lane} in AWS Batch"
        nodes = nodes_of(leak)
        each = nodes.largest if nodes else leak.allocation
        if not each.fits(lane.shape):
            return f"{each} fits no instance of {leak.lane}"
        if nodes and nodes.count > lane.instances:
            return f"{leak.lane} has no {nodes.count} instances"
        return None

    def _now(self, lane: Lane, now_s: float) -> Lane:
        until_s, why = self._shut.get(lane.name, (0.0, ""))
        if now_s < until_s:
            return replace(lane, closed=lane.closed or why)
        self._shut.pop(lane.name, None)
        return lane


def read_lanes(batch: BatchClient, stack: str) -> list[Lane]:
    """The lanes of a stack; a queue without a compute environment of the stack's is none."""
    environments = {
        one["computeEnvironmentName"]: one
        for one in pages(batch, "describe_compute_environments", "computeEnvironments")
        if one.get("tags", {}).get(STACK_TAG) == stack
    }
    lanes = []
    for queue in pages(batch, "describe_job_queues", "jobQueues"):
        order = sorted(queue["computeEnvironmentOrder"], key=lambda one: int(one["order"]))
        first = environments.get(name_of(order[0]["computeEnvironment"])) if order else None
        if first is not None and SHAPE_TAG in first["tags"]:
            lanes.append(to_lane(queue, first))
    return lanes


def name_of(environment: str) -> str:
    """Of an ARN, as AWS tells it, or a name, as some that stand in for AWS do."""
    return environment.rpartition("/")[2]


def pages(batch: Any, operation: str, key: str) -> list[dict[str, Any]]:
    action = "".join(part.capitalize() for part in operation.split("_"))
    with calling(f"batch:{action}"):
        return [one for page in batch.get_paginator(operation).paginate() for one in page[key]]


def to_lane(queue: Mapping[str, Any], environment: Mapping[str, Any]) -> Lane:
    tags, compute = environment["tags"], environment.get("computeResources", {})
    shape = to_shape(tags[SHAPE_TAG])
    model, _, memory_mib = tags.get(GPU_TAG, "").partition("/")
    desired = compute.get("desiredvCpus")
    return Lane(
        name=queue["jobQueueName"],
        shape=shape,
        instances=int(compute.get("maxvCpus", 0) // shape.vcpu),
        price_usd_hour=float(tags.get(PRICE_TAG, 0)),
        purchase="SPOT" if compute.get("type") == "SPOT" else "ON_DEMAND",
        arch=tags.get(ARCH_TAG, "x86_64"),
        gpu_model=model or None,
        gpu_memory_mib=int(memory_mib) if memory_mib else None,
        closed=why_closed(queue, environment),
        running=None if desired is None else int(desired // shape.vcpu),
        queues=True,
        whole_vcpus=True,
        index_by_shim=True,
        apart=True,
        instance_types=tuple(compute.get("instanceTypes", ())),
    )


def to_shape(text: str) -> Resources:
    vcpu, memory_mib, gpus = text.split("/")
    return Resources(float(vcpu), int(memory_mib), int(gpus))


def show_shape(shape: Resources) -> str:
    return f"{shape.vcpu:g}/{shape.memory_mib}/{shape.gpus}"


def why_closed(queue: Mapping[str, Any], environment: Mapping[str, Any]) -> str | None:
    for kind, one in (("queue", queue), ("compute environment", environment)):
        if one.get("state") == "DISABLED":
            return f"the {kind} is DISABLED"
        if one.get("status") not in (None, "VALID", "UPDATING"):
            return f"the {kind} is {one['status']}: {one.get('statusReason', 'no reason given')}"
    return None
