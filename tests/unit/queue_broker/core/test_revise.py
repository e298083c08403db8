"""What still waits of a sweep has the shape that its own tasks have told of by then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from headgate.lifecycle import Cause, State
from headgate.resources import ResourceRequest
from headgate.sweep import Grid
from queue_broker.adapters.engines.instant import Outcome
from queue_broker.core.predict import revised
from queue_broker.core.revise import ENOUGH_ENDED, Tally
from queue_broker.records import JobId, Leak, Split, Tasks
from tests.factories import a_sweep, a_usage, an_estimate
from tests.unit.queue_broker.core.house import ASKED, House
from tests.unit.queue_broker.core.scenes import a_group

USED_MIB = 200.0


def use_little(leak: Leak) -> Mapping[int, Outcome]:
    return dict.fromkeys(leak.tasks, Outcome(usage=a_usage(peak_memory_mib=USED_MIB)))


def given(house: House, job: JobId, size: int) -> list[int]:
    """The memory of each task's last attempt, MiB."""
    last = (house.store.attempts(job, task)[-1] for task in range(size))
    return [one.allocation.memory_mib for one in last]


def test_a_sweep_that_asks_for_too_much_is_given_less_once_tasks_of_it_have_ended(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, script=use_little)
    job = house.submit(a_sweep(size=200, resources=ASKED))

    house.run(passes=400)

    memory = given(house, job, 200)
    assert house.counts(job) == {State.SUCCEEDED: 200}
    assert memory[0] == ASKED.memory_mib
    assert sum(mib < 1.5 * USED_MIB for mib in memory) > 150
    assert house.engine.world.twice == []
    house.store.close()


def test_where_a_lost_attempt_is_dear_an_array_keeps_what_it_was_given(tmp_path: Path) -> None:
    house = House(tmp_path, script=use_little)
    job = house.submit(a_sweep(size=100, tier="production", resources=ASKED))

    house.run(passes=400)

    assert given(house, job, 100) == [ASKED.memory_mib] * 100
    house.store.close()


def test_a_sweep_with_parameters_keeps_few_groups_however_often_it_is_revised(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, script=use_by_rows)
    asked = ResourceRequest(vcpu=1, memory_mib=2048)
    grid = Grid(axes={"rows": tuple(range(100, 1000, 100)), "seed": tuple(range(40))})
    job = house.submit(a_sweep(grid=grid, resources=asked))

    house.run(passes=800)

    memory = given(house, job, grid.size)
    assert house.counts(job) == {State.SUCCEEDED: grid.size}
    assert memory[-1] < 1200
    assert len(house.store.groups(job)) < 40
    assert house.engine.world.twice == []
    house.store.close()


def use_by_rows(leak: Leak) -> Mapping[int, Outcome]:
    """Each task needs as many MiB as it has rows; with less it is killed."""
    assert isinstance(leak.parameters, Grid)
    needs = {task: float(str(leak.parameters.task(task)["rows"])) for task in leak.tasks}
    return {
        task: Outcome(usage=a_usage(peak_memory_mib=mib))
        if mib <= leak.allocation.memory_mib
        else Outcome(Cause.OUT_OF_MEMORY, 137, a_usage(peak_memory_mib=leak.allocation.memory_mib))
        for task, mib in needs.items()
    }


@pytest.mark.parametrize(
    ("ended", "in_flight", "revised_at", "told"),
    [
        (ENOUGH_ENDED - 1, 0, 0, False),
        (ENOUGH_ENDED, ENOUGH_ENDED, 0, True),
        (ENOUGH_ENDED, ENOUGH_ENDED + 1, 0, False),  # the short ones of a wave end first
        (100, 50, 51, False),
        (102, 50, 51, True),
    ],
)
def test_as_many_tell_as_run_still_and_then_twice_as_many(
    ended: int, in_flight: int, revised_at: int, told: bool
) -> None:
    assert Tally(ended, revised_at).is_told(in_flight) is told


def test_kills_tell_at_most_every_few_seconds() -> None:
    assert Tally(killed=True, revised_s=100.0).is_alarmed(110.0)
    assert not Tally(killed=True, revised_s=100.0).is_alarmed(109.0)
    assert not Tally(revised_s=100.0).is_alarmed(1000.0)


def test_kills_now_and_then_do_not_keep_a_sweep_from_being_given_less() -> None:
    tally = Tally(ended=100, revised=60, killed=True)
    tally.note(10.0, told=False)
    assert Tally(120, tally.revised).is_told(in_flight=50)


@pytest.mark.parametrize(
    ("memory_mib", "vcpu", "lower", "changes"),
    [
        (890, 1.0, True, True),
        (950, 1.0, True, False),  # shapes do not flutter
        (1000, 0.5, True, True),
        (512, 1.0, False, False),
        (1100, 1.0, False, True),
    ],
)
def test_what_waits_is_changed_where_that_is_worth_it(
    memory_mib: int, vcpu: float, lower: bool, changes: bool
) -> None:
    group = replace(a_group(1, tasks=10), estimate=an_estimate(1000))

    found = revised(group, [Split(group.waiting, an_estimate(memory_mib, vcpu))], lower=lower)

    assert bool(found) is changes


def test_after_kills_nothing_is_given_less() -> None:
    group = replace(a_group(1, tasks=10), estimate=an_estimate(1000))
    splits = [
        Split(Tasks(range(5)), an_estimate(500)),
        Split(Tasks(range(5, 10)), an_estimate(2000)),
    ]

    found = revised(group, splits, lower=False)

    assert [one.estimate.allocation.memory_mib for one in found] == [1000, 2000]


def test_no_more_sweeps_are_counted_than_a_few_and_none_of_them_is_missed_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queue_broker.core.revise.MOST_TALLIES", 1)
    house = House(tmp_path, script=use_little)
    jobs = [house.submit(a_sweep(f"sweep-{n}", 60, resources=ASKED)) for n in range(3)]

    house.run(passes=400)

    assert all(house.counts(job) == {State.SUCCEEDED: 60} for job in jobs)
    assert len(house.cycle.revising.tallies) == 1
    house.store.close()
