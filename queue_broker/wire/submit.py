"""SubmitJob: the request and its job definition, folded into a `Job` or a `Sweep`.

Submitted through the same service as the native API, and translated by the same code as the SDK's
(`headgate.batch_kwargs`). What only AWS Batch understands is carried along in `Job.batch`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate.batch_kwargs import OVERRIDES, REBUILT, RENAMED, from_batch
from headgate.errors import Forbidden, InvalidInput
from headgate.job import Job
from headgate.sweep import Sweep
from queue_broker.core.submit import ITSELF
from queue_broker.wire import containers, definitions
from queue_broker.wire.faults import Fault, refused
from queue_broker.wire.names import Place, name_and_revision
from queue_broker.wire.queues import open_queue
from queue_broker.wire.service import Answer, Call, Wire

#: Tags by which a client speaks to the broker; on the job, else on its definition.
TIER_TAG = "headgate:tier"
CEILING_TAG = "headgate:ceiling"
TRANSLATED = RENAMED.keys() | REBUILT
RESOURCES = {"VCPU": "vcpu", "MEMORY": "memory_mib", "GPU": "gpus"}


async def submit(wire: Wire, call: Call, definition: Answer) -> Answer:
    """Durable when it returns; the same call tried again gives the same job."""
    queue = open_queue(wire, call.get("jobQueue"))
    job = to_job(dict(call.given) | {"jobQueue": queue}, definition)
    job = job.model_copy(update={"client_token": call.token, "tenant": tenant(wire, call, job)})
    accepted = await wire.submitter.submit(to_work(job, call.given), call.caller)
    arn = call.place.arn("job", accepted.job_id)
    return {"jobArn": arn, "jobName": job.name, "jobId": accepted.job_id}


def definition_of(wire: Wire, call: Call) -> Answer:
    """The definition of a submission; `Fault` when there is none, or nothing here can run it."""
    source = definitions.Source(wire.shelf, wire.upstream)
    found = definitions.find(source, call.get("jobDefinition"), call.place)
    if found["type"] == "multinode" and wire.upstream is None:
        words = "a container job; multi-node parallel jobs need AWS Batch behind the broker"
        raise refused(f"jobDefinition: got {call.get('jobDefinition')!r}; allowed: {words}")
    return found


def tenant(wire: Wire, call: Call, job: Job) -> str | None:
    """The share identifier, where the caller may act for a tenant of that name; else its own."""
    if job.tenant is not None:
        try:
            wire.submitter.allow(call.caller, job.tenant)
        except Forbidden:
            return None
    return job.tenant


def to_work(job: Job, request: Mapping[str, Any]) -> Job | Sweep:
    size = request.get("arrayProperties", {}).get("size")
    if size is None:
        return job
    # Not validated again: a sweep would refuse a Ref::name without a parameter, which Batch leaves.
    return Sweep.model_construct(job=job, size=size)


def to_job(request: Mapping[str, Any], definition: Mapping[str, Any]) -> Job:
    """The job that the request asks for, with what it leaves to its definition."""
    asked = {name: value for name, value in request.items() if name in TRANSLATED}
    asked.pop("arrayProperties", None)
    overrides = containers.of_overrides(request)
    asked["containerOverrides"] = {
        name: value for name, value in overrides.items() if name in OVERRIDES
    }
    asked["dependsOn"] = [{"jobId": ITSELF} | one for one in request.get("dependsOn", ())]
    name, _ = name_and_revision(definition["jobDefinitionArn"])
    asked["jobDefinition"] = f"{name}:{definition['revision']}"
    job = fold(from_batch(asked), definition)
    return job.model_copy(update={"batch": carried(request)})


def carried(request: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a request that have no place in `Job`, in AWS Batch's words."""
    rest = {name: value for name, value in request.items() if name not in TRANSLATED}
    overrides = request.get("containerOverrides", {})
    if left := {name: value for name, value in overrides.items() if name not in OVERRIDES}:
        rest["containerOverrides"] = left
    if "shareIdentifier" in request:
        rest["shareIdentifier"] = request["shareIdentifier"]
    return rest


def fold(work: Job | Sweep, definition: Mapping[str, Any]) -> Job:
    """The job with its definition's values wherever it says nothing itself."""
    job = work.job if isinstance(work, Sweep) else work
    container = containers.of_definition(definition)
    said = job.model_fields_set
    defaults = from_definition(definition, container)
    filled: dict[str, Any] = {
        name: defaults[name]
        for name in ("command", "image", "priority", "retry_strategy", "timeout_s")
        if name in defaults and name not in said
    }
    environment = {one["name"]: one.get("value", "") for one in container.get("environment", ())}
    filled["environment"] = environment | job.environment
    filled["parameters"] = definition.get("parameters", {}) | job.parameters
    tags = definition.get("tags", {}) | job.tags
    filled["tier"] = tags.get(TIER_TAG, job.tier)
    ceiling = str(tags.get(CEILING_TAG, "")).lower() == "true"
    asked = defaults.get("resources", {}) | job.resources.model_dump(exclude_none=True)
    filled["resources"] = asked | {"ceiling": ceiling or job.resources.ceiling}
    return Job.model_validate(job.model_dump(exclude_unset=True) | filled)


def from_definition(definition: Mapping[str, Any], container: Mapping[str, Any]) -> dict[str, Any]:
    """A definition's own values as fields of a `Job`."""
    asked: dict[str, Any] = {
        name: container[name] for name in ("command", "vcpus", "memory") if name in container
    }
    asked["resourceRequirements"] = [
        one for one in container.get("resourceRequirements", ()) if one["type"] in RESOURCES
    ]
    request = {
        "jobName": "definition",
        "jobQueue": "definition",
        "jobDefinition": "definition",
        "containerOverrides": asked,
        **{name: definition[name] for name in ("retryStrategy", "timeout") if name in definition},
    }
    job = from_batch(request)
    if isinstance(job, Sweep):
        raise InvalidInput("a definition has no size")
    fields: dict[str, Any] = job.model_dump(exclude_unset=True, exclude={"name", "queue"})
    if "schedulingPriority" in definition:
        fields["priority"] = definition["schedulingPriority"]
    return fields | ({"image": container["image"]} if container.get("image") else {})


@dataclass(frozen=True, slots=True)
class Definer:
    """Gives a job of the native API what its definition says, as SubmitJob does."""

    source: definitions.Source
    place: Place

    def __call__(self, job: Job) -> Job:
        try:
            found = definitions.find(self.source, job.definition or "", self.place)
        except Fault:
            allowed = "a job definition that this broker knows"
            raise InvalidInput.of("definition", job.definition, allowed) from None
        return fold(job, found)
