"""DescribeJobs: a job as AWS Batch tells it. Times are whole milliseconds since the Unix epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate.job import Dependency, Job
from headgate.lifecycle import FINISHED, State
from queue_broker.nodes import CONSUMABLES, NODE_PROPERTIES, Nodes, nodes_of
from queue_broker.records import JobId, Standing
from queue_broker.wire import multinode
from queue_broker.wire.attempts import attempts, ms
from queue_broker.wire.container_detail import container, container_of_node, ecs, eks
from queue_broker.wire.endings import cancelled, exit_of, last_ended, status_reason
from queue_broker.wire.names import Place, index_of, name_of
from queue_broker.wire.service import Answer

#: Tags that tell what the broker gave where it was not what was asked for.
GIVEN_TAG = "headgate:given-"


def split_id(given: str) -> tuple[JobId, int | None]:
    """(job, child) from `id`, `id:index`, or the ARN of either."""
    job, _, index = name_of(given).partition(":")
    return JobId(job), index_of(index)


def full_id(standing: Standing) -> str:
    job_id = standing.record.job_id
    if standing.node is not None:
        return f"{job_id}{multinode.MARK}{standing.node}"
    return job_id if standing.task is None else f"{job_id}:{standing.task}"


def to_summary(standing: Standing, place: Place) -> Answer:
    """A `JobSummary`, which is also the beginning of a `JobDetail`."""
    record = standing.record
    job_id = full_id(standing)
    found: Answer = {
        "jobArn": place.arn("job", job_id),
        "jobId": job_id,
        "jobName": record.job.name,
        "createdAt": ms(record.submitted_at_s),
        "status": standing.state.value,
        "jobDefinition": definition_arn(record.job, place),
    }
    if reason := status_reason(standing):
        found["statusReason"] = reason
    started_s, stopped_s = times(standing)
    if started_s is not None:
        found["startedAt"] = ms(started_s)
    if stopped_s is not None and standing.state in FINISHED:
        found["stoppedAt"] = ms(stopped_s)
    if standing.task is not None:
        found["arrayProperties"] = {"index": standing.task}
    elif record.array:
        found["arrayProperties"] = {"size": record.size}
    found |= multinode.summary(standing)
    if share := record.job.batch.get("shareIdentifier"):
        found["shareIdentifier"] = share
    if cancelled(standing):
        found["isTerminated" if standing.attempts else "isCancelled"] = True
    if (last := last_ended(standing)) is not None:
        found["container"] = exit_of(last)
    return found


def to_detail(
    standing: Standing, definition: Mapping[str, Any], tags: Mapping[str, str] | None, place: Place
) -> Answer:
    """A `JobDetail`. `tags`: those of the job if they were changed after it was submitted."""
    record, job = standing.record, standing.record.job
    shown = dict(job.tags if tags is None else tags) | given_instead(standing)
    detail = to_summary(standing, place) | {
        "jobQueue": place.arn("job-queue", job.queue),
        **attempts(standing, definition, place),
        "dependsOn": [to_dependency(one, record.job_id) for one in job.depends_on],
        "parameters": {name: str(value) for name, value in job.parameters.items()},
        "tags": shown,
        "propagateTags": propagates(job, definition),
        "platformCapabilities": definition.get("platformCapabilities", []),
    }
    detail |= options(standing)
    detail |= array_properties(standing)
    detail.pop("container", None)
    if nodes := nodes_of(record):
        del detail[NODE_PROPERTIES]
        return detail | of_nodes(standing, nodes, place)
    if "eksProperties" in definition:
        return detail | {"eksProperties": eks(standing, definition, place)}
    if "ecsProperties" in definition:
        return detail | {"ecsProperties": ecs(standing, definition, place)}
    return detail | {"container": container(standing, definition, place)}


def of_nodes(standing: Standing, nodes: Nodes, place: Place) -> Answer:
    """A multi-node job has nodes, and each of them a container."""
    if standing.node is None:
        return {NODE_PROPERTIES: nodes.properties}
    return {
        "nodeDetails": multinode.place(nodes, standing.node),
        "container": container_of_node(standing, nodes.range_of(standing.node), place),
    }


def options(standing: Standing) -> Answer:
    """What is told only where it was asked for."""
    record, job = standing.record, standing.record.job
    found: Answer = {}
    if job.timeout_s is not None:
        found["timeout"] = {"attemptDurationSeconds": job.timeout_s}
    if "retry_strategy" in job.model_fields_set:
        found["retryStrategy"] = retry_strategy(job)
    if CONSUMABLES in job.batch:
        found[CONSUMABLES] = job.batch[CONSUMABLES]
    if "shareIdentifier" in job.batch:
        found["schedulingPriority"] = record.priority
    return found


def propagates(job: Job, definition: Mapping[str, Any]) -> bool:
    return bool(job.batch.get("propagateTags", definition.get("propagateTags", False)))


def retry_strategy(job: Job) -> Answer:
    strategy = job.retry_strategy
    rules = [
        {
            name: value
            for name, value in (
                ("onStatusReason", rule.on_status_reason),
                ("onReason", rule.on_reason),
                ("onExitCode", rule.on_exit_code),
                ("action", rule.action.lower()),
            )
            if value is not None
        }
        for rule in strategy.evaluate_on_exit
    ]
    return {"attempts": strategy.attempts, "evaluateOnExit": rules}


def to_dependency(dependency: Dependency, own: JobId) -> Answer:
    on = own if dependency.type == "SEQUENTIAL" else dependency.job_id
    return {"jobId": on} | ({"type": dependency.type} if dependency.type else {})


def array_properties(standing: Standing) -> Answer:
    record = standing.record
    if standing.task is not None:
        return {"arrayProperties": {"index": standing.task, "statusSummary": {}}}
    if not record.array:
        return {}
    counts = {state.value: record.counts.get(state, 0) for state in State}
    return {"arrayProperties": {"size": record.size, "statusSummary": counts}}


def given_instead(standing: Standing) -> dict[str, str]:
    """What the broker gave, where that is not what was asked for: visible as tags."""
    estimate = standing.estimate
    if estimate is None:
        return {}
    asked, given = standing.record.job.resources, estimate.allocation
    told: dict[str, str] = {}
    if asked.memory_mib != given.memory_mib:
        told[f"{GIVEN_TAG}memory-mib"] = str(given.memory_mib)
    if asked.vcpu != given.vcpu:
        told[f"{GIVEN_TAG}vcpu"] = f"{given.vcpu:g}"
    if (asked.gpus or 0) != given.gpus:
        told[f"{GIVEN_TAG}gpus"] = str(given.gpus)
    return told | ({f"{GIVEN_TAG}by": estimate.source.value} if told else {})


def times(standing: Standing) -> tuple[float | None, float | None]:
    """When it started and stopped: an array as a whole, a task in its last attempt."""
    record = standing.record
    if record.array and standing.task is None:
        return record.started_at_s, record.finished_at_s
    if not standing.attempts:
        return None, record.finished_at_s
    last = standing.attempts[-1]
    if standing.state in FINISHED or standing.state is State.RUNNING:
        return last.started_at_s, last.stopped_at_s
    return None, None


def definition_arn(job: Job, place: Place) -> str:
    """Jobs of the native API may have no definition; their name and revision 1 stand for it."""
    return place.arn("job-definition", job.definition or f"{job.name}:1")
