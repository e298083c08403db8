"""What became of the leaks: events from SQS as they come, DescribeJobs and ListJobs behind them.

An event may come late, twice, out of order or never. So it only moves what it speaks of, and what
is not heard of in time is looked at: arrays by their statusSummary, a hundred leaks a call, and the
children of one only where the summary moved, a thousand a call. 10^6 tasks are some thousand calls.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from headgate.lifecycle import Cause
from queue_broker.adapters.engines.aws import verdict
from queue_broker.adapters.engines.aws.faults import calling
from queue_broker.adapters.engines.aws.fleet import Fleet
from queue_broker.adapters.engines.aws.reports import Reports
from queue_broker.adapters.engines.aws.tracked import Tracked, Tracker
from queue_broker.adapters.engines.aws.trials import Trials
from queue_broker.adapters.engines.outbox import Outbox
from queue_broker.core.consumables import needs_of
from queue_broker.core.retry import reason_of
from queue_broker.core.whole import PART, goes_whole, under_shim
from queue_broker.events import Ended, Started
from queue_broker.records import Leak, Tasks

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

    from queue_broker.ports import Clock
    from queue_broker.settings import AwsSettings

log = logging.getLogger(__name__)

#: DescribeJobs takes a hundred ids.
MOST_DESCRIBED = 100
#: TerminateJobs takes fifty.
MOST_TERMINATED = 50
#: Calls of one poll, so that a pass of the cycle stays short; what is beyond is due next time.
MOST_CALLS = 40
#: A job that Batch does not know for so long is gone: it forgets jobs a week after their end.
LOST_S = 120.0
FINISHED = ("SUCCEEDED", "FAILED")
PATIENT_BEATS = 5


@dataclass(slots=True)
class Watching:
    """Turns what Batch says into events in the outbox. Called from one thread at a time."""

    batch: BatchClient
    settings: AwsSettings
    tracker: Tracker
    fleet: Fleet
    outbox: Outbox
    reports: Reports  #: of tasks under the shim
    bare: Reports  #: of the others
    trials: Trials
    clock: Clock
    find: Callable[[Leak], str | None]  #: the id of the job with a leak's name

    def look(self) -> None:
        """Look at the leaks that are due. `Unavailable`."""
        now_s = self.clock()
        due = [one for one in self.tracker.by_name.values() if one.due_s <= now_s and one.open]
        due.sort(key=lambda one: (one.due_s, one.leak.name))
        calls = 0
        for start in range(0, len(due), MOST_DESCRIBED):
            if calls >= MOST_CALLS:
                break
            calls += 1 + self._describe(due[start : start + MOST_DESCRIBED], now_s)
        for end in (*self.reports.ready(), *self.bare.ready()):
            self.outbox.put(end)

    def hear(self, detail: Mapping[str, Any]) -> None:
        """One state-change event's detail: a job, an array, or a child of one."""
        job_id, _, index = str(detail.get("jobId", "")).partition(":")
        tracked = self.tracker.by_id.get(job_id)
        if tracked is None:
            return  # somebody else's, or one that is over
        over = detail.get("status") in FINISHED
        if index or not (tracked.array or (over and tracked.nodes)):
            self.see(tracked, int(index or 0), detail)
        elif over:
            tracked.due_s = 0.0

    def see(self, tracked: Tracked, index: int, told: Mapping[str, Any]) -> None:
        """One task's state, from wherever it is known. What is known already changes nothing."""
        task = tracked.task(index)
        if task is None or task not in tracked.open:
            return
        started_s = verdict.seconds(told.get("startedAt"))
        over = told["status"] in FINISHED
        if started_s is not None and (over or told["status"] == "RUNNING"):
            where = (told.get("container") or {}).get("containerInstanceArn") or ""
            self._start(tracked, task, started_s, where)
        if over:
            stopped = self.tracker.stopped(tracked.leak.name, task)
            self._end(tracked, verdict.ended(tracked.leak, task, told, stopped))

    def _start(self, tracked: Tracked, task: int, at_s: float, where: str) -> None:
        """Of a child that only a list told of it is not known where it runs."""
        if task not in tracked.started:
            tracked.started.add(task)
            self.outbox.put(Started(tracked.leak.name, task, at_s, where))

    def _end(self, tracked: Tracked, end: Ended) -> None:
        """What the broker did not stop itself is over for good, where no child can go alone: Batch
        tried it as often as it was to be tried."""
        tracked.ended.add(end.task)
        if goes_whole(tracked.leak) and self.tracker.stopped(tracked.leak.name, end.task) is None:
            end = for_good(end)
        wrapped = under_shim(tracked.leak)
        if wrapped:
            end = self.trials.unshelled(tracked.leak, end)
        if end.started_at_s is None or end.misread or tracked.nodes:
            self.outbox.put(end)
            return
        reports = self.reports if wrapped else self.bare
        reports.hold(tracked.child(end.task), end, tracked.leak)

    def _describe(self, due: Sequence[Tracked], now_s: float) -> int:
        """Look at up to a hundred leaks; returns how many more calls their children took."""
        with calling("batch:DescribeJobs"):
            answer: Any = self.batch.describe_jobs(jobs=[one.job_id for one in due])
        told = {one["jobId"]: one for one in answer["jobs"]}
        calls, tail = 0, list[str]()
        for tracked in due:
            tracked.due_s = next_tick(now_s, self.settings.look_s)
            detail = told.get(tracked.job_id)
            if detail is None:
                self._missing(tracked, now_s)
            elif tracked.array:
                calls += self._array(tracked, detail, now_s, tail)
            elif tracked.nodes and detail["status"] in FINISHED:
                self.see(tracked, 0, self._by_main(tracked, detail))
                calls += 1
            else:
                self.see(tracked, 0, detail)
            if detail is not None:
                self._find_blocked(tracked, detail, now_s)
                self._insist(tracked, now_s)
        return calls + self._look_at(tail)

    def _by_main(self, tracked: Tracked, detail: Mapping[str, Any]) -> Mapping[str, Any]:
        """A multi-node job's end: the exit is its main node's, which Batch tells of that alone."""
        with calling("batch:DescribeJobs"):
            answer: Any = self.batch.describe_jobs(jobs=[tracked.child(0)])
        mains = [one.get("container", {}) for one in answer["jobs"]]
        return {**detail, "container": next(filter(None, mains), {})}

    def _look_at(self, children: Sequence[str]) -> int:
        """Single children of any arrays, a hundred a call; returns how many calls it took."""
        starts = range(0, len(children), MOST_DESCRIBED)
        for start in starts:
            with calling("batch:DescribeJobs"):
                answer = self.batch.describe_jobs(
                    jobs=list(children[start : start + MOST_DESCRIBED])
                )
            for detail in answer["jobs"]:
                self.hear(detail)
        return len(starts)

    def _array(
        self, tracked: Tracked, detail: Mapping[str, Any], now_s: float, tail: list[str]
    ) -> int:
        """The children of an array, as far as its summary says that something new is to be seen.

        Where few are left it is cheaper to look at each of them: they go into `tail`.
        """
        counts: Mapping[str, int] = detail.get("arrayProperties", {}).get("statusSummary", {})
        over = detail["status"] in FINISHED
        tracked.finished = sum(counts.get(status, 0) for status in FINISHED)
        due = over or now_s >= next_tick(tracked.listed_s, self.settings.children_s)
        wanted = [status for status in self._news(tracked, counts) if due or status == "FAILED"]
        calls = 0
        if wanted and is_cheaper(tracked) and len(tail) < MOST_CALLS * MOST_DESCRIBED:
            tail += [tracked.child(task) for task in tracked.open]
        else:
            calls = sum(self._list(tracked, status) for status in wanted)
        if due and wanted:
            tracked.listed_s = now_s
        listed = {status: counts.get(status, 0) for status in wanted}
        if "RUNNING" in listed:
            listed["RUNNING"] = begun(counts)
        tracked.counts = {**tracked.counts, **listed}
        if over and tracked.open:  # the summary was ahead of the list, or the other way round
            tracked.counts, tracked.due_s = {}, now_s
            if not wanted or now_s - tracked.since_s > self.settings.children_s:
                tracked.due_s = now_s + min(1.0, self.settings.look_s)
        return calls

    def _news(self, tracked: Tracked, counts: Mapping[str, int]) -> Iterator[str]:
        """The states to list: those with more children than were seen, running ones last."""
        few = self._too_few(tracked, counts)
        for status in FINISHED:
            fresh = counts.get(status, 0) - tracked.counts.get(status, 0)
            if fresh > (few if status == "SUCCEEDED" else 0):
                yield status
        fresh = counts.get("RUNNING", 0) and begun(counts) - tracked.counts.get("RUNNING", 0)
        if fresh and (begun(counts) == len(tracked.leak.tasks) or not few):
            yield "RUNNING"

    def _too_few(self, tracked: Tracked, counts: Mapping[str, int]) -> int:
        """So many new ones of an array are not worth a call yet; the last ones always are, and
        after a few beats any. A list tells of a thousand for the price of one, and starts again
        with those that are known; that there is room, the summary has told before."""
        size = len(tracked.leak.tasks)
        over = sum(counts.get(status, 0) for status in FINISHED) == size
        waited_s = self.clock() - max(tracked.listed_s, tracked.since_s)
        return 0 if over or waited_s > PATIENT_BEATS * self.settings.children_s else size // 2

    def _list(self, tracked: Tracked, status: str) -> int:
        """See the children in one state; returns how many calls it took."""
        batch: Any = self.batch
        calls, token = 0, dict[str, str]()
        while True:
            with calling("batch:ListJobs"):
                page = batch.list_jobs(arrayJobId=tracked.job_id, jobStatus=status, **token)
            calls += 1
            for told in page["jobSummaryList"]:
                self.see(tracked, int(told["jobId"].rpartition(":")[2]), told)
            if not page.get("nextToken"):
                return calls
            token = {"nextToken": page["nextToken"]}

    def _missing(self, tracked: Tracked, now_s: float) -> None:
        """Batch does not know the id. It is behind SubmitJob, has forgotten the job, or the id that
        the store has is not Batch's own: then the name finds it."""
        job_id = self.find(tracked.leak)
        if job_id is not None and job_id != tracked.job_id:
            self.tracker.correct(tracked, job_id)
            self.stop_marked(tracked)
            return
        if now_s - tracked.since_s < LOST_S:
            return
        reason = "AWS Batch does not know the job any more"
        for task in tracked.open:
            self._end(
                tracked,
                Ended(tracked.leak.name, task, now_s, Cause.INTERRUPTED, reason=reason),
            )

    def _find_blocked(self, tracked: Tracked, detail: Mapping[str, Any], now_s: float) -> None:
        """Shut a lane that gets no instances, and take back what waits in it."""
        by_itself = tracked.ended - self.tracker.wished(tracked.leak.name)
        if tracked.started or by_itself or detail["status"] in (*FINISHED, "RUNNING"):
            return
        why = str(detail.get("statusReason") or "")
        waited_s = now_s - (tracked.leak.handed_over_at_s or tracked.since_s)
        if not why.startswith(verdict.BLOCKED):
            if waited_s < self.settings.patience_s:
                return
            why = f"nothing started for {waited_s:.0f} s"
            if needs_of(tracked.leak):  # what it waits for may be none of the lane's
                self.take_back(tracked, tracked.open, Cause.INTERRUPTED, f"Headgate: {why}")
                return
        self.fleet.shut(tracked.leak.lane, why)
        log.warning(
            "the lane %s is shut for a while: %s",
            tracked.leak.lane,
            why,
            extra={"action": "lane_shut", "lane": tracked.leak.lane},
        )
        self.take_back(tracked, tracked.open, Cause.INTERRUPTED, verdict.MOVED)

    def _insist(self, tracked: Tracked, now_s: float) -> None:
        """Ask again for the end of what is to be stopped until it has ended: of a child that it has
        not made yet, Batch says that it is stopped, and does nothing."""
        if not self.tracker.wished(tracked.leak.name) & tracked.open:
            return
        if tracked.again_s <= now_s:
            self.stop_marked(tracked)
        tracked.due_s = min(tracked.due_s, tracked.again_s)

    def stop_marked(self, tracked: Tracked) -> None:
        """Stop what is to be stopped and has not ended, also what was wished for before Batch's id
        of it was known."""
        marked = self.tracker.stopping.get(tracked.leak.name, {})
        for cause in sorted(set(marked.values())):
            tasks = Tasks([task for task, why in marked.items() if why is cause]) & tracked.open
            if tasks:
                self.take_back(tracked, tasks, cause, verdict.reason_of(cause))

    def take_back(self, tracked: Tracked, tasks: Tasks, cause: Cause, reason: str) -> None:
        """Ask Batch to stop tasks; they come back as ended for this cause. `Unavailable`."""
        self.tracker.stop(tracked.leak.name, tasks, cause)
        tracked.asked_to_stop(self.clock(), self.settings.first_look_s, self.settings.look_s)
        if not tracked.array or tracked.open <= tasks:
            with calling("batch:TerminateJob"):
                self.batch.terminate_job(jobId=tracked.job_id, reason=reason)
        else:
            ids = [tracked.child(task) for task in tasks & tracked.open]
            for start in range(0, len(ids), MOST_TERMINATED):
                with calling("batch:TerminateJob"):  # as IAM names it
                    self.batch.terminate_jobs(
                        jobs=ids[start : start + MOST_TERMINATED], reason=reason
                    )


def for_good(end: Ended) -> Ended:
    if end.cause is Cause.EXITED and end.exit_code == 0:
        return end
    return replace(end, final=True, reason=f"{reason_of(end)}; {PART}")


def begun(counts: Mapping[str, int]) -> int:
    """Children that run or have run."""
    return sum(counts.get(status, 0) for status in ("RUNNING", *FINISHED))


def is_cheaper(tracked: Tracked) -> bool:
    """To look at each child that is left, a hundred a call, than to list those that have ended, a
    thousand a call."""
    return len(tracked.open) * 10 <= tracked.finished


def next_tick(after_s: float, period_s: float) -> float:
    """All leaks are looked at in one beat: a hundred share a call, and the room that they free is
    known at once, so that the next leaks are few and large."""
    if period_s <= 0 or math.isinf(after_s):
        return after_s
    return (after_s // period_s + 1) * period_s
