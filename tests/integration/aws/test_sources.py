"""What tasks used, read from moto's CloudWatch Logs."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from headgate.lifecycle import Cause
from headgate.usage import Meter, Usage
from queue_broker.adapters.engines.aws.reports import Reports
from queue_broker.adapters.engines.aws.sources import Insights, ShimLines, samples
from queue_broker.events import Ended
from tests.integration.aws.moto_server import Moto
from tests.unit.queue_broker.adapters.engines.aws.batch import FakeBatch
from tests.unit.queue_broker.adapters.engines.aws.leaks import a_leak

LINE = 'HEADGATE_USAGE {"exit_code":0,"needed_bytes":67108864,"cpu_us":5000000,"job":"%s"}'
GPU = 'HEADGATE_USAGE {"gpu_mib":900,"gpu_busy":50,"gpu_looks":1}'
CLUSTER = "AWSBatch-headgate-m6a-1"
TASK_ARN = "arn:aws:ecs:eu-central-1:123456789012:task/%s/%s"
NUMBERS = count()


@dataclass(slots=True)
class Log:
    """A log group on moto, and the time: CloudWatch takes nothing that is two weeks old."""

    moto: Moto
    group: str = field(default_factory=lambda: f"group-{next(NUMBERS)}")
    now_s: float = field(default_factory=time.time)
    logs: Any = field(init=False)

    def __post_init__(self) -> None:
        self.logs = self.moto.client("logs")
        self.logs.create_log_group(logGroupName=self.group)

    def write(self, stream: str, messages: Sequence[str]) -> None:
        self.logs.create_log_stream(logGroupName=self.group, logStreamName=stream)
        told = [{"timestamp": int(self.now_s * 1000), "message": one} for one in messages]
        self.logs.put_log_events(logGroupName=self.group, logStreamName=stream, logEvents=told)

    def end(self, task: int) -> Ended:
        usage = Usage(runtime_s=100.0)
        return Ended("leak", task, self.now_s, Cause.EXITED, 0, usage, None, self.now_s - 100)


@pytest.fixture
def log(moto: Moto) -> Log:
    return Log(moto)


def test_the_shim_s_lines_are_read_in_bulk_and_waited_for_a_while(log: Log) -> None:
    for n in range(3):
        log.write(f"s{n}", ["hi", *([GPU] if n == 1 else []), LINE % f"j:{n}"])
    reports = Reports(ShimLines(log.logs, log.group, wait_s=10.0), lambda: log.now_s)
    for n in range(4):
        reports.hold(f"j:{n}", log.end(n), a_leak())

    ready = reports.ready()

    used = [end.usage for end in ready]
    assert [end.task for end in ready] == [0, 1, 2]
    assert used[0] == Usage(100.0, 64.0, 5.0, meter=Meter.CGROUP)
    assert used[1] is not None
    assert used[1].gpu_memory_mib == 900.0
    log.now_s += 10.0
    assert [(end.task, end.usage) for end in reports.ready()] == [(3, Usage(100.0))]
    assert reports.ready() == []


def test_a_log_group_that_is_not_there_holds_nothing_back_for_ever(log: Log) -> None:
    reports = Reports(ShimLines(log.logs, "no-such-group", wait_s=10.0), lambda: log.now_s)
    reports.hold("j:0", log.end(0), a_leak())

    assert reports.ready() == []
    log.now_s += 10.0
    assert [end.task for end in reports.ready()] == [0]


def a_sample(task: str, mib: float, units: float, kind: str = "Container") -> str:
    told = {"Type": kind, "TaskId": task, "ClusterName": CLUSTER}
    return json.dumps(told | {"MemoryUtilized": mib, "CpuUtilized": units})


def in_batch(tasks: Sequence[str], cluster: str = CLUSTER) -> FakeBatch:
    """The jobs j:0, j:1, ... and the ECS tasks that they were."""
    told = [{"container": {"taskArn": TASK_ARN % (cluster, task)}} for task in tasks]
    return FakeBatch(jobs={f"j:{n}": one | {"jobId": f"j:{n}"} for n, one in enumerate(told)})


def test_tasks_without_the_shim_are_found_in_container_insights(moto: Moto) -> None:
    log = Log(moto, f"/aws/ecs/containerinsights/{CLUSTER}/performance")
    told = [a_sample("a1", 200, 1024), a_sample("a1", 300, 512), a_sample("b2", 7, 2048)]
    log.write("AgentTelemetry-1", [*told, a_sample("a1", 9_000, 0, kind="Task")])
    batch: Any = in_batch(["a1", "b2", "c3"])
    reports = Reports(Insights(batch, log.logs), lambda: log.now_s)
    for n in range(3):
        reports.hold(f"j:{n}", log.end(n), a_leak())

    ready = reports.ready()

    assert [end.task for end in ready] == [0, 1]
    assert ready[0].usage == Usage(100.0, 300.0, 75.0, meter=Meter.CONTAINER_INSIGHTS)
    assert ready[1].usage == Usage(100.0, 7.0, 200.0, meter=Meter.CONTAINER_INSIGHTS)
    log.now_s += 180.0
    assert [(end.task, end.usage) for end in reports.ready()] == [(2, Usage(100.0))]


def test_a_cluster_without_container_insights_is_left_alone(log: Log) -> None:
    batch: Any = in_batch(["a1"], cluster="plain")

    assert Insights(batch, log.logs).read({"j:0": log.end(0)}) == {}


def test_lines_that_are_no_samples_are_passed_over() -> None:
    assert samples(["", "[]", "{", '{"Type": "Container", "TaskId": "a"}']) == {}
