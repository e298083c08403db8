"""Whatever people, the cycle and the engine do, in whatever order, the books stay right."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from headgate.job import Dependency
from headgate.lifecycle import State
from queue_broker.adapters.store.standings import SqlDescriber
from queue_broker.adapters.store.store import SqlStore
from queue_broker.records import HandOver, JobId, Split, Tasks
from queue_broker.verdicts import Fail, Requeue, Retry, Succeed, Verdict
from tests.contract.conftest import emptied
from tests.contract.stores import check_books
from tests.factories import (
    START_S,
    a_submission,
    a_sweep,
    an_estimate,
    an_intent,
    ends,
    starts,
    taken,
)
from tests.postgres import Server

SIZE = 12
SWEEPS = ("a", "b", "c")
JOBS = (*SWEEPS, "d")
TASKS = st.sets(st.integers(0, SIZE - 1), min_size=1)
JOB = st.sampled_from(JOBS)
VERDICTS: tuple[Verdict, ...] = (
    Succeed(),
    Fail("exit code 1"),
    Requeue("interrupted"),
    Retry(an_estimate(2048, memory_kills=1), "out of memory"),
)


QUICK = settings(
    max_examples=10, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


def of(job: str, tasks: set[int]) -> Tasks:
    """Those that the job has."""
    return Tasks(tasks if job in SWEEPS else [0])


class Books(RuleBasedStateMachine):
    """Three sweeps of twelve tasks, `b` follows `a` task by task, `c` waits for all of `b`; and a
    single job.
    """

    fresh: Callable[[], str]  #: the URL of an empty database

    @initialize()
    def submit(self) -> None:
        self.succeeded: dict[str, set[int]] = {job: set() for job in JOBS}
        self.store = SqlStore(self.fresh(), clock=lambda: START_S)
        self.store.add(
            [
                a_sweep("a", SIZE),
                a_sweep("b", SIZE, depends_on=(Dependency(job_id="a", type="N_TO_N"),)),
                a_sweep("c", SIZE, depends_on=(Dependency(job_id="b"),)),
                a_submission("d"),
            ]
        )
        self.describer = SqlDescriber(self.store.database)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()

    @rule(cut=st.integers(1, SIZE))
    def estimate(self, cut: int) -> None:
        for group in self.store.submitted(10, 10):
            low = group.waiting & Tasks(range(cut))
            parts = [(low, 100), (group.waiting - low, 900)]
            splits = [Split(tasks, an_estimate(memory)) for tasks, memory in parts if tasks]
            assert self.store.estimated([(group, splits)]) == [True]

    @rule()
    def settle_dependencies(self) -> None:
        self.store.settle_dependencies(10)

    @rule(most=st.integers(1, SIZE))
    def leak(self, most: int) -> None:
        groups = self.store.eligible(10)
        self.store.write_intents([an_intent(g, g.waiting[:most]) for g in groups], START_S)

    @rule(refuse=st.booleans())
    def hand_over(self, refuse: bool) -> None:
        unclear = [leak for leak in self.store.open_leaks() if leak.handed_over_at_s is None]
        refused = [HandOver(leak.name, refused="full") for leak in unclear]
        self.store.handed_over(refused if refuse else taken(unclear), START_S)

    @rule(tasks=TASKS)
    def start(self, tasks: set[int]) -> None:
        for leak in self.store.open_leaks():
            self.store.started(starts(leak, sorted(tasks)))

    @rule(tasks=TASKS, verdict=st.sampled_from(VERDICTS))
    def end(self, tasks: set[int], verdict: Verdict) -> None:
        for leak in self.store.open_leaks():
            judged = ends(leak, sorted(tasks), verdict)
            fresh = self.store.settle(judged)
            assert {j.ended.task for j in fresh} == tasks & set(leak.open)
            if isinstance(verdict, Succeed):
                self.succeeded[leak.job_id] |= {j.ended.task for j in fresh}

    @rule(job=JOB, tasks=TASKS)
    def cancel(self, job: str, tasks: set[int]) -> None:
        self.store.cancel(JobId(job), of(job, tasks), "enough")

    @rule(job=JOB, tasks=TASKS)
    def retry(self, job: str, tasks: set[int]) -> None:
        self.store.retry_failed(JobId(job), of(job, tasks))

    @rule(job=JOB, priority=st.integers(0, 3), tenant=st.sampled_from(["acme", "globex"]))
    def rearrange(self, job: str, priority: int, tenant: str) -> None:
        self.store.set_priority(JobId(job), priority)
        self.store.move(JobId(job), tenant, None)

    @invariant()
    def the_books_are_right(self) -> None:
        if hasattr(self, "store"):
            check_books(self.store)

    @invariant()
    def what_was_told_before_is_told_as_it_is_now(self) -> None:
        if not hasattr(self, "store"):
            return
        asked = [(JobId(job), task) for job in SWEEPS for task in (None, *range(SIZE))]
        asked.append((JobId("d"), None))
        now = SqlDescriber(self.store.database).standings(asked)
        assert self.describer.standings(asked) == now

    @invariant()
    def nobody_runs_before_what_they_wait_for(self) -> None:
        """Nor does a success ever get lost, nor do two leaks hold one task."""
        if not hasattr(self, "store"):
            return
        for job, tasks in self.succeeded.items():
            assert set(self.store.tasks_in(JobId(job), State.SUCCEEDED, -1, SIZE)) == tasks
        held = [(leak.job_id, task) for leak in self.store.open_leaks() for task in leak.open]
        assert len(held) == len(set(held))
        for job, task in held:
            assert job != "b" or task in self.succeeded["a"]
            assert job != "c" or len(self.succeeded["b"]) == SIZE


def test_the_books_stay_right_on_sqlite(sqlite_template: Path, tmp_path: Path) -> None:
    def empty() -> str:
        for old in tmp_path.glob("headgate.db*"):
            old.unlink()
        shutil.copy(sqlite_template, tmp_path / "headgate.db")
        return f"sqlite:///{tmp_path / 'headgate.db'}"

    class OnSqlite(Books):
        fresh = staticmethod(empty)

    run_state_machine_as_test(OnSqlite, settings=QUICK)


def test_the_books_stay_right_on_postgresql(postgres: Server, postgres_database: str) -> None:
    class OnPostgres(Books):
        fresh = staticmethod(lambda: emptied(postgres, postgres_database))

    run_state_machine_as_test(OnPostgres, settings=QUICK)
