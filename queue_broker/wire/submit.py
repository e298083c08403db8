"""SubmitJob: the request and its job definition, folded into a `Job` or a `Sweep`.

Submitted through the same service as the native API, and translated by the same code as the SDK's
(`headgate.batch_kwargs`). What only AWS Batch understands is carried along in `Job.batch`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from headgate.batch_kwargs import OVERRIDES, REBUILT, RENAMED, from_batch
from headgate.errors import Forbidden, InvalidInput
from headgate.job import Job
from headgate.resources import ResourceRequest
from headgate.sweep import Sweep
from queue_broker import containers
from queue_broker.core.consumables import KIND
from queue_broker.core.submit import ITSELF
from queue_broker.nodes import CONSUMABLES, NODE_PROPERTIES, listed
from queue_broker.wire import definitions, fargate, log_groups, multinode
from queue_broker.wire.container_rules import check_legacy, check_memory
from queue_broker.wire.faults import Fault, refused
from queue_broker.wire.names import Place, name_and_revision
from queue_broker.wire.queues import check_capability, has_policy, open_queue
from queue_broker.wire.recent import Recent
from queue_broker.wire.service import Answer, Call, Source, Wire

#: Tags by which a client speaks to the broker; on the job, else on its definition.
TIER_TAG = "headgate:tier"
CEILING_TAG = "headgate:ceiling"
NO_PRIORITY = (
    "Either schedulingPriority in job definition or schedulingPriorityOverride should be specified."
)
TRANSLATED = RENAMED.keys() | REBUILT
RESOURCES = {"VCPU", "MEMORY", "GPU"}
#: Of a definition: fields that a job takes over whole or not at all; members SubmitJob has too.
WHOLE = {"command", "image", "priority", "retry_strategy", "timeout_s"}
TAKEN_OVER = ("parameters", "retryStrategy", "timeout")
OF_JOBS = (CONSUMABLES, "propagateTags")
ON_EKS = "Container overrides or node overrides should not be set for Batch on EKS jobs."
#: What a submission says of consumable resources, in place of its definition.
OVERRIDDEN = "consumableResourcePropertiesOverride"
#: Of every job its own.
OWN = {"name", "queue", "definition"}


@dataclass(frozen=True, slots=True)
class Defined:
    """A job definition with what it says, in the words of `Job`. Nobody may change it."""

    definition: Answer
    fields: dict[str, Any]
    name: str  #: `name:revision`
    resources: ResourceRequest  #: what a job gets that asks for nothing itself
    carried: Answer  #: for `Job.batch`: where its log is to be, and what it holds beside

    @classmethod
    def find(cls, source: Source, given: str, place: Place) -> Defined:
        """`Fault`; `InvalidInput` for what a broker before AWS does not run."""
        found = definitions.find(source, given, place)
        defined = cls.of(found)
        if source.upstream is None:
            return defined
        containers.check_on_aws(found)
        if arch := containers.architecture(found):
            defined.fields["resources"]["arch"] = arch
        # With AWS behind the broker, logs are in CloudWatch itself.
        asked = ResourceRequest.model_construct(**defined.fields["resources"])
        return replace(defined, carried=of_jobs(found), resources=asked)

    @classmethod
    def of(cls, found: Answer) -> Defined:
        name, _ = name_and_revision(found["jobDefinitionArn"])
        fields = from_definition(found)
        asked = ResourceRequest.model_construct(**fields["resources"])
        batch = log_groups.of_definition(found) | of_jobs(found)
        return cls(found, fields, f"{name}:{found['revision']}", asked, batch)


async def submit(wire: Wire, call: Call, defined: Defined) -> Answer:
    """Durable when it returns; the same call tried again gives the same job."""
    job = asked_for(wire, call, defined, client_token=call.token, tenant=tenant(wire, call))
    work = to_work(job, call.given)
    accepted = await wire.submitter.submit(work, call.caller, defined=True)
    arn = call.place.arn("job", accepted.job_id)
    return {"jobArn": arn, "jobName": job.name, "jobId": accepted.job_id}


def asked_for(wire: Wire, call: Call, defined: Defined, **settled: str | None) -> Job:
    """The job of a call that AWS Batch would take. `Fault`; `settled` as in `to_job`."""
    queue = open_queue(wire, call.get("jobQueue"))
    check_kind(call.given, defined.definition)
    if capability := fargate.capability(defined.definition):
        check_capability(wire, queue, capability)
    if has_policy(wire, queue):
        check_share(call.given, defined.definition)
    given = dict(call.given) | {"jobQueue": queue}
    if wire.upstream is None:
        check_consumables(wire, call.given, defined.definition)
    given, defined = with_nodes(wire, given, defined)
    job = to_job(given, defined, **settled)
    fargate.check_size(defined.definition, job.resources.vcpu, job.resources.memory_mib)
    if job.resources.memory_mib is not None:
        check_memory(job.resources.memory_mib)
    return job


def with_nodes(
    wire: Wire, given: dict[str, Any], defined: Defined
) -> tuple[dict[str, Any], Defined]:
    """What is asked for, and of what: a job of several nodes is one task that has them."""
    if defined.definition["type"] == multinode.MULTINODE:
        properties = multinode.settled(given, defined.definition)
        whole = Defined.of(multinode.as_container(defined.definition, properties))
        batch = defined.carried if wire.upstream else whole.carried
        return given | {NODE_PROPERTIES: properties}, replace(whole, carried=batch)
    if given.get("nodeOverrides"):
        words = "none for a job of one container; containerOverrides is for that"
        raise refused(f"nodeOverrides: got an object; allowed: {words}")
    return given, defined


def check_kind(given: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    """Pods are overridden in EKS's words, tasks in ECS's."""
    on_eks = "eksProperties" in definition
    if on_eks and (given.get("containerOverrides") or given.get("nodeOverrides")):
        raise Fault(ON_EKS)
    if fargate.capability(definition) == fargate.FARGATE:
        check_legacy(given.get("containerOverrides", {}))
    for name, fits in (("eksPropertiesOverride", on_eks), ("ecsPropertiesOverride", not on_eks)):
        if given.get(name) and not fits:
            words = f"none for a job on {'EKS' if on_eks else 'ECS'}"
            raise refused(f"{name}: got an object; allowed: {words}")


def check_share(given: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    """What a queue with a scheduling policy needs to know, in the service's words."""
    if "shareIdentifier" not in given:
        raise Fault("shareIdentifier must be specified.")
    if "schedulingPriorityOverride" not in given and "schedulingPriority" not in definition:
        raise Fault(NO_PRIORITY)


def check_consumables(wire: Wire, given: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    """What a job would wait for is there."""
    ranges = definition.get(NODE_PROPERTIES, {}).get("nodeRangeProperties", ())
    asked = [
        given.get(OVERRIDDEN, {}),
        *(one.get(CONSUMABLES, {}) for one in (definition, *ranges)),
    ]
    names = {name for one in asked for name in listed(one)}
    kept = {one.name for one in wire.shelf.named(KIND, sorted(names))} if names else names
    if missing := names - kept:
        words = "a consumable resource that exists"
        raise refused(f"consumableResource: got {min(missing)!r}; allowed: {words}")


def of_jobs(definition: Mapping[str, Any]) -> Answer:
    """What it says of its jobs that has no place in `Job`, for `Job.batch`."""
    return {name: definition[name] for name in OF_JOBS if definition.get(name)}


def definition_of(wire: Wire, call: Call) -> Defined:
    """The definition of a submission; `Fault` when there is none."""
    given = call.get("jobDefinition")
    return wire.recent.ask(Defined.find, wire.source, given, call.place)


def tenant(wire: Wire, call: Call) -> str | None:
    """The share identifier, where the caller may act for a tenant of that name; else its own."""
    share: str | None = call.get("shareIdentifier")
    if share is not None:
        try:
            wire.submitter.allow(call.caller, share)
        except Forbidden:
            return None
    return share


def to_work(job: Job, request: Mapping[str, Any]) -> Job | Sweep:
    size = request.get("arrayProperties", {}).get("size")
    if size is None:
        return job
    return Sweep.model_construct(job=job, size=size)  # not validated again: all parts were


def to_job(request: Mapping[str, Any], defined: Defined, **settled: str | None) -> Job:
    """The job that the request asks for, with what it leaves to its definition.

    `settled` are fields that are not for the request to say.
    """
    asked = {name: value for name, value in request.items() if name in TRANSLATED}
    asked.pop("arrayProperties", None)
    overrides = containers.of_overrides(request)
    asked["containerOverrides"] = {
        name: value for name, value in overrides.items() if name in OVERRIDES
    }
    asked["dependsOn"] = [dependency(one) for one in request.get("dependsOn", ())]
    asked["jobDefinition"] = defined.name
    batch = defined.carried | carried(request)
    job = fold(from_batch(asked), defined, batch=batch, **settled)
    if "eksProperties" not in defined.definition:
        check_references(job)
    return job


def check_references(job: Job) -> None:
    """Each `Ref::name` of a command has its parameter. (A pod's command has none.)"""
    if missing := job.placeholders() - job.parameters.keys():
        words = f"No parameter found for reference {min(missing)}"
        raise Fault(f"Unable to substitute value. {words}")


def dependency(one: Mapping[str, Any]) -> dict[str, Any]:
    """What names no job would be itself; only an array may wait for that, with SEQUENTIAL."""
    return dict(one) if one.get("type") == "SEQUENTIAL" else {"jobId": ITSELF, **one}


def carried(request: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a request that have no place in `Job`, in AWS Batch's words."""
    rest = {name: value for name, value in request.items() if name not in TRANSLATED}
    overrides = request.get("containerOverrides", {})
    if left := {name: value for name, value in overrides.items() if name not in OVERRIDES}:
        rest["containerOverrides"] = left
    if OVERRIDDEN in rest:
        rest[CONSUMABLES] = rest.pop(OVERRIDDEN)
    if "shareIdentifier" in request:
        rest["shareIdentifier"] = request["shareIdentifier"]
    return rest


def fold(work: Job | Sweep, defined: Defined, **settled: object) -> Job:
    """The job with its definition's values wherever it says nothing itself.

    Not validated again: all parts were, each by itself.
    """
    job = work.job if isinstance(work, Sweep) else work
    said, fields = job.model_fields_set, defined.fields
    filled = {name: one for name, one in fields.items() if name in WHOLE and name not in said}
    for name in ("environment", "parameters"):
        filled[name] = fields.get(name, {}) | getattr(job, name)
    tags = defined.definition.get("tags", {}) | job.tags
    filled["tier"] = tags.get(TIER_TAG, job.tier)
    own = job.resources.model_dump(exclude_unset=True) if "resources" in said else {}
    if str(tags.get(CEILING_TAG, "")).lower() == "true":
        own["ceiling"] = True
    filled["resources"] = defined.resources
    if own:
        filled["resources"] = ResourceRequest.model_construct(**fields["resources"] | own)
    return job.model_copy(update=filled | settled)


def from_definition(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A definition's own values as fields of a `Job`."""
    container = containers.of_definition(definition)
    asked: dict[str, Any] = {name: container[name] for name in OVERRIDES if name in container}
    asked["resourceRequirements"] = [
        one for one in container.get("resourceRequirements", ()) if one["type"] in RESOURCES
    ]
    request = dict.fromkeys(("jobName", "jobQueue", "jobDefinition"), "definition") | {
        "containerOverrides": asked,
        **{name: definition[name] for name in TAKEN_OVER if name in definition},
    }
    job = from_batch(request)
    if isinstance(job, Sweep):
        raise InvalidInput("a definition has no size")
    fields = {name: getattr(job, name) for name in job.model_fields_set if name not in OWN}
    if "schedulingPriority" in definition:
        fields["priority"] = definition["schedulingPriority"]
    if container.get("image"):
        fields["image"] = container["image"]
    return fields | {"resources": job.resources.model_dump(exclude_unset=True)}


@dataclass(frozen=True, slots=True)
class Definer:
    """Gives a job of the native API what its definition says, as SubmitJob does. A name that no
    definition has is no more than a name, where the job says itself what to run.
    """

    source: Source
    place: Place
    recent: Recent

    def __call__(self, job: Job) -> Job:
        try:
            found = self._find(job.definition or "")
        except Fault:
            if job.command:
                return job
            allowed = "a job definition that this broker knows"
            raise InvalidInput.of("definition", job.definition, allowed) from None
        if found.definition["type"] == multinode.MULTINODE:
            allowed = "a definition of one container: several nodes are for AWS Batch's SubmitJob"
            raise InvalidInput.of("definition", job.definition, allowed)
        return fold(job, found, definition=found.name, batch=found.carried | job.batch)

    def _find(self, given: str) -> Defined:
        if self.source.upstream is None:  # what was registered this moment is known
            return Defined.find(self.source, given, self.place)
        return self.recent.ask(Defined.find, self.source, given, self.place)
