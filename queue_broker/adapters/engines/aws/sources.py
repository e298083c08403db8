"""Where the use of containers that have ended is read: one port, and its two sources.

The shim's line is exact, and thousands of tasks come by a call. Containers that run without it are
asked for in CloudWatch Container Insights: a sample a minute, so that short peaks are missed.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from headgate.usage import Meter, Usage
from queue_broker.adapters.engines.aws.faults import calling
from queue_broker.adapters.engines.shim import Report, take_report
from queue_broker.events import Ended

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_logs import CloudWatchLogsClient

#: Lines may arrive so much before what was asked for last: ingestion is not in order.
OVERLAP_S = 30.0
MOST_PAGES = 20


class Measured(Protocol):
    """What is known of one container's use."""

    @property
    def oom_kills(self) -> int | None: ...

    def usage(self, runtime_s: float) -> Usage: ...


class Source(Protocol):
    """A place where use can be read. Whatever it does not know it leaves out."""

    wait_s: float  #: so long after an end something may still come
    period_s: float  #: between two looks

    def read(self, held: Mapping[str, Ended]) -> Mapping[str, Measured]:
        """By Batch's ids, of children that have ended. `Unavailable`."""


PATTERN = '"HEADGATE_USAGE"'
JOB = re.compile(r'"job":"([^"]+)"')
#: Reports that came before their tasks' ends were seen.
MOST_KEPT = 50_000


@dataclass(slots=True)
class ShimLines:
    """The shim's own lines in the log group of the jobs."""

    logs: CloudWatchLogsClient
    group: str
    wait_s: float = 10.0
    period_s: float = 2.0
    _known: OrderedDict[str, Report] = field(default_factory=OrderedDict)
    _before: dict[str, str] = field(default_factory=dict)  #: by stream: lines that name no job
    _read_s: float = float("-inf")

    def read(self, held: Mapping[str, Ended]) -> Mapping[str, Measured]:
        since_s = max(self._read_s, min(end.at_s for end in held.values()))
        given = {"filterPattern": PATTERN, "startTime": to_ms(since_s)}
        for event in filtered(self.logs, self.group, given):
            self._read_s = max(self._read_s, event["timestamp"] / 1000)
            self._note(event["logStreamName"], event["message"])
        return {child: self._known.pop(child) for child in held if child in self._known}

    def _note(self, stream: str, message: str) -> None:
        """The last line of a stream names the job; other figures come on lines before it."""
        named = JOB.search(message)
        lines = f"{self._before.pop(stream, '')}\n{message}\n"
        _, report = take_report(lines)
        if report is None:
            return
        if named is None:
            self._before[stream] = lines
            return
        self._known[named.group(1)] = report
        while len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)


#: As many of one batch as the predictor learns from; a hundred ids go into one DescribeJobs.
MOST_ASKED = 64
#: A pattern of CloudWatch Logs has at most 1,024 characters.
MOST_IN_PATTERN = 16
#: Batch puts its tasks into a cluster for each compute environment.
TASK_ARN = re.compile(r":task/(?P<cluster>[^/]+)/(?P<task>[0-9a-f]+)$")
VCPU = 1024  #: CPU units of ECS


@dataclass(frozen=True, slots=True)
class Sampled:
    """A container's samples: the most memory of any, and the mean of its cores."""

    peak_memory_mib: float
    vcpu: float
    oom_kills: int | None = None

    def usage(self, runtime_s: float) -> Usage:
        return Usage(
            runtime_s=runtime_s,
            peak_memory_mib=self.peak_memory_mib,
            cpu_s=self.vcpu * runtime_s,
            meter=Meter.CONTAINER_INSIGHTS,
        )


@dataclass(slots=True)
class Insights:
    """Container Insights' performance log. A cluster that has none is left alone."""

    batch: BatchClient
    logs: CloudWatchLogsClient
    wait_s: float = 180.0
    period_s: float = 45.0

    def read(self, held: Mapping[str, Ended]) -> Mapping[str, Measured]:
        some = dict(islice(held.items(), MOST_ASKED))
        since_s = min(end.started_at_s or end.at_s for end in some.values())
        by_cluster: dict[str, dict[str, str]] = defaultdict(dict)
        for child, cluster, task in self._tasks_of(list(some)):
            by_cluster[cluster][task] = child
        found: dict[str, Measured] = {}
        for cluster, tasks in sorted(by_cluster.items()):
            for task, sampled in samples(self._events(cluster, sorted(tasks), since_s)).items():
                if task in tasks:
                    found[tasks[task]] = sampled
        return found

    def _tasks_of(self, children: Sequence[str]) -> Iterator[tuple[str, str, str]]:
        """Child, cluster and ECS task, of those that have one."""
        with calling("batch:DescribeJobs"):
            answer: Any = self.batch.describe_jobs(jobs=list(children))
        for told in answer["jobs"]:
            named = TASK_ARN.search(told.get("container", {}).get("taskArn", ""))
            if named:
                yield told["jobId"], named["cluster"], named["task"]

    def _events(self, cluster: str, tasks: Sequence[str], since_s: float) -> Iterator[str]:
        group = f"/aws/ecs/containerinsights/{cluster}/performance"
        for start in range(0, len(tasks), MOST_IN_PATTERN):
            some = tasks[start : start + MOST_IN_PATTERN]
            either = " || ".join(f'($.TaskId = "{one}")' for one in some)
            pattern = f'{{ ($.Type = "Container") && ({either}) }}'
            given = {"filterPattern": pattern, "startTime": to_ms(since_s)}
            for event in filtered(self.logs, group, given):
                yield event["message"]


def samples(events: Iterable[str]) -> dict[str, Sampled]:
    """By ECS task, what Container Insights' events of type Container say. Pure."""
    memory_mib, units = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for text in events:
        told = parsed(text)
        if told.get("Type") == "Container" and "MemoryUtilized" in told:
            memory_mib[told["TaskId"]].append(float(told["MemoryUtilized"]))
            units[told["TaskId"]].append(float(told.get("CpuUtilized", 0.0)))
    return {
        task: Sampled(max(values), sum(units[task]) / len(units[task]) / VCPU)
        for task, values in memory_mib.items()
    }


def parsed(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def filtered(
    logs: CloudWatchLogsClient, group: str, given: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """FilterLogEvents' events, page by page; none of a group that is not there."""
    asked: dict[str, Any] = {"logGroupName": group, **given}
    for _ in range(MOST_PAGES):
        with calling("logs:FilterLogEvents"):
            try:
                page: Any = logs.filter_log_events(**asked)
            except logs.exceptions.ResourceNotFoundException:
                return
        yield from page["events"]
        if not page.get("nextToken"):
            return
        asked["nextToken"] = page["nextToken"]


def to_ms(since_s: float) -> int:
    return max(0, int((since_s - OVERLAP_S) * 1000))
