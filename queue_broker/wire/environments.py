"""Compute environments, kept by the broker. What really runs jobs are its lanes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from queue_broker.records import Document
from queue_broker.wire.faults import Fault, refused
from queue_broker.wire.kept import (
    ENVIRONMENT,
    QUEUE,
    chosen,
    create,
    every,
    existing,
    page,
    with_own,
)
from queue_broker.wire.names import Place, name_of
from queue_broker.wire.pages import check_names
from queue_broker.wire.service import Answer, Call, Wire

#: Stands for all that the broker has. Clients look at a queue's first environment to learn where
#: its jobs run (Metaflow: whether on Fargate).
STANDING = Document(
    ENVIRONMENT,
    "headgate",
    {
        "type": "MANAGED",
        "state": "ENABLED",
        "tags": {},
        "computeResources": {
            "type": "EC2",
            "minvCpus": 0,
            "maxvCpus": 256,
            "instanceTypes": ["optimal"],
            "subnets": [],
            "securityGroupIds": [],
            "instanceRole": "",
        },
    },
)

#: Only the form is checked: AWS has new types before anybody's list of them has.
INSTANCE_TYPE = re.compile(
    r"optimal|default_(x86_64|arm64)|[a-z]+(-|[0-9])[a-z0-9-]*(\.[a-z0-9-]+)?"
)


def create_environment(wire: Wire, call: Call) -> Answer:
    name = call.get("computeEnvironmentName")
    body = {key: value for key, value in call.given.items() if key != "computeEnvironmentName"}
    if body["type"] == "MANAGED":
        check_resources(body.get("computeResources"))
    if name == STANDING.name:
        raise Fault("Object already exists")
    create(wire.shelf, Document(ENVIRONMENT, name, {"state": "ENABLED", "tags": {}} | body))
    return named_environment(call.place, name)


def check_resources(resources: dict[str, Any] | None) -> None:
    """What EC2 needs and Fargate has not, in the service's words."""
    if resources is None:
        raise refused("computeResources: got nothing; allowed: an object, for type MANAGED")
    if resources["type"] in ("EC2", "SPOT"):
        if not resources.get("instanceRole"):
            raise refused("Instance role is required.")
        if "minvCpus" not in resources:
            raise refused("Resource minvCpus is required.")
    for at, one in enumerate(resources.get("instanceTypes", ())):
        if not INSTANCE_TYPE.fullmatch(one):
            words = f"computeResources.instanceTypes.{at + 1}: got {one!r}"
            raise refused(f"{words}; allowed: an instance type, a family, or optimal")


def update_environment(wire: Wire, call: Call) -> Answer:
    found = existing(wire.shelf, ENVIRONMENT, call.get("computeEnvironment"))
    given = {key: value for key, value in call.given.items() if key != "computeEnvironment"}
    if resources := given.get("computeResources"):
        given["computeResources"] = found.body.get("computeResources", {}) | resources
    wire.shelf.put(replace(found, body=found.body | given))
    return named_environment(call.place, found.name)


def delete_environment(wire: Wire, call: Call) -> Answer:
    found = wire.shelf.get(ENVIRONMENT, name_of(call.get("computeEnvironment"), ENVIRONMENT))
    if found is None:
        return {}
    if found.body["state"] != "DISABLED":
        raise Fault("Cannot delete, compute environment state must be DISABLED")
    if any(found.name in environments(queue) for queue in every(wire.shelf, QUEUE)):
        raise Fault("Cannot delete, found existing JobQueue relationship")
    wire.shelf.remove(found)
    return {}


def describe_environments(wire: Wire, call: Call) -> Answer:
    check_names(call.given, "computeEnvironments")
    wanted = [name_of(one, ENVIRONMENT) for one in call.get("computeEnvironments", ())]
    standing = [to_environment(call.place, STANDING)]
    own = standing if not wanted or STANDING.name in wanted else []
    if wire.upstream is not None:
        return with_own(wire.upstream, call, "computeEnvironments", own)
    own += [to_environment(call.place, one) for one in chosen(wire.shelf, ENVIRONMENT, wanted)]
    return page("computeEnvironments", own, call)


def to_environment(place: Place, document: Document) -> Answer:
    cluster = f"cluster/{document.name}_Batch"
    return {
        **named_environment(place, document.name),
        "ecsClusterArn": f"arn:aws:ecs:{place.region}:{place.account}:{cluster}",
        "containerOrchestrationType": "EKS" if "eksConfiguration" in document.body else "ECS",
        "status": "VALID",
        "statusReason": "ComputeEnvironment Healthy",
        **document.body,
    }


def named_environment(place: Place, name: str) -> Answer:
    return {
        "computeEnvironmentName": name,
        "computeEnvironmentArn": place.arn(ENVIRONMENT, name),
    }


def environments(queue: Document) -> set[str]:
    order = queue.body.get("computeEnvironmentOrder", ())
    return {name_of(one["computeEnvironment"]) for one in order}
