"""The container of a job as DescribeJobs tells it: the definition's, with the job's own over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate.job import Job, fill
from queue_broker import containers
from queue_broker.nodes import Range
from queue_broker.records import Standing
from queue_broker.wire.attempts import pod_name
from queue_broker.wire.endings import exit_of, last_ended, log_of, on_ecs
from queue_broker.wire.names import Place
from queue_broker.wire.service import Answer

#: What the job says itself, in the words of `Job`; the rest is the definition's.
OWN = {"command", "environment", "image", "resourceRequirements", "vcpus", "memory"}
#: Lists that the service always answers.
EMPTY = ("volumes", "mountPoints", "ulimits", "secrets", "networkInterfaces")
#: What AWS alone can say of where a container runs, beside its log and ECS's names.
WHERE = ("logConfiguration", "networkInterfaces")


def container(standing: Standing, definition: Mapping[str, Any], place: Place) -> Answer:
    """A `ContainerDetail`."""
    job = standing.record.job
    plain = containers.of_definition(definition)
    lists: Answer = {name: [] for name in EMPTY}
    kept = {name: value for name, value in plain.items() if name not in OWN}
    told = lists | kept | own(job) | resources(job, plain)
    return told | run_of(standing, place)


def container_of_node(standing: Standing, range_: Range, place: Place) -> Answer:
    """A `ContainerDetail` of one node of a multi-node job."""
    lists: Answer = {name: [] for name in (*EMPTY, "environment", "resourceRequirements")}
    command = {"command": list(fill(range_.command, standing.record.job.parameters))}
    return lists | dict(range_.container) | command | run_of(standing, place)


def own(job: Job) -> Answer:
    found: Answer = {
        "command": list(fill(job.command, job.parameters)),
        "environment": [{"name": name, "value": one} for name, one in job.environment.items()],
    }
    return found | ({"image": job.image} if job.image else {})


def resources(job: Job, plain: Mapping[str, Any]) -> Answer:
    """What was asked for, in the form (`vcpus` and `memory`, or a list) that the definition has."""
    asked = job.resources
    pairs = (("VCPU", asked.vcpu), ("MEMORY", asked.memory_mib), ("GPU", asked.gpus))
    listed = [{"type": kind, "value": f"{value:g}"} for kind, value in pairs if value]
    legacy: Answer = {}
    if "vcpus" in plain and asked.vcpu is not None:
        legacy["vcpus"] = int(asked.vcpu)
    if "memory" in plain and asked.memory_mib is not None:
        legacy["memory"] = asked.memory_mib
    told = {"vcpus": "VCPU", "memory": "MEMORY"}
    hidden = {told[name] for name in legacy}
    return legacy | {"resourceRequirements": [one for one in listed if one["type"] not in hidden]}


def run_of(standing: Standing, place: Place) -> Answer:
    """Of the last attempt: its log, and how it ended."""
    found: Answer = {}
    if standing.attempts:
        newest = standing.attempts[-1]
        found |= log_of(standing, newest) | on_ecs(newest, place)
        where = newest.where or {}
        found |= {name: where[name] for name in WHERE if name in where}
    last = last_ended(standing)
    return found | (exit_of(last) if last else {})


def ecs(standing: Standing, definition: Mapping[str, Any], place: Place) -> Answer:
    """An `EcsPropertiesDetail`: the tasks of the definition with the job's own container."""
    job = standing.record.job
    told = run_of(standing, place)
    where = {name: told.pop(name) for name in ("containerInstanceArn", "taskArn") if name in told}
    tasks = [dict(one) for one in definition["ecsProperties"].get("taskProperties", ())]
    first = containers.first_container({"taskProperties": tasks})
    mine = first | own(job) | resources(job, first) | told
    for task in tasks:
        others = task.get("containers", ())
        task["containers"] = [mine if one == first else one for one in others]
        task.update(where)
    return {"taskProperties": tasks}


def eks(standing: Standing, definition: Mapping[str, Any], place: Place) -> Answer:
    """An `EksPropertiesDetail`: the pod of the definition with the job's own container in it."""
    pod = dict(definition["eksProperties"].get("podProperties", {}))
    job = standing.record.job
    first = dict(next(iter(pod.get("containers", ())), {})) | {
        "command": list(fill(job.command, job.parameters)),
        "env": [{"name": name, "value": one} for name, one in job.environment.items()],
    }
    first.pop("args", None)
    if resources := override_of(job).get("resources"):
        first["resources"] = resources
    told = run_of(standing, place)
    first |= {name: told[name] for name in ("exitCode", "reason") if name in told}
    pod["containers"] = [first, *pod.get("containers", ())[1:]]
    if standing.attempts:
        pod["podName"] = pod_name(standing, standing.attempts[-1])
    return {"podProperties": pod}


def override_of(job: Job) -> Mapping[str, Any]:
    """What a submission says of its pod's container."""
    pod = job.batch.get("eksPropertiesOverride", {}).get("podProperties", {})
    return next(iter(pod.get("containers", ())), {})
