"""A job's attempts as DescribeJobs tells them: only those that are over, as with AWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from queue_broker import containers
from queue_broker.records import Attempt, Standing
from queue_broker.wire.endings import attempt_reason, exit_of, log_of, on_ecs, stream_of
from queue_broker.wire.names import Place
from queue_broker.wire.service import Answer


def attempts(standing: Standing, definition: Mapping[str, Any], place: Place) -> Answer:
    """`attempts`, or the `eksAttempts` of a pod; the other is told too, empty, as AWS tells it."""
    over = [one for one in standing.attempts if one.cause is not None]
    none: Answer = {"attempts": [], "eksAttempts": []}
    if "eksProperties" in definition:
        pod = definition["eksProperties"].get("podProperties", {})
        return none | {"eksAttempts": [on_eks(standing, one, pod) for one in over]}
    if "ecsProperties" in definition:
        name = containers.first_container(definition["ecsProperties"]).get("name")
        return none | {"attempts": [of_task(standing, one, name, place) for one in over]}
    return none | {"attempts": [of_container(standing, one, place) for one in over]}


def of_container(standing: Standing, attempt: Attempt, place: Place) -> Answer:
    """An `AttemptDetail`."""
    return {"container": ended(standing, attempt) | on_ecs(attempt, place)} | course(attempt)


def of_task(standing: Standing, attempt: Attempt, name: str | None, place: Place) -> Answer:
    """An `AttemptDetail` of a job with `ecsProperties`; `name` is its essential container's."""
    mine = ended(standing, attempt) | ({"name": name} if name else {})
    return {"taskProperties": [on_ecs(attempt, place) | {"containers": [mine]}]} | course(attempt)


def on_eks(standing: Standing, attempt: Attempt, pod: Mapping[str, Any]) -> Answer:
    """An `EksAttemptDetail`."""
    first: Mapping[str, Any] = next(iter(pod.get("containers", ())), {})
    name = {"name": first["name"]} if "name" in first else {}
    return {
        "containers": [name | exit_of(attempt)],
        "podName": pod_name(standing, attempt),
    } | course(attempt)


def ended(standing: Standing, attempt: Attempt) -> Answer:
    return exit_of(attempt) | log_of(standing, attempt) | {"networkInterfaces": []}


def course(attempt: Attempt) -> Answer:
    """When it ran and why it ended."""
    found: Answer = {"statusReason": attempt_reason(attempt)}
    if attempt.started_at_s is not None:
        found["startedAt"] = ms(attempt.started_at_s)
    if attempt.stopped_at_s is not None:
        found["stoppedAt"] = ms(attempt.stopped_at_s)
    return found


def pod_name(standing: Standing, attempt: Attempt) -> str:
    return stream_of(standing, attempt).rpartition("/")[2]


def ms(at_s: float) -> int:
    return int(at_s * 1000)
