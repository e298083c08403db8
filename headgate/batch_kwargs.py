"""boto3's `submit_job` keyword arguments as a `Job` or a `Sweep`, with no change of meaning.

They are also the body of AWS Batch's `POST /v1/submitjob`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headgate.errors import InvalidInput
from headgate.job import Job
from headgate.sweep import Sweep
from headgate.validation import parse

#: Plain renames; the rest is rebuilt below.
RENAMED = {
    "jobName": "name",
    "jobDefinition": "definition",
    "jobQueue": "queue",
    "parameters": "parameters",
    "tags": "tags",
    "schedulingPriorityOverride": "priority",
    "shareIdentifier": "tenant",
}
REBUILT = {"arrayProperties", "containerOverrides", "dependsOn", "retryStrategy", "timeout"}
#: Taken, and without an effect here: tags are kept with the job in any case.
WITHOUT_EFFECT = {"propagateTags"}
OVERRIDES = {"command", "environment", "resourceRequirements", "memory", "vcpus"}
RESOURCES = {"VCPU": "vcpu", "MEMORY": "memory_mib", "GPU": "gpus"}


def from_batch(kwargs: Mapping[str, Any]) -> Job | Sweep:
    """The job, or the sweep for an array, that these arguments ask for.

    `InvalidInput` names the first argument that Headgate cannot honour, in Batch's own words: an
    argument left out silently would be a job that runs otherwise than was asked.
    """
    if not kwargs.keys() & {"jobName", "jobQueue", "jobDefinition"}:
        allowed = "headgate.Job(name=..., command=...), or boto3's jobName, jobQueue, jobDefinition"
        raise InvalidInput.of("submit", ", ".join(kwargs) or "nothing", allowed)
    _only(kwargs, "", RENAMED.keys() | REBUILT | WITHOUT_EFFECT)
    for needed in ("jobName", "jobQueue", "jobDefinition"):
        if not kwargs.get(needed):
            raise InvalidInput.of(needed, "nothing", "a value; it is required")
    fields = {ours: kwargs[theirs] for theirs, ours in RENAMED.items() if theirs in kwargs}
    fields["queue"] = _last_part(fields["queue"])
    fields |= _overrides(_mapping(kwargs, "containerOverrides"))
    fields |= _lifetime(kwargs)
    size = _mapping(kwargs, "arrayProperties").get("size")
    if size is None:
        return parse(Job, fields)
    return parse(Sweep, {"job": fields, "size": size})


def _lifetime(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if strategy := _mapping(kwargs, "retryStrategy"):
        fields["retry_strategy"] = _retry_strategy(strategy)
    if timeout := _mapping(kwargs, "timeout"):
        fields["timeout_s"] = timeout.get("attemptDurationSeconds")
    if depends := _items(kwargs, "dependsOn"):
        fields["depends_on"] = [_dependency(one, at) for at, one in enumerate(depends)]
    return fields


def _dependency(one: Mapping[str, Any], at: int) -> dict[str, Any]:
    _only(one, f"dependsOn.{at}.", {"jobId", "type"})
    # SEQUENTIAL is of an array on itself and names no job; with a job it is a plain dependency.
    job_id, kind = one.get("jobId"), one.get("type")
    if kind == "SEQUENTIAL":
        return {"job_id": "self", "type": kind} if job_id is None else {"job_id": job_id}
    return _present(job_id=job_id, type=kind)


def _retry_strategy(strategy: Mapping[str, Any]) -> dict[str, Any]:
    _only(strategy, "retryStrategy.", {"attempts", "evaluateOnExit"})
    rules = [
        _present(
            action=str(rule.get("action", "")).upper(),
            on_exit_code=rule.get("onExitCode"),
            on_reason=rule.get("onReason"),
            on_status_reason=rule.get("onStatusReason"),
        )
        for rule in _items(strategy, "evaluateOnExit")
    ]
    return _present(attempts=strategy.get("attempts"), evaluate_on_exit=rules or None)


def _overrides(overrides: Mapping[str, Any]) -> dict[str, Any]:
    _only(overrides, "containerOverrides.", OVERRIDES)
    environment = {
        str(one.get("name")): one.get("value", "") for one in _items(overrides, "environment")
    }
    resources = _present(vcpu=overrides.get("vcpus"), memory_mib=overrides.get("memory"))
    for at, one in enumerate(_items(overrides, "resourceRequirements")):
        kind = RESOURCES.get(one.get("type", ""))
        if kind is None:
            field = f"containerOverrides.resourceRequirements.{at}.type"
            raise InvalidInput.of(field, one.get("type"), "VCPU, MEMORY or GPU")
        resources[kind] = one.get("value")
    return _present(
        command=overrides.get("command") or None,  # none of its own, and so its definition's
        environment=environment or None,
        resources=resources or None,
    )


def _only(given: Mapping[str, Any], prefix: str, known: set[str]) -> None:
    for name in sorted(given.keys() - known):
        raise InvalidInput.of(f"{prefix}{name}", given[name], f"one of {', '.join(sorted(known))}")


def _mapping(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = given.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInput.of(name, value, "an object")
    return value


def _items(given: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    value = given.get(name)
    if value is None:
        return ()
    if not isinstance(value, Sequence) or not all(isinstance(one, Mapping) for one in value):
        raise InvalidInput.of(name, value, "a list of objects")
    return value


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _last_part(queue: object) -> object:
    """A queue's name, also from its ARN (arn:aws:batch:REGION:ACCOUNT:job-queue/NAME)."""
    return queue.rpartition("/")[2] if isinstance(queue, str) else queue
