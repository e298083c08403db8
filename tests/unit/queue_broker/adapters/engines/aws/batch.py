"""AWS Batch in memory: it takes jobs and says what it is told to say of them, or fails."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from queue_broker.adapters.engines.aws.clients import Clients
from queue_broker.settings import AwsSettings

ARN = "arn:aws:batch:eu-central-1:123456789012:job-definition"


def error(code: str, message: str = "no", status: int = 400) -> ClientError:
    """What a call answers when it fails."""
    told: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(told, "Some")


@dataclass(slots=True)
class FakeBatch:
    """`errors` are those that the next calls of an operation raise, in order; `after` those that
    they raise once the deed is done."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    queues: dict[str, dict[str, Any]] = field(default_factory=dict)
    definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    errors: dict[str, list[Exception]] = field(default_factory=lambda: defaultdict(list))
    after: dict[str, list[Exception]] = field(default_factory=lambda: defaultdict(list))
    calls: Counter[str] = field(default_factory=Counter)
    terminated: list[tuple[str, str]] = field(default_factory=list)
    _pages: str = ""

    def submit_job(self, **given: Any) -> dict[str, Any]:
        self._called("submit_job")
        job_id = f"id-{len(self.jobs) + 1}"
        size = given.get("arrayProperties", {}).get("size")
        array = {"arrayProperties": {"size": size, "statusSummary": {}}} if size else {}
        asked = {"jobId": job_id, "jobName": given["jobName"], "status": "RUNNABLE"}
        self.jobs[job_id] = asked | {"asked": given} | array
        self._done("submit_job")
        return {"jobId": job_id}

    def describe_jobs(self, jobs: list[str]) -> dict[str, Any]:
        self._called("describe_jobs")
        return {"jobs": [self.jobs[one] for one in jobs if one in self.jobs]}

    def list_jobs(self, **given: Any) -> dict[str, Any]:
        self._called("list_jobs")
        if "arrayJobId" in given:
            children = self.jobs[given["arrayJobId"]].get("children", [])
            found = [one for one in children if one["status"] == given["jobStatus"]]
        else:
            (name,) = given["filters"][0]["values"]
            found = [one for one in self.jobs.values() if one["jobName"] == name]
        return {"jobSummaryList": found}

    def describe_job_definitions(self, **given: Any) -> dict[str, Any]:
        self._called("describe_job_definitions")
        named = given.get("jobDefinitions") or [given["jobDefinitionName"]]
        found = [
            one
            for one in self.definitions.values()
            if given.get("status") in (None, one["status"]) and names_of(one).intersection(named)
        ]
        return {"jobDefinitions": found}

    def register_job_definition(self, **given: Any) -> dict[str, Any]:
        self._called("register_job_definition")
        name = given["jobDefinitionName"]
        revision = 1 + sum(one["jobDefinitionName"] == name for one in self.definitions.values())
        arn = f"{ARN}/{name}:{revision}"
        kept = {"jobDefinitionArn": arn, "revision": revision, "status": "ACTIVE"}
        self.definitions[arn] = given | kept
        return {"jobDefinitionArn": arn}

    def tag_resource(self, resourceArn: str, tags: dict[str, str]) -> None:  # noqa: N803
        self._called("tag_resource")
        self.definitions[resourceArn].setdefault("tags", {}).update(tags)

    def terminate_job(self, **given: Any) -> None:
        self._called("terminate_job")
        self.terminated.append((given["jobId"], given["reason"]))

    def terminate_jobs(self, **given: Any) -> None:
        self._called("terminate_jobs")
        if len(given["jobs"]) > 50:
            raise error("ClientException", "more than 50 jobs")
        self.terminated += [(one, given["reason"]) for one in given["jobs"]]

    def get_paginator(self, operation: str) -> FakeBatch:
        self._pages = operation
        return self

    def paginate(self) -> list[dict[str, Any]]:
        self._called(self._pages)
        made = list(self.queues.values())
        return [{"jobQueues": list(map(queue_of, made)), "computeEnvironments": made}]

    def _called(self, operation: str) -> None:
        self.calls[operation] += 1
        if self.errors[operation]:
            raise self.errors[operation].pop(0)

    def _done(self, operation: str) -> None:
        if self.after[operation]:
            raise self.after[operation].pop(0)


def names_of(definition: dict[str, Any]) -> set[str]:
    name = definition["jobDefinitionName"]
    return {name, f"{name}:{definition['revision']}", definition["jobDefinitionArn"]}


def a_queue(name: str = "lane", shape: str = "16/64000/0", **more: Any) -> dict[str, Any]:
    """The compute environment behind a lane."""
    tags = {"headgate:stack": "headgate", "headgate:shape": shape}
    plain = {"computeEnvironmentName": name, "state": "ENABLED", "status": "VALID", "tags": tags}
    return plain | {"computeResources": {"type": "SPOT", "maxvCpus": 160}} | more


def queue_of(environment: dict[str, Any]) -> dict[str, Any]:
    name = environment["computeEnvironmentName"]
    order = [{"order": 1, "computeEnvironment": name}]
    plain = {"jobQueueName": name, "state": "ENABLED", "status": "VALID"}
    return plain | {"computeEnvironmentOrder": order}


def clients_of(batch: FakeBatch, settings: AwsSettings, **others: Any) -> Clients:
    clients = Clients(settings, session=None)  # type: ignore[arg-type]  # nobody is called
    clients.__dict__ |= {"submit": batch, "batch": batch, "logs": None, "sqs": None} | others
    return clients
