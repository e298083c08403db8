"""An engine without processes: tasks end at once, or when told to. For tests and benchmarks.

A `World` stands for the fleet. It outlives the engine, as AWS Batch outlives the broker, remembers
every start, and can tell whether a task was ever started twice. A million tasks are a few sets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from headgate.errors import NotFound
from headgate.lifecycle import Cause
from headgate.usage import Usage
from queue_broker.adapters.engines.logs import read_page
from queue_broker.events import Ended, Event, Started
from queue_broker.records import HandOver, JobId, Lane, Leak, LogPage, Tasks

if TYPE_CHECKING:  # the ports name models and tables, whose libraries take seconds to load
    from queue_broker.ports import Clock

#: Causes after which the same attempt may rightly be started again.
STARTED_AGAIN = frozenset({Cause.INTERRUPTED, Cause.NOT_STARTED})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ends."""

    cause: Cause = Cause.EXITED
    exit_code: int | None = 0
    usage: Usage | None = None
    reason: str | None = None


SUCCESS = Outcome()
#: The tasks of a leak that do not simply succeed, and how they end; asked once at the hand-over.
Script = Callable[[Leak], Mapping[int, Outcome]]


def all_succeed(leak: Leak) -> Mapping[int, Outcome]:
    """The script without failures."""
    del leak
    return {}


@dataclass(slots=True)
class Run:
    """What the fleet knows of one leak."""

    leak: Leak
    at_s: float
    running: Tasks
    ended: Tasks = field(default_factory=Tasks)
    ends: list[tuple[float, Tasks]] = field(default_factory=list)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    logs: dict[int, bytes] = field(default_factory=dict)

    def end(self, tasks: Tasks, outcomes: Mapping[int, Outcome], now_s: float) -> None:
        over = self.running & tasks
        self.running -= over
        self.ended |= over
        self.ends.append((now_s, over))
        self.outcomes |= {task: out for task, out in outcomes.items() if task in over}


@dataclass(slots=True)
class World:
    """The fleet: all that ran or runs, and an account of every start."""

    runs: dict[str, Run] = field(default_factory=dict)
    #: Every start in order: which leak, which tasks. Only ever appended to.
    starts: list[tuple[str, Tasks]] = field(default_factory=list)
    #: (job, attempt, task) of tasks that were started although an attempt of theirs stood.
    twice: list[tuple[JobId, int, int]] = field(default_factory=list)
    _standing: dict[tuple[JobId, int], Tasks] = field(default_factory=lambda: defaultdict(Tasks))

    def start(self, leak: Leak, now_s: float) -> Run:
        """Start a leak, once for each name."""
        if leak.name in self.runs:
            return self.runs[leak.name]
        standing = self._standing[leak.job_id, leak.attempt]
        self.twice += [(leak.job_id, leak.attempt, task) for task in standing & leak.tasks]
        standing |= leak.tasks
        self.starts.append((leak.name, Tasks(leak.tasks)))
        run = self.runs[leak.name] = Run(leak, now_s, Tasks(leak.tasks))
        return run

    def end(self, name: str, tasks: Tasks, outcomes: Mapping[int, Outcome], now_s: float) -> None:
        run = self.runs[name]
        run.end(tasks, outcomes, now_s)
        free = [task for task, outcome in outcomes.items() if outcome.cause in STARTED_AGAIN]
        self._standing[run.leak.job_id, run.leak.attempt] -= Tasks(free)


@dataclass(slots=True)
class Unsaid:
    """Events of one run that were not acknowledged yet."""

    run: Run
    started: Tasks
    ended: Tasks

    def events(self) -> Iterator[Event]:
        name, start_s = self.run.leak.name, self.run.at_s
        for task in self.started:
            yield Started(name, task, start_s)
        for end_s, tasks in self.run.ends:
            for task in tasks & self.ended:
                out = self.run.outcomes.get(task, SUCCESS)
                yield Ended(
                    name, task, end_s, out.cause, out.exit_code, out.usage, out.reason, start_s
                )


class InstantEngine:
    """Not thread-safe. `at_once` False: tasks run until `finish` is called.

    `fail_next` holds errors: each is raised by one later `hand_over`, before anything is taken;
    `lose_next` ones after everything was, as when an answer is lost. `calls` is what was asked.
    """

    name = "instant"

    def __init__(
        self,
        lanes: Sequence[Lane],
        clock: Clock,
        *,
        world: World | None = None,
        script: Script = all_succeed,
        at_once: bool = True,
    ) -> None:
        self.world = world or World()
        self.script = script
        self.at_once = at_once
        self.fail_next: list[Exception] = []
        self.lose_next: list[Exception] = []
        self.calls: list[tuple[str, tuple[str, ...]]] = []
        self._lanes = {lane.name: lane for lane in lanes}
        self._clock = clock
        self._unsaid: dict[str, Unsaid] = {}

    def lanes(self) -> list[Lane]:
        return list(self._lanes.values())

    def hand_over(self, leaks: Sequence[Leak]) -> list[HandOver]:
        self.calls.append(("hand_over", tuple(leak.name for leak in leaks)))
        if self.fail_next:
            raise self.fail_next.pop(0)
        answers = [self._take(leak) for leak in leaks]
        if self.lose_next:
            raise self.lose_next.pop(0)
        return answers

    def poll(self, limit: int) -> list[Event]:
        events = (event for unsaid in self._unsaid.values() for event in unsaid.events())
        return list(islice(events, limit))

    def acknowledge(self, events: Sequence[Event]) -> None:
        said: dict[tuple[str, type[Event]], list[int]] = defaultdict(list)
        for event in events:
            said[event.leak, type(event)].append(event.task)
        for (name, kind), tasks in said.items():
            if unsaid := self._unsaid.get(name):
                heard = unsaid.started if kind is Started else unsaid.ended
                heard -= Tasks(tasks)
                if not unsaid.started and not unsaid.ended:
                    del self._unsaid[name]

    def adopt(self, leaks: Sequence[Leak]) -> None:
        self.calls.append(("adopt", tuple(leak.name for leak in leaks)))
        for leak in leaks:
            if run := self.world.runs.get(leak.name):
                self._say(run, run.running - leak.running, run.ended & leak.open)

    def stop(self, leak: Leak, tasks: Tasks, interrupted: bool) -> None:
        self.calls.append(("stop", (leak.name,)))
        cause = Cause.INTERRUPTED if interrupted else Cause.CANCELLED
        if leak.name in self.world.runs:
            self.finish(leak.name, tasks, Outcome(cause, 143, reason=cause.value))

    def logs(self, leak: str, task: int, after: str | None, limit: int) -> LogPage:
        run = self.world.runs.get(leak)
        if run is None or not (task in run.leak.tasks or task in run.logs):
            raise NotFound(f"leak {leak!r} has no task {task}")
        return read_page(run.logs.get(task, b""), after, limit, over=task in run.ended)

    def troubles(self) -> list[str]:
        return []

    def close(self) -> None:
        """Nothing: what runs goes on in the world."""

    def finish(self, name: str, tasks: Tasks | None = None, outcome: Outcome = SUCCESS) -> None:
        """End running tasks of a leak, all of them by default."""
        run = self.world.runs[name]
        over = run.running & (run.running if tasks is None else tasks)
        self.world.end(name, over, dict.fromkeys(over, outcome), self._clock())
        self._say(run, Tasks(), over)

    def _take(self, leak: Leak) -> HandOver:
        lane = self._lanes.get(leak.lane)
        if lane is None or not leak.allocation.fits(lane.shape):
            return HandOver(leak.name, refused=f"{leak.allocation} fits no instance of {leak.lane}")
        if leak.name not in self.world.runs:
            run = self.world.start(leak, self._clock())
            if self.at_once:
                self.world.end(leak.name, run.running, self.script(leak), run.at_s)
            self._say(run, leak.tasks, run.ended)
        return HandOver(leak.name, engine_id=f"instant:{leak.name}")

    def _say(self, run: Run, started: Tasks, ended: Tasks) -> None:
        unsaid = self._unsaid.setdefault(run.leak.name, Unsaid(run, Tasks(), Tasks()))
        unsaid.started |= started
        unsaid.ended |= ended
