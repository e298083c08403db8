"""Compute environments, kept by the broker. What really runs jobs are its lanes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from uuid import uuid4

from queue_broker.ports import Shelf
from queue_broker.records import Document
from queue_broker.wire.compute import MANAGED_INSTANCES, check, check_new, check_update
from queue_broker.wire.faults import Fault
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

#: Of these, a change says only what changes.
MERGED = frozenset({"computeResources", "eksConfiguration"})


def create_environment(wire: Wire, call: Call) -> Answer:
    name = call.get("computeEnvironmentName")
    body = {key: value for key, value in call.given.items() if key != "computeEnvironmentName"}
    check_new(body)
    if name == STANDING.name:
        raise Fault("Object already exists")
    own = {"state": "ENABLED", "tags": {}, "uuid": str(uuid4())}
    create(wire.shelf, Document(ENVIRONMENT, name, own | body))
    return named_environment(call.place, name)


def update_environment(wire: Wire, call: Call) -> Answer:
    found = existing(wire.shelf, ENVIRONMENT, call.get("computeEnvironment"), call.place)
    given = {key: value for key, value in call.given.items() if key != "computeEnvironment"}
    check_update(found.body, given)
    if changed := MERGED.intersection(given):
        given |= {name: found.body.get(name, {}) | given[name] for name in changed}
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


def on_managed_instances(environment: Document) -> bool:
    kind = environment.body.get("computeResources", {}).get("type")
    return bool(kind == MANAGED_INSTANCES)


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
