"""jobStateTimeLimitActions: what has waited long enough for a lane that is none is cancelled.

AWS looks at the job at the head of a queue, since whoever has no place there keeps all others
waiting. Here nobody waits for it: each such job is looked at by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from queue_broker.records import Group, GroupId
from queue_broker.wire.endings import JOB_RESOURCE_REQUIREMENT, fits_nowhere
from queue_broker.wire.kept import QUEUE, every
from queue_broker.wire.service import Wire
from queue_broker.wire.stopping import stop

ACTIONS = "jobStateTimeLimitActions"
CANCELLED = f"Canceled by JobStateTimeLimit action due to reason: {JOB_RESOURCE_REQUIREMENT}"
#: AWS says that its times are approximate, and the least of them is ten minutes.
LOOK_S = 30.0
#: As many groups of each tenant in each tier as a pass of the cycle looks at.
PER_TENANT = 50


@dataclass(slots=True)
class TimeLimits:
    """Remembers since when it has seen each group without a lane; a new leader begins anew, so
    that nothing is cancelled too early. Costs what groups do, and what queues do where one of them
    has no lane."""

    wire: Wire
    leading: Callable[[], bool]
    since_s: dict[GroupId, float] = field(default_factory=dict)
    looked_s: float = float("-inf")

    def run(self) -> bool:
        """One look, if it is time for one."""
        now_s = self.wire.clock()
        if not self.leading():
            self.since_s = {}
        elif now_s - self.looked_s >= LOOK_S:
            self.looked_s = now_s
            self._look(now_s)
        return False

    def _look(self, now_s: float) -> None:
        waiting = self.wire.store.eligible(PER_TENANT)
        found = {group.group_id: group for group in waiting if fits_nowhere(group.hold)}
        self.since_s = {one: self.since_s.get(one, now_s) for one in found}
        limits_s = dict(limits(self.wire)) if found else {}
        for one, group in found.items():
            limit_s = limits_s.get(group.job.queue)
            if limit_s is not None and now_s - self.since_s[one] >= limit_s:
                cancel(self.wire, group)


def cancel(wire: Wire, group: Group) -> None:
    """The group's tasks that still wait: one that has gone meanwhile had a lane."""
    stop(wire, group.job_id, group.waiting, CANCELLED, in_flight=False)


def limits(wire: Wire) -> Iterator[tuple[str, float]]:
    """Of each queue with such an action, after how many seconds."""
    for name, queue in queues(wire):
        for one in queue.get(ACTIONS, ()):
            if one["reason"] == JOB_RESOURCE_REQUIREMENT:
                yield name, float(one["maxTimeSeconds"])


def queues(wire: Wire) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """By name: the broker's own, or AWS's where that stands behind it."""
    if wire.upstream is None:
        yield from ((one.name, one.body) for one in every(wire.shelf, QUEUE))
        return
    page: dict[str, Any] = {}
    while True:
        answer = wire.upstream.call("DescribeJobQueues", page)
        yield from ((one["jobQueueName"], one) for one in answer["jobQueues"])
        if not answer.get("nextToken"):
            return
        page = {"nextToken": answer["nextToken"]}
