"""What the shim measured, read from CloudWatch Logs in bulk: a call tells of thousands of tasks."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from queue_broker.adapters.engines.aws.faults import calling
from queue_broker.adapters.engines.aws.verdict import with_report
from queue_broker.adapters.engines.shim import Report, take_report
from queue_broker.records import Ended

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

    from queue_broker.ports import Clock

PATTERN = '"HEADGATE_USAGE"'
JOB = re.compile(r'"job":"([^"]+)"')
#: Lines may arrive so much before what was asked for last: ingestion is not in order.
OVERLAP_S = 30.0
#: Reports that came before their tasks' ends were seen.
MOST_KEPT = 50_000
MOST_PAGES = 20


@dataclass(slots=True)
class Reports:
    """Holds an end back until its report is here, for `wait_s` at the most: logs lag a little.

    `logs` None: nothing is waited for, and only times and exit codes are known.
    """

    logs: CloudWatchLogsClient | None
    group: str
    clock: Clock
    wait_s: float = 10.0
    period_s: float = 2.0
    _held: dict[str, tuple[float, Ended]] = field(default_factory=dict)
    _known: OrderedDict[str, Report] = field(default_factory=OrderedDict)
    _streams: dict[str, str] = field(default_factory=dict)
    _read_s: float = float("-inf")

    def hold(self, child: str, end: Ended) -> None:
        self._held[child] = (self.clock() + (self.wait_s if self.logs else 0.0), end)

    def ready(self) -> list[Ended]:
        """The ends that may go on, oldest first. `Unavailable`."""
        now_s = self.clock()
        if self.logs and self._held and now_s - self._read_s >= self.period_s:
            self._read(self.logs, now_s)
        going = [
            child
            for child, (due_s, _) in self._held.items()
            if child in self._known or due_s <= now_s
        ]
        return [
            with_report(self._held.pop(child)[1], self._known.pop(child, None)) for child in going
        ]

    def _read(self, logs: CloudWatchLogsClient, now_s: float) -> None:
        oldest_s = min(end.at_s for _, end in self._held.values())
        since_s = max(oldest_s, self._read_s) - OVERLAP_S
        given: dict[str, Any] = {"logGroupName": self.group, "filterPattern": PATTERN}
        given["startTime"] = max(0, int(since_s * 1000))
        for _ in range(MOST_PAGES):
            with calling("logs:FilterLogEvents"):
                page = logs.filter_log_events(**given)
            for event in page["events"]:
                self._note(event["logStreamName"], event["message"])
            if not page.get("nextToken"):
                break
            given["nextToken"] = page["nextToken"]
        self._read_s = now_s

    def _note(self, stream: str, message: str) -> None:
        """The last line of a stream names the job; a GPU's figures come on a line before it."""
        _, report = take_report(f"{message}\n")
        named = JOB.search(message)
        if report is None:
            return
        if named is None:
            self._streams[stream] = message
            return
        before = self._streams.pop(stream, "")
        _, whole = take_report(f"{before}\n{message}\n")
        self._known[named.group(1)] = whole or report
        while len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)
