"""The engine that runs leaks on AWS Batch.

A leak is one job, or one array job of as many children as it has tasks, named like the leak. All
that has to outlive the broker is in its store and in Batch: this object only remembers.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING, Any

from headgate.errors import NotFound, Unavailable
from headgate.lifecycle import Cause
from headgate.resources import Resources
from headgate.slices import parse_slice
from queue_broker.adapters.engines.aws.cargo import ParametersOf
from queue_broker.adapters.engines.aws.clients import Clients
from queue_broker.adapters.engines.aws.faults import calling
from queue_broker.adapters.engines.aws.fleet import Fleet
from queue_broker.adapters.engines.aws.logs import Streams
from queue_broker.adapters.engines.aws.notices import Notices
from queue_broker.adapters.engines.aws.pace import Pace
from queue_broker.adapters.engines.aws.reports import Reports
from queue_broker.adapters.engines.aws.sources import Insights, ShimLines, Source
from queue_broker.adapters.engines.aws.spare import Spare
from queue_broker.adapters.engines.aws.submitting import Outcome, Submitting
from queue_broker.adapters.engines.aws.tracked import Tracked, Tracker
from queue_broker.adapters.engines.aws.trials import KNOWN, Trials, misread
from queue_broker.adapters.engines.aws.verdict import container, reason_of
from queue_broker.adapters.engines.aws.watching import FINISHED, Watching
from queue_broker.adapters.engines.outbox import Outbox
from queue_broker.adapters.engines.shim import TASKS_VARIABLE
from queue_broker.core.bucket import TokenBucket
from queue_broker.events import Ended, Event
from queue_broker.nodes import NODE_PROPERTIES, Nodes
from queue_broker.records import HandOver, Lane, Leak, LogPage, Tasks

if TYPE_CHECKING:
    from queue_broker.ports import Clock
    from queue_broker.settings import AwsSettings

#: As AWS Batch takes job names; leaks are named so.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
#: In place of Batch's id, of a leak that never came there: its tasks fail with the reason; or go
#: again without the shim.
NOWHERE, BARE = "none", "bare"


class AwsEngine:
    """`bucket` is what the policy counts its hand-overs with; throttling makes it slower."""

    name = "aws"

    def __init__(
        self,
        settings: AwsSettings,
        clients: Clients,
        parameters: ParametersOf,
        clock: Clock,
        bucket: TokenBucket | None = None,
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._clock = clock
        self._lock = RLock()
        self._tracker = Tracker()
        self._outbox = Outbox()
        self._fleet = Fleet(
            clients.batch, settings.stack, clock, settings.lanes_s, settings.lane_shut_s
        )
        pace = Pace(bucket or TokenBucket(settings.submits_per_s), settings.submits_per_s)
        self._submitting = Submitting(clients, settings, self._fleet, pace, parameters, clock)
        trials = Trials(clients, self._submitting.definitions, settings.log_group, clock)
        self._watching = Watching(
            batch=clients.batch,
            settings=settings,
            tracker=self._tracker,
            fleet=self._fleet,
            outbox=self._outbox,
            reports=Reports(shim_source(settings, clients), clock, trials),
            bare=Reports(bare_source(settings, clients), clock),
            trials=trials,
            clock=clock,
            find=self._submitting.find,
        )
        self._events = Spare(clock)
        self._notices = None
        if settings.events_queue_url:
            url = settings.events_queue_url
            self._notices = Notices(clients.sqs, url, self._watching.hear, self._fleet)
        self._streams = Streams(clients.logs, settings.log_group)
        self._untold: dict[str, tuple[tuple[Resources, int], ...]] = {}

    def lanes(self) -> list[Lane]:
        """Takes no lock: people look at lanes too, and a hand-over may take a while."""
        untold = self._untold
        return [replace(one, ended=untold.get(one.name, ())) for one in self._fleet.lanes()]

    def hand_over(self, leaks: Sequence[Leak]) -> list[HandOver]:
        """Leaks that AWS gave no clear answer for are left out: they are asked for again.

        `Unavailable` when AWS took none for want of credentials, permission or a connection.
        """
        with self._lock:
            self._fleet.lanes()
            answers: dict[str, HandOver] = {}
            fresh: list[Leak] = []
            for leak in leaks:
                job_id = self._tracker.id_of(leak.name) or self._found(leak)
                if job_id is not None:
                    answers[leak.name] = self._took(leak, job_id)
                elif self._may_ask(leak):
                    fresh.append(leak)
            outcomes = self._submitting.submit(fresh)
            answers |= {one.leak: one for outcome in outcomes for one in self._answer(outcome)}
            away = [outcome.away for outcome in outcomes if outcome.away]
            if away and not answers:
                raise Unavailable(away[0])
            return [answers[leak.name] for leak in leaks if leak.name in answers]

    def poll(self, limit: int) -> list[Event]:
        with self._lock:
            if len(self._outbox.poll(limit)) < limit:
                if self._notices is not None:
                    self._events.ask(self._notices.read, 0)
                self._watching.look()
                self._untold = self._tracker.untold()
            return self._outbox.poll(limit)

    def troubles(self) -> list[str]:
        reports, bare = self._watching.reports, self._watching.bare
        trials = self._watching.trials
        spares = (self._fleet.spare, self._events, reports.spare, bare.spare, trials.spare)
        return [one.problem for one in spares if one.problem]

    def acknowledge(self, events: Sequence[Event]) -> None:
        with self._lock:
            self._outbox.acknowledge(events)
            ended: dict[str, Tasks] = defaultdict(Tasks)
            for event in events:
                if isinstance(event, Ended):
                    ended[event.leak].add(event.task)
            for name, tasks in ended.items():
                self._tracker.acknowledge(name, tasks)
            self._untold = self._tracker.untold()

    def adopt(self, leaks: Sequence[Leak]) -> None:
        """Asks nobody: the next hand-over looks for what the last broker may have submitted, and
        the next poll at what runs."""
        with self._lock:
            for leak in leaks:
                if leak.engine_id == BARE:
                    self._give_back(leak)
                elif leak.engine_id == NOWHERE:
                    self._fail(leak, "its submission to AWS Batch would be too large")
                elif leak.engine_id is not None:
                    self._tracker.add(leak, leak.engine_id, self._clock())
                else:
                    self._tracker.unclear[leak.name] = self._clock()

    def stop(self, leak: Leak, tasks: Tasks, interrupted: bool) -> None:
        cause = Cause.INTERRUPTED if interrupted else Cause.CANCELLED
        with self._lock:
            self._tracker.stop(leak.name, tasks, cause)
            tracked = self._tracker.by_name.get(leak.name)
            if tracked is not None and tracked.open & tasks:
                open_ = tasks & tracked.open
                self._watching.take_back(tracked, open_, cause, reason_of(cause))

    def logs(self, leak: str, task: int, after: str | None, limit: int) -> LogPage:
        with self._lock:
            detail = self._detail(leak, task)
            stream = container(detail).get("logStreamName")
            if not stream:
                raise NotFound("this attempt has no log yet")
            return self._streams.page(stream, after, limit, detail["status"] in FINISHED)

    def close(self) -> None:
        """Jobs go on in Batch."""
        self._submitting.close()

    def _found(self, leak: Leak) -> str | None:
        return self._submitting.find(leak) if leak.name in self._tracker.unclear else None

    def _may_ask(self, leak: Leak) -> bool:
        """Not within the time that ListJobs may need to show what an unclear call did."""
        since_s = self._tracker.unclear.get(leak.name)
        if since_s is not None and self._clock() - since_s < self._settings.settle_s:
            return False
        self._tracker.unclear.pop(leak.name, None)
        return True

    def _answer(self, outcome: Outcome) -> list[HandOver]:
        """The hand-over that an outcome is, if it is a clear one."""
        leak = outcome.leak
        if outcome.unclear:
            self._tracker.unclear[leak.name] = self._clock()
        if outcome.job_id is not None:
            return [self._took(leak, outcome.job_id)]
        if outcome.never:
            self._fail(leak, outcome.never)
            return [HandOver(leak.name, engine_id=NOWHERE)]
        if outcome.misread:
            self._give_back(leak)
            return [HandOver(leak.name, engine_id=BARE)]
        return [HandOver(leak.name, refused=outcome.refused)] if outcome.refused else []

    def _fail(self, leak: Leak, why: str) -> None:
        """All that is open of a leak that no SubmitJob can carry, as Batch fails what is so."""
        for task in leak.open:
            self._outbox.put(replace(self._unstarted(leak, task, why), final=True))

    def _give_back(self, leak: Leak) -> None:
        """All that is open of a leak whose image is known to run no shim."""
        for task in leak.open:
            self._outbox.put(misread(self._unstarted(leak, task, KNOWN), KNOWN))

    def _unstarted(self, leak: Leak, task: int, why: str) -> Ended:
        return Ended(leak.name, task, self._clock(), Cause.NOT_STARTED, reason=why)

    def _took(self, leak: Leak, job_id: str) -> HandOver:
        """Batch has it. What was to be stopped before that was clear is stopped now."""
        if self._tracker.known(leak.name) is None:
            self._tracker.stop(leak.name, leak.cancelling & leak.open, Cause.CANCELLED)
            tracked = self._tracker.add(leak, job_id, self._clock())
            tracked.due_s = self._clock() + self._settings.first_look_s
            self._watching.stop_marked(tracked)
        return HandOver(leak.name, engine_id=job_id)

    def _detail(self, name: str, task: int) -> dict[str, Any]:
        """What Batch says of one task. `NotFound`."""
        job_id = self._job_id(name)
        tracked = self._tracker.known(name)
        if tracked is None:
            parent = self._described(job_id)
            child = child_of(parent, task)
            return parent if child == job_id else self._described(child)
        if not has(tracked, task):
            raise NotFound(f"leak {name!r} has no task {task}")
        return self._described(tracked.child(task))

    def _job_id(self, name: str) -> str:
        if NAME.fullmatch(name):
            known = self._tracker.id_of(name)
            queues = [] if known else [lane.name for lane in self._fleet.lanes()]
            found = known or next(filter(None, (self._look_in(name, one) for one in queues)), None)
            if found is not None:
                return found
        raise NotFound(f"AWS Batch knows no leak {name!r}")

    def _look_in(self, name: str, queue: str) -> str | None:
        return self._submitting.find_named(name, queue)

    def _described(self, job_id: str) -> dict[str, Any]:
        with calling("batch:DescribeJobs"):
            found: Any = self._clients.batch.describe_jobs(jobs=[job_id])["jobs"]
        if not found:
            raise NotFound(f"AWS Batch knows no job {job_id!r}")
        return dict(found[0])


def shim_source(settings: AwsSettings, clients: Clients) -> Source | None:
    """Of tasks that run under the shim."""
    wait_s = settings.report_wait_s
    return ShimLines(clients.logs, settings.log_group, wait_s) if wait_s else None


def bare_source(settings: AwsSettings, clients: Clients) -> Source | None:
    """Of tasks that run without it."""
    wait_s = settings.insights_wait_s
    return Insights(clients.batch, clients.logs, wait_s) if wait_s else None


def tasks_of(parent: dict[str, Any]) -> Tasks | None:
    """The tasks of an array job, child by child, as its environment says; None of a single job."""
    size = parent.get("arrayProperties", {}).get("size")
    if not size:
        return None
    said = {one["name"]: one["value"] for one in parent["container"].get("environment", ())}
    if TASKS_VARIABLE not in said:
        return Tasks(range(size))
    tasks = Tasks()
    for first, last in parse_slice(said[TASKS_VARIABLE]):
        tasks.add_range(first, last + 1)
    return tasks


def child_of(parent: dict[str, Any], task: int) -> str:
    """Batch's id of one task of a job, or of the node with that place."""
    job_id, tasks = str(parent["jobId"]), tasks_of(parent)
    if nodes := parent.get(NODE_PROPERTIES):
        return f"{job_id}#{Nodes.of(nodes).seat(task)}"
    return job_id if tasks is None else f"{job_id}:{place_of(task, tasks)}"


def has(tracked: Tracked, task: int) -> bool:
    """Whether there is such a task, or of a multi-node job a node with such a place."""
    if nodes := tracked.nodes:
        return 0 <= task < nodes.count
    return task in tracked.leak.tasks


def place_of(task: int, tasks: Tasks) -> int:
    if task not in tasks:
        raise NotFound(f"the leak has no task {task}")
    return tasks.rank(task) - 1
