"""Compute environments, kept by the broker. What really runs jobs are its lanes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from queue_broker.ports import Shelf
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
#: AWS lists all of its own here.
KNOWN_TYPES = "optimal, default_x86_64, default_arm64, an instance family, an instance type"


def create_environment(wire: Wire, call: Call) -> Answer:
    name = call.get("computeEnvironmentName")
    body = {key: value for key, value in call.given.items() if key != "computeEnvironmentName"}
    check(body)
    if name == STANDING.name:
        raise Fault("Object already exists")
    own = {"state": "ENABLED", "tags": {}, "uuid": str(uuid4())}
    create(wire.shelf, Document(ENVIRONMENT, name, own | body))
    return named_environment(call.place, name)


def check(body: Mapping[str, Any]) -> None:
    """What the service wants beyond its model's types. Whether a role exists it does not look up
    either: with a wrong one, the environment becomes INVALID later."""
    if body["type"] == "MANAGED":
        check_resources(body.get("computeResources"))
    elif not body.get("serviceRole"):
        raise refused("ServiceRole is required.")


def check_resources(resources: Mapping[str, Any] | None) -> None:
    """What EC2 needs and Fargate has not, in the service's words."""
    if resources is None:
        raise refused("computeResources: got nothing; allowed: an object, for type MANAGED")
    if resources["type"] in ("EC2", "SPOT"):
        check_instance_role(resources.get("instanceRole"))
        if "minvCpus" not in resources:
            raise refused("Resource minvCpus is required.")
    for one in resources.get("instanceTypes", ()):
        if not INSTANCE_TYPE.fullmatch(one):
            raise refused(f"Instance type can only be one of [{KNOWN_TYPES}], got {one}")


def check_instance_role(given: str | None) -> None:
    """A profile's short name or its ARN: the ARN of the role in it is a common mistake."""
    if not given:
        raise refused("Instance role is required.")
    if given.startswith("arn:") and ":instance-profile/" not in given:
        raise refused("The ECS Instance Role should be an ECS Instance Profile ARN.")


def update_environment(wire: Wire, call: Call) -> Answer:
    found = existing(wire.shelf, ENVIRONMENT, call.get("computeEnvironment"))
    given = {key: value for key, value in call.given.items() if key != "computeEnvironment"}
    if resources := given.get("computeResources"):
        given["computeResources"] = found.body.get("computeResources", {}) | resources
        check(found.body | given)
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
        "ecsClusterArn": f"{place.of('ecs')}:{cluster}",
        "containerOrchestrationType": "EKS" if on_eks(document) else "ECS",
        "status": "VALID",
        "statusReason": "ComputeEnvironment Healthy",
        **document.body,
    }


def on_eks(environment: Document) -> bool:
    return "eksConfiguration" in environment.body


def on_fargate(environment: Document) -> bool | None:
    """None of an UNMANAGED one, which does not say."""
    kind = environment.body.get("computeResources", {}).get("type")
    return None if kind is None else str(kind).startswith("FARGATE")


def known_environments(shelf: Shelf, names: Collection[str]) -> dict[str, Document]:
    """Those of these names that exist."""
    made = sorted({*names} - {STANDING.name})
    found = {one.name: one for one in shelf.named(ENVIRONMENT, made)} if made else {}
    return found | {STANDING.name: STANDING}


def named_environment(place: Place, name: str) -> Answer:
    return {
        "computeEnvironmentName": name,
        "computeEnvironmentArn": place.arn(ENVIRONMENT, name),
    }


def environments(queue: Document) -> list[str]:
    """The names of a queue's environments, in the order in which they were given."""
    order = queue.body.get("computeEnvironmentOrder", ())
    return [name_of(one["computeEnvironment"]) for one in order]
