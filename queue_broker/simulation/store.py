"""The cycle's store in memory: what a replay needs of it, at a few microseconds a task.

The SQL store is held to the same contract by its own tests; here the records are the same, and so
are their moves, but nothing is durable and nobody else looks.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count, islice

from headgate.estimate import Estimate
from headgate.lifecycle import State
from headgate.tenancy import Tenant
from queue_broker.events import Started
from queue_broker.records import (
    Changes,
    Group,
    GroupId,
    HandOver,
    Intent,
    JobId,
    Leak,
    LeakId,
    Split,
    Submission,
    Tasks,
)
from queue_broker.verdicts import Fail, Judged, Requeue, Retry, Succeed

Place = tuple[int, float, int]  # priority (negated), age, number: the order within a tenant


class MemoryStore:
    """Groups by tier and tenant in queue order, and the open leaks."""

    def __init__(self, tenants: Sequence[Tenant] = ()) -> None:
        self._tenants = list(tenants)
        self._groups: dict[GroupId, Group] = {}
        self._submitted: deque[GroupId] = deque()
        self._queues: dict[tuple[str, str], list[Place]] = {}
        self._shapes: dict[tuple[JobId, int, object], GroupId] = {}
        self._leaks: dict[str, Leak] = {}
        self._touched: dict[str, None] = {}  #: names of leaks, since the cycle last asked
        self._numbers = count(1)
        self.succeeded = 0
        self.failed = 0
        self.unfinished = 0

    def add(self, submissions: Sequence[Submission]) -> None:
        """Make jobs known; they wait for their estimates."""
        for one in submissions:
            group = Group(
                group_id=GroupId(next(self._numbers)),
                job_id=one.job_id,
                job=one.job,
                tenant=one.tenant,
                tier=one.tier,
                priority=one.job.priority,
                attempt=1,
                state=State.SUBMITTED,
                waiting=Tasks(range(one.size)),
                version=0,
                queued_at_s=one.submitted_at_s,
                size=one.size,
                array=one.array,
                parameters=one.parameters,
            )
            self._groups[group.group_id] = group
            self._submitted.append(group.group_id)
            self.unfinished += one.size

    def submitted(self, limit: int, sweeps: int) -> list[Group]:
        del sweeps  # nothing is spelt out here
        return [self._groups[number] for number in islice(self._submitted, limit)]

    def estimated(self, answers: Sequence[tuple[Group, Sequence[Split]]]) -> list[bool]:
        """Nobody moves a group between its reading and its answer."""
        for group, splits in answers:
            waiting = self._groups[group.group_id].waiting
            if group.state is State.RUNNABLE:  # its leaks may still put tasks back to it
                self._change(self._groups[group.group_id], Tasks())
            else:
                self._submitted.remove(group.group_id)
                del self._groups[group.group_id]
            for split in splits:
                if mine := split.tasks & waiting:
                    self._join(group, group.attempt, mine, split.estimate)
        return [True] * len(answers)

    def groups(self, job_id: JobId) -> list[Group]:
        """Those that wait at the gate: nobody asks about others here."""
        waiting = (self._groups[GroupId(n)] for queue in self._queues.values() for *_, n in queue)
        return [group for group in waiting if group.job_id == job_id]

    def settle_dependencies(self, limit: int) -> int:
        """Traces know no dependencies."""
        del limit
        return 0

    def eligible(self, per_tenant: int) -> list[Group]:
        groups = self._groups
        return [
            groups[GroupId(number)]
            for queue in self._queues.values()
            for _, _, number in islice(queue, per_tenant)
        ]

    def waits(self, tier: str) -> bool:
        """Whether any task of a tier waits for room."""
        return any(queue for (of, _), queue in self._queues.items() if of == tier)

    def open_leaks(self) -> list[Leak]:
        return list(self._leaks.values())

    def changed_leaks(self, known: Mapping[str, Leak]) -> Changes:
        touched, self._touched = self._touched, {}
        changed = [self._leaks[name] for name in touched if name in self._leaks]
        gone = [name for name in touched if name in known and name not in self._leaks]
        return Changes(changed, gone)

    def write_intents(self, intents: Sequence[Intent], now_s: float) -> list[Leak]:
        versions = {intent.group_id: self._groups[intent.group_id].version for intent in intents}
        fresh = [one for one in intents if versions[one.group_id] == one.version]
        leaks = [self._leak(intent, now_s) for intent in fresh]
        gone: dict[GroupId, Tasks] = defaultdict(Tasks)
        for intent in fresh:
            gone[intent.group_id] |= intent.tasks
        for group_id, tasks in gone.items():
            group = self._groups[group_id]
            self._change(group, group.waiting - tasks)
        return leaks

    def handed_over(self, answers: Sequence[HandOver], now_s: float) -> None:
        for answer in answers:
            leak = self._leaks[answer.leak]
            if answer.refused is not None:
                self._close(answer.leak)
                self._put_back(leak, leak.open)
            else:
                self._keep(handed(leak, answer.engine_id, now_s))

    def started(self, events: Sequence[Started]) -> None:
        running: dict[str, list[int]] = defaultdict(list)
        for event in events:
            running[event.leak].append(event.task)
        for name, tasks in running.items():
            leak = self._leaks.get(name)
            if leak is not None:
                open_, now = leak.open, Tasks(leak.running)
                now.update([task for task in tasks if task in open_])
                self._keep(moved(leak, open_, now))

    def settle(self, judged: Sequence[Judged]) -> list[Judged]:
        over: dict[str, list[Judged]] = defaultdict(list)
        for one in judged:
            over[one.ended.leak].append(one)
        fresh: list[Judged] = []
        for name, ones in over.items():
            if (leak := self._leaks.get(name)) is not None:
                fresh += self._settle_leak(leak, ones)
        return fresh

    def hold(self, reasons: Mapping[GroupId, str]) -> None:
        """Nobody reads them here."""

    def tenants(self) -> list[Tenant]:
        return self._tenants

    def _settle_leak(self, leak: Leak, judged: Sequence[Judged]) -> list[Judged]:
        open_ = leak.open
        fresh = [one for one in judged if one.ended.task in open_]
        for one in fresh:
            self._apply(leak, one)
        if len(fresh) == len(open_):
            self._close(leak.name)
        elif fresh:
            gone = [one.ended.task for one in fresh]
            self._keep(moved(leak, without(open_, gone), without(leak.running, gone)))
        return fresh

    def _apply(self, leak: Leak, judged: Judged) -> None:
        match judged.verdict:
            case Succeed():
                self.succeeded += 1
                self.unfinished -= 1
            case Fail():
                self.failed += 1
                self.unfinished -= 1
            case Requeue():
                self._put_back(leak, Tasks([judged.ended.task]))
            case Retry(estimate):
                self._retry(leak, Tasks([judged.ended.task]), estimate)

    def _retry(self, leak: Leak, tasks: Tasks, estimate: Estimate) -> None:
        self._join(self._groups[leak.group_id], leak.attempt + 1, tasks, estimate)

    def _join(self, like: Group, attempt: int, tasks: Tasks, estimate: Estimate) -> None:
        """To those of the job that are of this attempt and shape."""
        key = (like.job_id, attempt, estimate.allocation)
        known = self._groups.get(self._shapes.get(key, GroupId(0)))
        if known is not None:
            self._change(known, known.waiting | tasks)
        else:
            self._shapes[key] = self._open(like, attempt, tasks, estimate)

    def _put_back(self, leak: Leak, tasks: Tasks) -> None:
        group = self._groups[leak.group_id]
        self._change(group, group.waiting | tasks)

    def _open(self, like: Group, attempt: int, tasks: Tasks, estimate: Estimate) -> GroupId:
        number = GroupId(next(self._numbers))
        self._groups[number] = group = replace(
            like,
            group_id=number,
            attempt=attempt,
            state=State.RUNNABLE,
            waiting=tasks,
            estimate=estimate,
        )
        insort(self._queue(group), place(group))
        return number

    def _leak(self, intent: Intent, now_s: float) -> Leak:
        group = self._groups[intent.group_id]
        number = next(self._numbers)
        leak = Leak(
            leak_id=LeakId(number),
            name=f"{group.job_id}-{number}",
            group_id=group.group_id,
            job_id=group.job_id,
            job=group.job,
            tenant=group.tenant,
            tier=group.tier,
            attempt=group.attempt,
            lane=intent.lane,
            allocation=intent.allocation,
            tasks=intent.tasks,
            open=intent.tasks,
            running=Tasks(),
            created_at_s=now_s,
            size=group.size,
            array=group.array,
            parameters=group.parameters,
            estimate=group.estimate,
        )
        self._keep(leak)
        return leak

    def _keep(self, leak: Leak) -> None:
        self._leaks[leak.name] = leak
        self._touched[leak.name] = None

    def _close(self, name: str) -> None:
        del self._leaks[name]
        self._touched[name] = None

    def _change(self, group: Group, waiting: Tasks) -> None:
        """A group with nothing waiting leaves its queue; one that has again comes back."""
        self._groups[group.group_id] = waiting_in(group, waiting)
        queue, where = self._queue(group), place(group)
        if waiting and not group.waiting:
            insort(queue, where)
        elif group.waiting and not waiting:
            del queue[bisect_left(queue, where)]

    def _queue(self, group: Group) -> list[Place]:
        key = (group.tier, group.tenant)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = []
        return queue


def place(group: Group) -> Place:
    return -group.priority, group.queued_at_s, group.group_id


# A record is copied field by field: `dataclasses.replace` takes four times as long, and this is
# where a replay of a million tasks spends its time.


def without(tasks: Tasks, gone: Sequence[int]) -> Tasks:
    """For a few of them half the cost of a difference of two sets."""
    left = Tasks(tasks)
    for task in gone:
        left.discard(task)
    return left


def handed(leak: Leak, engine_id: str | None, now_s: float) -> Leak:
    return copied(leak, leak.open, leak.running, engine_id, now_s)


def moved(leak: Leak, open_: Tasks, running: Tasks) -> Leak:
    return copied(leak, open_, running, leak.engine_id, leak.handed_over_at_s)


def copied(
    leak: Leak, open_: Tasks, running: Tasks, engine_id: str | None, handed_over_at_s: float | None
) -> Leak:
    return Leak(
        leak.leak_id,
        leak.name,
        leak.group_id,
        leak.job_id,
        leak.job,
        leak.tenant,
        leak.tier,
        leak.attempt,
        leak.lane,
        leak.allocation,
        leak.tasks,
        open_,
        running,
        leak.created_at_s,
        leak.size,
        leak.array,
        leak.parameters,
        leak.estimate,
        engine_id,
        handed_over_at_s,
        leak.cancelling,
    )


def waiting_in(group: Group, waiting: Tasks) -> Group:
    return Group(
        group.group_id,
        group.job_id,
        group.job,
        group.tenant,
        group.tier,
        group.priority,
        group.attempt,
        group.state,
        waiting,
        group.version + 1,
        group.queued_at_s,
        group.size,
        group.array,
        group.parameters,
        group.estimate,
        group.hold,
    )
