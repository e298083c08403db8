"""AWS Batch as a client sees it, in virtual time: what it answers, and how often it was asked.

A queue starts its jobs in the order they came, each child on one vCPU as soon as one is free; it
runs as long as was drawn for it. Instances start once and stay. Pages and limits are the service's:
a hundred jobs a DescribeJobs, a thousand a page of ListJobs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from heapq import heappush, heapreplace
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

STATES = ("RUNNABLE", "RUNNING", "SUCCEEDED")
PAGE = 1_000
#: An instance's start, and a container's.
START_S, CONTAINER_S = 45.0, 2.0
#: Log-normal runtimes: two minutes in the middle.
MU, SIGMA = 4.8, 0.5


@dataclass(slots=True)
class Run:
    """One job: when its children start and end, in seconds."""

    name: str
    starts: npt.NDArray[np.float64]
    ends: npt.NDArray[np.float64]

    def states(self, now_s: float) -> npt.NDArray[np.int64]:
        """Places in `STATES`, one a child."""
        return (self.starts <= now_s).astype(np.int64) + (self.ends <= now_s)


@dataclass(slots=True)
class Cores:
    """A queue's vCPUs: when each that runs is free again."""

    most: int
    free_s: list[float] = field(default_factory=list)  #: a heap

    def start(self, now_s: float, runtimes_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """When each of some children starts, first come, first served."""
        return np.array([self._start(now_s, runtime_s) for runtime_s in runtimes_s.tolist()])

    def _start(self, now_s: float, runtime_s: float) -> float:
        warm = bool(self.free_s) and self.free_s[0] <= now_s
        if not warm and len(self.free_s) < self.most:
            start_s = now_s + START_S
            heappush(self.free_s, start_s + runtime_s)
            return start_s
        start_s = max(now_s, self.free_s[0]) + CONTAINER_S
        heapreplace(self.free_s, start_s + runtime_s)
        return start_s


@dataclass(slots=True)
class BatchModel:
    """Has the methods of boto3's client that the engine calls."""

    environments: list[dict[str, Any]]
    queues: list[dict[str, Any]]
    seed: int
    now_s: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    children: int = 0
    _cores: dict[str, Cores] = field(default_factory=dict)
    _runs: dict[str, Run] = field(default_factory=dict)
    _pages: str = ""
    _lock: Lock = field(default_factory=Lock)

    def submit_job(self, **given: Any) -> dict[str, Any]:
        with self._lock:  # the engine submits from several threads
            return self._submit(given)

    def _submit(self, given: dict[str, Any]) -> dict[str, Any]:
        self.calls["SubmitJob"] += 1
        size = given.get("arrayProperties", {}).get("size", 1)
        rng = np.random.default_rng([self.seed, len(self._runs)])
        runtimes_s = rng.lognormal(MU, SIGMA, size)
        starts = self._cores_of(given["jobQueue"]).start(self.now_s, runtimes_s)
        job_id = f"job-{len(self._runs)}"
        self._runs[job_id] = Run(given["jobName"], starts, starts + runtimes_s)
        self.children += size
        return {"jobId": job_id, "jobName": given["jobName"]}

    def _cores_of(self, queue: str) -> Cores:
        if queue not in self._cores:
            most = {
                one["computeEnvironmentName"]: int(one["computeResources"]["maxvCpus"])
                for one in self.environments
            }
            self._cores[queue] = Cores(most[queue])
        return self._cores[queue]

    def use(self) -> float:
        """The share of the vCPUs that were kept busy, from the first start to the last."""
        most = sum(int(one["computeResources"]["maxvCpus"]) for one in self.environments)
        starts = np.concatenate([run.starts for run in self._runs.values()])
        ends = np.concatenate([run.ends for run in self._runs.values()])
        first_s, last_s = starts.min(), starts.max()
        return float((np.minimum(ends, last_s) - starts).sum() / (most * (last_s - first_s)))

    def describe_jobs(self, jobs: list[str]) -> dict[str, Any]:
        self.calls["DescribeJobs"] += 1
        assert len(jobs) <= 100, "DescribeJobs takes 100 jobs"
        return {"jobs": [self._detail(one) for one in jobs]}

    def list_jobs(self, **given: Any) -> dict[str, Any]:
        self.calls["ListJobs"] += 1
        if "filters" in given:
            return {"jobSummaryList": []}
        parent, state = given["arrayJobId"], STATES.index(given["jobStatus"])
        run = self._runs[parent]
        found = np.flatnonzero(run.states(self.now_s) == state)
        first = int(given.get("nextToken", 0))
        some = found[first : first + PAGE]
        page = {"jobSummaryList": [child(run, parent, i, state) for i in some]}
        return page | ({"nextToken": str(first + PAGE)} if first + PAGE < len(found) else {})

    def describe_job_definitions(self, **_: Any) -> dict[str, Any]:
        self.calls["DescribeJobDefinitions"] += 1
        return {"jobDefinitions": []}

    def register_job_definition(self, **given: Any) -> dict[str, Any]:
        self.calls["RegisterJobDefinition"] += 1
        return {"jobDefinitionArn": f"arn:{given['jobDefinitionName']}:1"}

    def get_paginator(self, operation: str) -> BatchModel:
        self._pages = operation
        return self

    def paginate(self) -> list[dict[str, Any]]:
        self.calls[self._pages] += 1
        queues = self._pages == "describe_job_queues"
        return [
            {"jobQueues": self.queues} if queues else {"computeEnvironments": self.environments}
        ]

    def _detail(self, job_id: str) -> dict[str, Any]:
        parent, _, index = job_id.partition(":")
        run = self._runs[parent]
        states = run.states(self.now_s)
        if index or len(run.starts) == 1:
            place = int(index or 0)
            return child(run, parent, place, int(states[place])) | {"jobId": job_id}
        counts = np.bincount(states, minlength=3)
        over = counts[2] == len(run.starts)
        summary = {state: int(n) for state, n in zip(STATES, counts, strict=True)}
        return {
            "jobId": job_id,
            "status": "SUCCEEDED" if over else "PENDING",
            "arrayProperties": {"size": len(run.starts), "statusSummary": summary},
        }


def child(run: Run, parent: str, index: int, state: int) -> dict[str, Any]:
    """A `JobSummary`."""
    told: dict[str, Any] = {"jobId": f"{parent}:{index}", "status": STATES[state]}
    if state > 0:
        told["startedAt"] = int(run.starts[index] * 1000)
    if state == 2:
        told |= {"stoppedAt": int(run.ends[index] * 1000), "container": {"exitCode": 0}}
    return told


def a_lane(
    name: str, vcpu: int, memory_mib: int, most: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A compute environment and its queue, as `headgate lanes apply` leaves them."""
    arn = f"arn:aws:batch:eu-central-1:123456789012:compute-environment/{name}"
    environment = {
        "computeEnvironmentName": name,
        "computeEnvironmentArn": arn,
        "state": "ENABLED",
        "status": "VALID",
        "computeResources": {"type": "SPOT", "maxvCpus": vcpu * most},
        "tags": {
            "headgate:stack": "headgate",
            "headgate:shape": f"{vcpu}/{memory_mib}/0",
            "headgate:usd-hour": f"{vcpu * 0.02:g}",
        },
    }
    order = [{"order": 1, "computeEnvironment": arn}]
    queue = {"jobQueueName": name, "state": "ENABLED", "status": "VALID"}
    return environment, queue | {"computeEnvironmentOrder": order}
