"""Job queues, kept by the broker.

A local queue is a name that jobs are submitted to: configuration says which tier and tenant it
stands for. Those that the configuration names are there without being created.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from queue_broker.ports import Shelf
from queue_broker.records import Document
from queue_broker.wire.compute import MANAGED_INSTANCES
from queue_broker.wire.environments import (
    STANDING,
    environments,
    known_environments,
    on_eks,
    on_fargate,
    on_managed_instances,
)
from queue_broker.wire.faults import Fault, refused
from queue_broker.wire.kept import ENVIRONMENT, POLICY, QUEUE, chosen, create, page, with_own
from queue_broker.wire.names import Place, name_of
from queue_broker.wire.pages import check_names
from queue_broker.wire.service import Answer, Call, Source, Wire

NOT_VALID = "Compute Environments must be created and valid before attaching them to a job queue"
MIXED = (
    "All attached Compute Environments must be of types [EC2, SPOT] or types "
    "[FARGATE_SPOT, FARGATE] or types [ECS_MANAGED_INSTANCES], not mixed."
)


def create_queue(wire: Wire, call: Call) -> Answer:
    name = call.get("jobQueueName")
    body = {key: value for key, value in call.given.items() if key != "jobQueueName"}
    if name in configured(wire):
        raise Fault("Object already exists")
    check_service(body)
    check_order(wire.shelf, body.get("computeEnvironmentOrder", []))
    check_type(wire.shelf, Document(QUEUE, name, body))
    check_policy(wire.shelf, body.get("schedulingPolicyArn"))
    create(wire.shelf, Document(QUEUE, name, {"state": "ENABLED", "tags": {}} | body))
    return named_queue(call.place, name)


def check_order(shelf: Shelf, order: list[dict[str, Any]]) -> None:
    """A queue's environments, each known and each once."""
    if not order:
        raise Fault("At least 1 compute environment must be provided")
    names = [name_of(one["computeEnvironment"], ENVIRONMENT) for one in order]
    if len({one["order"] for one in order}) < len(order):
        raise refused("Duplicate ComputeEnvironment order values.")
    if len(set(names)) < len(names):
        raise refused("Duplicate ComputeEnvironments within order list.")
    known = known_environments(shelf, names)
    if not known.keys() >= set(names):
        raise refused(NOT_VALID)
    if len({on_fargate(known[name]) for name in names} - {None}) > 1:
        raise refused(MIXED)


def check_service(given: Mapping[str, Any]) -> None:
    """What only queues of service jobs have: of those there are none here."""
    if given.get("serviceEnvironmentOrder"):
        words = "none beside computeEnvironmentOrder, nor without AWS Batch behind the broker"
        raise refused(f"serviceEnvironmentOrder: got a list; allowed: {words}")
    actions = given.get("jobStateTimeLimitActions", ())
    if any(one["action"] != "CANCEL" for one in actions):
        raise refused("Invalid job action. Valid job actions: [CANCEL]")
    if len({(one["state"], one["reason"]) for one in actions}) < len(actions):
        raise refused("Duplicate job state limit actions are not allowed.")


def check_type(shelf: Shelf, queue: Document) -> None:
    """The type that is given, if any, is that of the queue's environments."""
    wanted = queue.body.get("jobQueueType")
    found = queue_type(queue, known_environments(shelf, environments(queue)))
    if wanted not in (None, found):
        if wanted == "EKS":
            raise refused("EKS job queue type must have EKS compute environment.")
        raise refused(f"jobQueueType: got {wanted}; allowed: {found}, by its compute environments")


def check_policy(shelf: Shelf, arn: str | None) -> None:
    """Of a queue that shall have a scheduling policy: there is one."""
    if not arn:
        return
    name = name_of(arn, POLICY)
    if name == arn:
        raise refused("Only scheduling policy Arn can be allowed.")
    found = shelf.get(POLICY, name)
    if found is None:
        raise refused(f"SchedulingPolicy {arn} not found.")
    if "quotaSharePolicy" in found.body:
        words = "is only supported for SageMaker Training job queues."
        raise refused(f"Quota Management feature {words}")


def check_change(queue: Document, given: dict[str, Any]) -> None:
    """A queue has a scheduling policy from its beginning, or never."""
    if given.get("schedulingPolicyArn") == "" and queue.body.get("schedulingPolicyArn"):
        raise refused("schedulingPolicyArn: got ''; allowed: another policy, never none again")
    if given.get("schedulingPolicyArn") and not queue.body.get("schedulingPolicyArn"):
        words = "none, for a queue that was made without a scheduling policy"
        raise refused(f"schedulingPolicyArn: got one; allowed: {words}")


def update_queue(wire: Wire, call: Call) -> Answer:
    name = name_of(call.get("jobQueue"), QUEUE)
    given = {key: value for key, value in call.given.items() if key != "jobQueue"}
    check_service(given)
    if "computeEnvironmentOrder" in given:
        check_order(wire.shelf, given["computeEnvironmentOrder"])
    found = wire.shelf.get(QUEUE, name) or by_configuration(wire, name)
    if found is None:
        raise Fault(f"{call.place.arn(QUEUE, name)} does not exist")
    check_change(found, given)
    check_policy(wire.shelf, given.get("schedulingPolicyArn"))
    wire.shelf.put(replace(found, body=found.body | given))
    return named_queue(call.place, found.name)


def to_delete(wire: Wire, given: str) -> Document | None:
    """The queue, if there is one; `Fault` unless it is DISABLED."""
    found = wire.shelf.get(QUEUE, name_of(given, QUEUE))
    if found is not None and found.body["state"] != "DISABLED":
        raise Fault("Cannot delete, job queue state must be DISABLED")
    return found


def describe_queues(wire: Wire, call: Call) -> Answer:
    check_names(call.given, "jobQueues")
    wanted = [name_of(one, QUEUE) for one in call.get("jobQueues", ())]
    known = {name: standing(name) for name in configured(wire)}
    if wire.upstream is not None:
        return with_own(wire.upstream, call, "jobQueues", own(wire, call, wanted, known))
    known |= {one.name: one for one in chosen(wire.shelf, QUEUE, wanted)}
    return page("jobQueues", own(wire, call, wanted, known), call)


def own(wire: Wire, call: Call, wanted: list[str], known: dict[str, Document]) -> list[Answer]:
    mine = [known[name] for name in sorted(known) if not wanted or name in wanted]
    names = {name for queue in mine for name in environments(queue)}
    behind = known_environments(wire.shelf, names)
    return [to_queue(call.place, one) | {"jobQueueType": queue_type(one, behind)} for one in mine]


def queue_type(queue: Document, known: Mapping[str, Document]) -> str:
    """By its environments, which are of one kind."""
    mine = [known[name] for name in environments(queue) if name in known]
    if any(map(on_eks, mine)):
        return "EKS"
    if any(map(on_managed_instances, mine)):
        return MANAGED_INSTANCES
    return "ECS_FARGATE" if any(map(on_fargate, mine)) else "ECS"


def to_queue(place: Place, document: Document) -> Answer:
    order = [
        one | {"computeEnvironment": place.arn(ENVIRONMENT, name_of(one["computeEnvironment"]))}
        for one in document.body.get("computeEnvironmentOrder", ())
    ]
    return {
        **named_queue(place, document.name),
        "status": "VALID",
        "statusReason": "JobQueue Healthy",
        **document.body,
        "computeEnvironmentOrder": order,
    }


def named_queue(place: Place, name: str) -> Answer:
    return {"jobQueueName": name, "jobQueueArn": place.arn(QUEUE, name)}


def configured(wire: Wire) -> list[str]:
    """The queues that are there by configuration: those with a rule, the tiers', and `default`."""
    tiers = (tier.name for tier in wire.submitter.tiers())
    return sorted({*wire.settings.queues, *tiers, "default"})


def by_configuration(wire: Wire, name: str) -> Document | None:
    return standing(name) if name in configured(wire) else None


def standing(name: str) -> Document:
    order = [{"order": 1, "computeEnvironment": STANDING.name}]
    body = {"state": "ENABLED", "priority": 1, "tags": {}, "computeEnvironmentOrder": order}
    return Document(QUEUE, name, body)


def known_queue(wire: Wire, given: str) -> str:
    """The name of a queue; `Fault` when there is none. What waits in a DISABLED one still goes."""
    return known(wire, given)[0]


def known(wire: Wire, given: str) -> tuple[str, str]:
    """A queue's name and state; with AWS behind the broker it need not be one of AWS: lanes are."""
    name = name_of(given, QUEUE)
    if wire.upstream is not None:
        return name, "ENABLED"
    kept = wire.recent.ask(wire.shelf.get, QUEUE, name)
    found = kept or by_configuration(wire, name)
    if found is None:
        raise Fault(f"JobQueue {given} not found.")
    return name, found.body["state"]


def check_capability(wire: Wire, name: str, wanted: str) -> None:
    """Whether a queue's environments run jobs on EC2, or on Fargate: the broker's own runs all,
    and so does one that does not say what it is. With AWS behind the broker AWS knows it."""
    if wire.upstream is not None:
        return
    found = wire.recent.ask(capabilities, wire.source, name)
    if not found & {wanted, None}:
        words = f"can not run Jobs with capability {wanted}."
        raise Fault(f"Job Queue is attached to Compute Environment that {words}")


def capabilities(source: Source, name: str) -> frozenset[str | None]:
    """Of a queue's environments; None is any."""
    queue = source.shelf.get(QUEUE, name)
    names = environments(queue) if queue else []
    known = known_environments(source.shelf, names)
    return frozenset(capability(known.get(one)) for one in names) or frozenset([None])


def capability(environment: Document | None) -> str | None:
    if environment is None or environment is STANDING or on_managed_instances(environment):
        return None
    return {None: None, True: "FARGATE", False: "EC2"}[on_fargate(environment)]


def has_policy(wire: Wire, name: str) -> bool:
    """Whether a queue was made with a scheduling policy: its jobs have a share and a priority."""
    if wire.upstream is not None:
        return False
    kept = wire.recent.ask(wire.shelf.get, QUEUE, name)
    return bool(kept and kept.body.get("schedulingPolicyArn"))


def open_queue(wire: Wire, given: str) -> str:
    """The name of a queue that takes jobs; `Fault` when there is none, or it is DISABLED."""
    name, state = known(wire, given)
    if state != "ENABLED":
        raise refused(
            f"jobQueue: got {name!r}, which is DISABLED; allowed: a queue that is ENABLED"
        )
    return name
