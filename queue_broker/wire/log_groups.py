"""The groups that logs are in: /aws/batch/job has all, one that a job's definition names has its.

AWS has a log in the named group alone; here both find it, since clients look in either. A client
may also make a group, before jobs have logs in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headgate.job import Job
from queue_broker import containers
from queue_broker.wire.faults import Fault
from queue_broker.wire.kept import every
from queue_broker.wire.kept import page as paged
from queue_broker.wire.names import Place
from queue_broker.wire.service import Answer, Call, Wire

GROUP = "/aws/batch/job"
#: Those that clients made, on the shelf.
MADE = "log-group"
#: Logs are looked for in so many jobs, the newest.
MOST_JOBS = 500
MOST_GROUPS = 50
STANDARD = "STANDARD"
LOG, DRIVER, OPTIONS = "logConfiguration", "awslogs", "options"
NAMED, PREFIX = "awslogs-group", "awslogs-stream-prefix"
INVALID, NOT_FOUND = "InvalidParameterException", "ResourceNotFoundException"
NO_GROUP = "The specified log group does not exist."
BOTH_GROUPS = "LogGroup name and LogGroup ARN are mutually exclusive parameters."
BOTH_PATTERNS = "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
#: Of a group that is found by a part of its name, CloudWatch leaves these out.
NOT_BY_PATTERN = {"deletionProtectionEnabled", "storedBytes"}


def of_definition(definition: Mapping[str, Any]) -> Answer:
    """What a job keeps of it in `Job.batch`: where its log is to be, if that is said."""
    given = containers.of_definition(definition).get(LOG, {})
    options = given.get(OPTIONS, {}) if given.get("logDriver") == DRIVER else {}
    said = {name: options[name] for name in (NAMED, PREFIX) if options.get(name)}
    return {LOG: {OPTIONS: said}} if said else {}


def said_of(job: Job, name: str) -> str | None:
    """What `of_definition` kept of an option."""
    match job.batch.get(LOG):
        case {"options": {**options}}:
            found = options.get(name)
            return found if isinstance(found, str) else None
    return None


def group_of(job: Job) -> str:
    return said_of(job, NAMED) or GROUP


def prefix_of(job: Job) -> str:
    """What the names of a job's streams begin with: as was said, else its definition's name."""
    return said_of(job, PREFIX) or (job.definition or job.name).partition(":")[0]


def asked_group(call: Call) -> str:
    """The group's name, from its name or its ARN; there may be none such."""
    named, identified = call.get("logGroupName"), call.get("logGroupIdentifier")
    if named and identified:
        raise Fault(BOTH_GROUPS, "ValidationException")
    group: str = named or identified or ""
    return group.rpartition("log-group:")[2].removesuffix(":*")


def check_group(wire: Wire, group: str) -> None:
    if wire.shelf.get(MADE, group) is None and group not in with_logs(wire):
        raise Fault(NO_GROUP, NOT_FOUND)


def with_logs(wire: Wire) -> set[str]:
    """The groups that the newest jobs have logs in."""
    return {GROUP, *(group_of(one.job) for one in wire.store.jobs(limit=MOST_JOBS))}


def log_groups(wire: Wire, call: Call) -> Answer:
    """Those that are asked for."""
    if call.get("logGroupNamePrefix") and call.get("logGroupNamePattern"):
        raise Fault(BOTH_PATTERNS, INVALID)
    if call.get("logGroupClass", STANDARD) != STANDARD:
        return {"logGroups": []}
    return paged("logGroups", list(asked(wire, call)), call, call.get("limit", MOST_GROUPS))


def asked(wire: Wire, call: Call) -> Iterator[Answer]:
    prefix, part = call.get("logGroupNamePrefix") or "", call.get("logGroupNamePattern") or ""
    named = {*call.get("logGroupIdentifiers", ())}
    made = {one.name: one.body for one in every(wire.shelf, MADE)}
    for name in sorted(with_logs(wire) | made.keys()):
        group = to_group(call.place, name) | made.get(name, {})
        if not (name.startswith(prefix) and part in name):
            continue
        if named and not named & {name, group["arn"], group["logGroupArn"]}:
            continue
        left_out = NOT_BY_PATTERN if part else ()
        yield {key: one for key, one in group.items() if key not in left_out}


def to_group(place: Place, name: str) -> Answer:
    arn = f"{place.of('logs')}:log-group:{name}"
    return {
        "logGroupName": name,
        "arn": f"{arn}:*",
        "logGroupArn": arn,
        "logGroupClass": STANDARD,
        "creationTime": 0,
        "deletionProtectionEnabled": False,
        "metricFilterCount": 0,
        "storedBytes": 0,
    }
