"""What the service wants of a job definition beyond its model's types, in its own words.

Source: the API reference of AWS Batch, 2016-08-10 ("must", "can't", "isn't applicable"), and what
RegisterJobDefinition was seen to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from queue_broker.nodes import MOST_NODES, MOST_RANGES, TARGET, span
from queue_broker.wire import multinode
from queue_broker.wire.container_rules import (
    check_amounts,
    check_container,
    check_on_ec2,
    check_platform,
)
from queue_broker.wire.fargate import FARGATE
from queue_broker.wire.faults import refused
from queue_broker.wire.limits import NO_ATTEMPTS
from queue_broker.wire.pods import check_pod
from queue_broker.wire.tasks import MANAGED, NO_ROLE, check_tasks
from queue_broker.wire.volumes import check_volumes

#: One of them says what a container job runs.
WAYS = ("containerProperties", "ecsProperties", "eksProperties")
OF_NODES = ("container", *WAYS[1:])
#: Platform versions of Fargate that have no EFS.
WITHOUT_EFS = ("1.0.0", "1.1.0", "1.2.0", "1.3.0")


def check_properties(given: Mapping[str, Any]) -> None:
    """`Fault` for a definition of which no job could run."""
    capabilities = given.get("platformCapabilities", ())
    if len(capabilities) > 1:
        raise refused("Exactly 1 capability must be provided.")
    capability = next(iter(capabilities), "EC2")
    if "attempts" not in given.get("retryStrategy", {"attempts": 1}):
        raise refused(NO_ATTEMPTS)
    if given["type"] == "multinode":
        check_nodes(given, capability)
        return
    way = the_way(given)
    if way == "eksProperties":
        check_on_eks(given)
    elif way == "ecsProperties":
        check_tasks(given[way], capability)
    elif capability == MANAGED:
        raise refused(f"Cannot use ECS containerProperties for {MANAGED}")
    else:
        check_alone(given[way], fargate=capability == FARGATE)


def the_way(given: Mapping[str, Any]) -> str:
    """How the definition says what its one container is, or its containers are."""
    ways = [name for name in WAYS if name in given]
    if not ways:
        words = "is required when using type container."
        raise refused(f"ECS ContainerProperties, ecsProperties, or eksProperties {words}")
    if len(ways) > 1:
        ecs = "ECS " if ways[0] == "containerProperties" else ""
        raise refused(f"Cannot use both {ecs}{ways[0]} and {ways[1]}")
    if "nodeProperties" in given:
        raise refused(f"Cannot use both nodeProperties and {ways[0]}")
    return ways[0]


def check_on_eks(given: Mapping[str, Any]) -> None:
    if given.get("platformCapabilities"):
        words = "none for jobs on EKS"
        raise refused(f"platformCapabilities: got a value; allowed: {words}")
    if given.get("propagateTags"):
        raise refused("Batch on EKS does not support tag propagation.")
    check_pod(given["eksProperties"].get("podProperties", {}))


def check_alone(container: Mapping[str, Any], *, fargate: bool) -> None:
    """Of a job with one container, or of a node."""
    role = container.get("executionRoleArn")
    check_container(container, role, fargate=fargate)
    if fargate and not role:
        raise refused(NO_ROLE)
    if not fargate:
        check_on_ec2(container)
    check_amounts(container)
    asked = {one["type"]: one["value"] for one in container.get("resourceRequirements", ())}
    vcpu = float(asked["VCPU"]) if "VCPU" in asked else None
    check_platform(container.get("runtimePlatform", {}), vcpu)
    volumes = container.get("volumes", ())
    check_volumes(volumes, fargate=fargate, job_role=container.get("jobRoleArn"))
    version = container.get("fargatePlatformConfiguration", {}).get("platformVersion")
    if version in WITHOUT_EFS and any("efsVolumeConfiguration" in one for one in volumes):
        words = "EFS is supported for Fargate platform versions 1.4.0 or later"
        raise refused(f"{words}, provided {version}")


def check_nodes(given: Mapping[str, Any], capability: str) -> None:
    """Of a multinode job."""
    if capability == FARGATE:
        raise refused("Fargate does not support MNP jobs")
    if capability == MANAGED:
        raise refused(f"{MANAGED} does not support MNP jobs")
    nodes = given.get("nodeProperties")
    if nodes is None:
        raise refused("Node properties of multinode job is required.")
    if "eksProperties" in given:
        raise refused("Cannot use both nodeProperties and eksProperties")
    count, ranges = nodes["numNodes"], nodes["nodeRangeProperties"]
    if not 1 <= count <= MOST_NODES:
        raise refused(f"Number of nodes must be between 1 and {MOST_NODES}.")
    if len(ranges) > MOST_RANGES:
        raise refused(f"Maximum allowed size of node range properties is {MOST_RANGES}")
    for one in ranges:
        check_range(one, count)
    if set(range(count)).difference(*(span(one["targetNodes"], count) for one in ranges)):
        raise refused("Node Range Properties target nodes have missing ranges")
    multinode.read(nodes)


def check_range(given: Mapping[str, Any], count: int) -> None:
    """Of nodes that run the same."""
    target = given["targetNodes"]
    found = TARGET.fullmatch(target)
    if not found or not target:
        raise refused("targetNodes should contain only digits.")
    if any(int(one or 0) >= count for one in found.groups()[::2]):
        words = "Node range should be smaller than number of nodes"
        raise refused(f"Node range error {target}. {words}")
    ways = [name for name in OF_NODES if name in given]
    if not ways:
        raise refused(f"Must specify container for node range {target}")
    if len(ways) > 1:
        both = f"both {ways[1]} and {ways[0]} fields"
        raise refused(f"NodeRangeProperties can not use {both}")
    if given.get("instanceTypes") and ways[0] != "ecsProperties":
        words = "is only allowed for ecsProperties jobs."
        raise refused(f"Using instanceTypes with nodeRangeProperty {words}")
    if ways[0] == "container":
        check_alone(given["container"], fargate=False)
    elif ways[0] == "ecsProperties":
        check_tasks(given["ecsProperties"], "EC2")
    else:
        check_pod(given["eksProperties"].get("podProperties", {}))
