"""Whatever is asked of the wire protocol in the model's shapes, or nearly so, nothing breaks."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queue_broker.wire.logs import HANDLERS, PREFIX
from queue_broker.wire.model import Operation, load, operations
from tests.unit.queue_broker.wire.batch import Batch

#: An error of the server's own; no request may come to one.
BROKEN = 500
#: Names and ids of things that exist, and of things that do not.
ARN = "arn:aws:batch:eu-central-1:123456789012"
KNOWN = (
    *("default", "headgate", "plain", "plain:1", "plain:2", "fair", "none", "", "*", "a*"),
    *(f"{ARN}:job-queue/default", f"{ARN}:job-definition/plain:1", f"{ARN}:scheduling-policy/fair"),
    *("RUNNABLE", "SHARE_IDENTIFIER", "JOB_NAME", "JOB_DEFINITION", "BEFORE_CREATED_AT"),
    *(
        "/aws/batch/job",
        "plain/default/",
        "busybox",
        "1",
        "64Mi",
        "FARGATE",
        "Ref::what",
        "9" * 400,
    ),
)
NUMBERS = st.sampled_from([-1, 0, 1, 2, 4, 60, 600, 9999, 10_000, 2**31, 2**63, 10**400])
TEXTS = st.sampled_from(KNOWN) | st.text(max_size=12)
ODD: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | NUMBERS | TEXTS | st.just([]) | st.just({}) | st.floats(0, 1)
)
#: One value in so many is of another type than the model's.
ONE_IN = 40


def values(shape: Any, jobs: list[str]) -> st.SearchStrategy[Any]:
    """Of a shape of the model; now and then of another."""
    right = right_values(shape, jobs)
    return st.integers(0, ONE_IN).flatmap(lambda at: right if at else ODD)


def right_values(shape: Any, jobs: list[str]) -> st.SearchStrategy[Any]:
    match shape.type_name:
        case "structure":
            members = {name: later(one, jobs) for name, one in shape.members.items()}
            needed = {name: members.pop(name) for name in shape.required_members}
            return few(needed, members)
        case "list":
            return st.lists(values(shape.member, jobs), max_size=3)
        case "map":
            return st.dictionaries(TEXTS, values(shape.value, jobs), max_size=3)
        case "string":
            enum = getattr(shape, "enum", None)
            return st.sampled_from(enum) if enum else TEXTS | st.sampled_from(jobs)
        case "boolean":
            return st.booleans()
    return NUMBERS


def later(shape: Any, jobs: list[str]) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: values(shape, jobs))


def few(needed: dict[str, Any], others: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """What is needed, and a few of the others: with all of them, something is always wrong."""
    if not others:
        return st.fixed_dictionaries(needed)
    chosen = st.lists(st.sampled_from(sorted(others)), max_size=3, unique=True)
    return chosen.flatmap(
        lambda names: st.fixed_dictionaries(needed | {name: others[name] for name in names})
    )


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batch]:
    folder: Path = tmp_path_factory.mktemp("wire")
    found = Batch(f"sqlite:///{folder / 'headgate.db'}", folder)
    found.define()
    found.submit(arrayProperties={"size": 3})
    found.turn()
    yield found
    found.close()


@pytest.fixture(scope="module")
def jobs(batch: Batch) -> list[str]:
    single, array = batch.submit(), batch.submit(arrayProperties={"size": 2})
    return [single, array, f"{array}:1", f"{array}:7", f"{single}:0"]


CONTAINER = {"image": "busybox", "vcpus": 1, "memory": 64}
EC2 = {"type": "EC2", "minvCpus": 0, "maxvCpus": 4, "subnets": ["s"], "instanceRole": "r"}
ORDER = [{"order": 1, "computeEnvironment": "headgate"}]
#: Requests that are taken as they are; a few members more may make them strange.
RIGHT: dict[str, dict[str, Any]] = {
    "CreateComputeEnvironment": {
        "computeEnvironmentName": "made",
        "type": "MANAGED",
        "computeResources": EC2,
    },
    "CreateJobQueue": {"jobQueueName": "made", "priority": 1, "computeEnvironmentOrder": ORDER},
    "CreateSchedulingPolicy": {"name": "made"},
    "ListJobs": {"jobQueue": "default"},
    "RegisterJobDefinition": {
        "jobDefinitionName": "made",
        "type": "container",
        "containerProperties": CONTAINER,
    },
    "SubmitJob": {"jobName": "made", "jobQueue": "default", "jobDefinition": "plain"},
    "UpdateComputeEnvironment": {"computeEnvironment": "made"},
    "UpdateJobQueue": {"jobQueue": "default"},
}
FUZZ = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)

SHAPES = [one for one in operations() if one.takes is not None]


@pytest.mark.parametrize("operation", SHAPES, ids=lambda one: str(one.name))
@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_no_request_of_batch_is_the_servers_fault(
    batch: Batch, jobs: list[str], operation: Operation, data: st.DataObject
) -> None:
    body = data.draw(values(operation.takes, jobs))
    content = json.dumps(body).encode()
    path = operation.path.replace("{resourceArn}", data.draw(st.sampled_from(paths(jobs))))
    answer = batch.send(operation.method, path, content, {})
    assert answer.status_code < BROKEN, (operation.name, body, answer.text)


@pytest.mark.parametrize("name", sorted(RIGHT))
@given(data=st.data())
@settings(FUZZ, max_examples=25)
def test_nor_is_one_that_would_be_right_but_for_a_member(
    batch: Batch, jobs: list[str], name: str, data: st.DataObject
) -> None:
    (operation,) = (one for one in SHAPES if one.name == name)
    takes: Any = operation.takes
    others = {key: later(one, jobs) for key, one in takes.members.items()}
    right = RIGHT[name]
    more = data.draw(few({}, {key: one for key, one in others.items() if key not in right}))
    changed = data.draw(st.sampled_from([None, *right]))
    strange = {changed: data.draw(others[changed])} if changed else {}
    body = right | more | strange
    answer = batch.send(operation.method, operation.path, json.dumps(body).encode(), {})
    assert answer.status_code < BROKEN, (name, body, answer.text)


def paths(jobs: list[str]) -> list[str]:
    arns = [one for one in KNOWN if one.startswith("arn:")]
    return [*arns, *(f"{ARN}:job/{one}" for one in jobs), string.ascii_letters]


@pytest.mark.parametrize("name", sorted(HANDLERS))
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_no_request_of_logs_is_the_servers_fault(
    batch: Batch, jobs: list[str], name: str, data: st.DataObject
) -> None:
    shape: Any = load("logs").operation_model(name).input_shape
    group = {"logGroupName": "/aws/batch/job"} if "logGroupName" in shape.members else {}
    body = group | data.draw(right_values(shape, jobs))
    content = json.dumps(body).encode()
    answer = batch.send("POST", "/", content, {"x-amz-target": f"{PREFIX}{name}"})
    assert answer.status_code < BROKEN, (name, body, answer.text)
