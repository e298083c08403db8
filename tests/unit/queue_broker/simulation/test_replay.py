from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from headgate.estimate import Estimate
from headgate.job import Job
from headgate.resources import Resources
from headgate.usage import Observation
from predictor.features import facts, family_keys
from predictor.predictor import Indexes
from queue_broker.adapters.engines.simulated.model import FleetModel
from queue_broker.core.policy import Policy
from queue_broker.records import Lane
from queue_broker.simulation.baselines import BASELINES
from queue_broker.simulation.direct import Direct
from queue_broker.simulation.foresight import Foresight
from queue_broker.simulation.generate import mark, plain, sweep
from queue_broker.simulation.outcome import Outcome
from queue_broker.simulation.replay import Replay, Setting, submissions
from queue_broker.simulation.report import write_html
from queue_broker.simulation.trace import Trace


def lanes(count: int = 2, **fields: object) -> list[Lane]:
    plain_: dict[str, object] = {"running": 1, "queues": True, "purchase": "ON_DEMAND"}
    plain_ |= {"shape": Resources(4, 16_384)} | fields
    return [Lane(f"lane-{i}", **plain_) for i in range(count)]  # type: ignore[arg-type]


SETTING = Setting(FleetModel(lanes()), period_s=5.0)


def some_work(tasks: int = 40, every_s: float = 30.0) -> Trace:
    submit = np.arange(tasks) * every_s
    names = np.array([f"org{i % 2}/u{i % 3}" for i in range(tasks)], dtype=object)
    return mark(plain(submit, np.full(tasks, 60.0), names), 0.3, "production", 1)


def with_column(trace: Trace, **columns: np.ndarray) -> Trace:
    return Trace(**({name: getattr(trace, name) for name in trace.__slots__} | columns))


def test_every_task_starts_and_ends_once_where_nothing_goes_wrong() -> None:
    outcome = Replay(some_work(), SETTING).run()
    assert sorted(outcome.account.task) == list(range(40))
    assert outcome.done_s - outcome.trace.submit_s - outcome.wait_s == pytest.approx(60.0)


def test_no_lane_ever_runs_more_than_it_has() -> None:
    outcome = Replay(some_work().merged(sweep(300, 100.0, 50.0, 1, "sweeper")), SETTING).run()
    moments = np.unique(np.array(outcome.account.start_s))
    start, end = np.array(outcome.account.start_s), np.array(outcome.account.end_s)
    assert all(((start <= at) & (end > at)).sum() <= 8 for at in moments)


def test_production_does_not_feel_a_sweep() -> None:
    work = some_work()
    alone = Replay(work, SETTING).run()
    swept = Replay(work.merged(sweep(500, 100.0, 50.0, 1, "sweeper")), SETTING).run()
    fifo = baseline("batch-fifo", work.merged(sweep(500, 100.0, 50.0, 1, "sweeper")))
    p99 = [one.wait_quantile_s(one.of_tier("production"), 0.99) for one in (alone, swept, fifo)]
    assert p99[1] < p99[0] + 10  # a third of the promise
    assert p99[1] < p99[2] / 10


def test_the_same_trace_gives_the_same_replay() -> None:
    work = some_work().merged(sweep(200, 100.0, 50.0, 1, "sweeper"))
    one, two = Replay(work, SETTING).run(), Replay(work, SETTING).run()
    assert one.account == two.account


def test_a_task_killed_for_memory_is_tried_again_with_more() -> None:
    work = some_work(tasks=3)
    hungry = with_column(work, memory_used_mib=np.array([3_000, 100, 100]))
    outcome = Replay(hungry, SETTING).run()
    assert outcome.account.killed == 1
    assert np.isfinite(outcome.done_s).all()


class Doubling(Foresight):
    """Gives sweeps twice what they ask for, once it has seen a kill for memory."""

    killed = False

    def observe(self, observations: Sequence[Observation]) -> None:
        super().observe(observations)
        self.killed = self.killed or any(one.memory_is_censored for one in observations)

    def estimate_sweep(
        self, job: Job, columns: Mapping[str, npt.NDArray[Any]] | None, size: int, mode: str
    ) -> list[tuple[Indexes, Estimate]]:
        [(indexes, asked)] = super().estimate_sweep(job, columns, size, mode)
        given = Resources(asked.allocation.vcpu, asked.allocation.memory_mib * 2)
        return [(indexes, replace(asked, allocation=given) if self.killed else asked)]


def test_kills_for_memory_in_a_sweep_teach_what_still_waits_of_it() -> None:
    hungry = sweep(60, 0.0, 60.0, 1, "sweeper")
    hungry = with_column(hungry, memory_used_mib=np.full(60, 3_000))
    outcome = Replay(hungry, replace(SETTING, forecaster=Doubling)).run()
    assert np.isfinite(outcome.done_s).all()
    assert outcome.account.killed == 8  # what ran at first; the rest had been given more by then


def test_what_fits_nowhere_ends_the_replay_and_never_starts() -> None:
    work = with_column(some_work(tasks=2), vcpu=np.array([99.0, 1.0]))
    outcome = Replay(work, SETTING).run()
    assert np.isnan(outcome.wait_s[0])
    assert outcome.wait_quantile_s(np.array([True, False]), 0.99) == np.inf


def test_preempted_tasks_are_run_again_and_nothing_is_lost() -> None:
    """Two lanes full of an hour's tasks; production may wait for 30 s, and so they are stopped."""
    sweeps = sweep(8, 0.0, 3_600.0, 1, "sweeper")
    burst = plain(np.full(4, 600.0), np.full(4, 60.0), np.array(["org"] * 4, dtype=object))
    work = sweeps.merged(burst.with_tier(np.ones(4, dtype=bool), "production"))
    outcome = Replay(work, SETTING).run()
    assert outcome.account.interrupted == 4
    assert np.isfinite(outcome.done_s).all()
    assert outcome.wait_s[8:].max() < 60
    calm = Replay(work, replace(SETTING, policy=lambda: Policy(preempts=False))).run()
    assert calm.account.interrupted == 0
    assert calm.wait_s[8:].max() > 600


def test_spot_takes_instances_and_their_tasks_are_run_again() -> None:
    model = FleetModel(lanes(purchase="SPOT"), interruptions_per_hour=6.0, seed=3)
    work = sweep(60, 0.0, 300.0, 1, "sweeper")
    outcome = Replay(work, Setting(model)).run()
    assert outcome.account.interrupted > 0
    assert np.isfinite(outcome.done_s).all()


def test_instances_are_started_when_needed_stopped_when_idle_and_paid_by_the_second() -> None:
    fleet = lanes(instances=50, price_usd_hour=3.6, running=None)
    model = FleetModel(fleet, fixed=False, boot_s=100.0, idle_s=60.0)
    outcome = Replay(sweep(8, 0.0, 300.0, 1, "sweeper"), Setting(model)).run()
    longest = outcome.done_s.max()
    assert outcome.wait_s.min() > 100
    assert 2 * 0.001 * 300 < outcome.cost_usd < 2 * 0.001 * (longest + 60)


def test_calls_are_made_at_the_rate_that_batch_allows() -> None:
    model = FleetModel(lanes(100), submits_per_s=2.0)
    outcome = Replay(plain(np.zeros(20), np.full(20, 60.0), tenants(20)), Setting(model)).run()
    assert outcome.calls == 20
    assert outcome.wait_s.max() >= 9.5


def tenants(count: int) -> np.ndarray:
    return np.array([f"user{i}" for i in range(count)], dtype=object)


def baseline(name: str, trace: Trace) -> Outcome:
    return Direct(trace, SETTING, BASELINES[name](SETTING.total, 3)).run()


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_a_baseline_runs_every_task_once(name: str) -> None:
    outcome = baseline(name, some_work().merged(sweep(100, 100.0, 50.0, 1, "sweeper")))
    assert sorted(outcome.account.task) == list(range(140))
    assert outcome.policy == name


def test_fifo_goes_by_submission_and_priority_queues_by_tier() -> None:
    work = sweep(100, 0.0, 50.0, 1, "sweeper").merged(
        plain(np.full(1, 1.0), np.full(1, 5.0), tenants(1)).with_tier(
            np.array([True]), "production"
        )
    )
    assert baseline("batch-fifo", work).wait_s[100] > 300
    assert baseline("batch-fifo-priorities", work).wait_s[100] < 100


def test_batch_fair_share_counts_vcpu_seconds_alone() -> None:
    half = plain(np.zeros(200), np.full(200, 50.0), np.array(["a", "b"] * 100, dtype=object))
    outcome = baseline("batch-fair-share", half)
    ends = outcome.done_s
    assert abs(np.median(ends[0::2]) - np.median(ends[1::2])) < 60


def test_a_report_is_one_page_with_the_figures(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_html(path, [baseline("batch-fifo", some_work())], ["production", "interactive"])
    page = path.read_text()
    assert "production_wait_p99_s" in page
    assert "Replay of 40 tasks" in page


def test_owners_whose_names_differ_in_digits_alone_are_of_different_kinds() -> None:
    names = np.array(["org1/user2", "org1/user31"], dtype=object)
    made, _ = submissions(plain(np.zeros(2), np.ones(2), names))
    kinds = [set(family_keys(one.job, facts(one.job, {}))) for one in made]
    assert not kinds[0] & kinds[1]


def test_production_that_waits_is_let_in_when_something_ends_not_at_the_period() -> None:
    one = SETTING.model.lanes[0]
    setting = replace(SETTING, model=FleetModel([replace(one, instances=1)]), period_s=60.0)
    submit, names = np.array([0.0] * 4 + [10.0]), np.full(5, "ada", dtype=object)
    work = plain(submit, np.array([21.0] * 4 + [5.0]), names)
    tiers = np.array(["interactive"] * 4 + ["production"], dtype=object)
    outcome = Replay(with_column(work, tier=tiers), setting).run()
    assert outcome.wait_s[4] < 25 - 10 + 2 * setting.wake_s + 4


def test_production_starts_at_once_where_a_sweeps_task_has_hardly_begun() -> None:
    one = SETTING.model.lanes[0]
    setting = replace(SETTING, model=FleetModel([replace(one, instances=1)]), period_s=60.0)
    work = with_column(some_work(tasks=1), submit_s=np.array([70.0]))
    work = mark(work, 1.0, "production", 1)
    outcome = Replay(work.merged(sweep(100, 0.0, 20.0, 1, "sweeper")), setting).run()
    row = int(np.flatnonzero(outcome.of_tier("production"))[0])
    assert outcome.wait_s[row] <= 2 * setting.wake_s + 4.1
    assert outcome.account.end_s


def test_what_is_in_use_is_the_resource_that_the_trace_needs_most() -> None:
    work = with_column(some_work(), gpus=np.full(40, 2))
    model = FleetModel(lanes(shape=Resources(64, 65_536, 2)))
    outcome = Replay(work, Setting(model, period_s=5.0)).run()
    assert outcome.trace.scarcest(outcome.total) == 2
    assert outcome.held == pytest.approx(0.5)
