"""The pass on a real store and an engine whose tasks end at once: what it survives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headgate.errors import Unavailable
from headgate.lifecycle import Cause, State
from headgate.resources import ResourceRequest
from queue_broker.adapters.engines.instant import Outcome
from queue_broker.core import leak as leaking
from queue_broker.records import Tasks
from tests.factories import a_submission, a_sweep
from tests.unit.queue_broker.core.house import ASKED, LANE, House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    built = House(tmp_path)
    yield built
    built.store.close()


def test_a_job_goes_the_whole_way(house: House) -> None:
    job = house.submit(a_submission(resources=ASKED))

    house.run()

    assert house.counts(job) == {State.SUCCEEDED: 1}


def test_a_sweep_larger_than_the_fleet_ends_whole_and_nothing_starts_twice(house: House) -> None:
    job = house.submit(a_sweep(size=100, resources=ASKED))

    house.run(passes=500)

    assert house.counts(job) == {State.SUCCEEDED: 100}
    assert house.engine.world.twice == []


def test_a_part_of_an_array_that_goes_whole_fails_once_no_other_task_can_join_it(
    tmp_path: Path,
) -> None:
    lane = replace(LANE, index_by_shim=True)
    house = House(tmp_path, at_once=False, lane=lane)
    job = house.submit(a_sweep(size=4, resources=ASKED, tags={"headgate:shim": "off"}))
    house.run()
    (leak,) = house.store.open_leaks()
    house.engine.finish(leak.name, Tasks([1]), Outcome(Cause.INTERRUPTED, None))

    house.run()
    assert house.counts(job) == {State.RUNNABLE: 1, State.RUNNING: 3}
    house.engine.finish(leak.name)
    house.run()

    assert house.counts(job) == {State.SUCCEEDED: 3, State.FAILED: 1}
    assert "only a whole array" in (house.store.job(job).reason or "")
    house.store.close()


def test_a_child_cancelled_before_its_whole_array_goes_is_stopped_and_no_other_suffers(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, at_once=False, lane=replace(LANE, index_by_shim=True))
    job = house.submit(a_sweep(size=4, resources=ASKED, tags={"headgate:shim": "off"}))
    house.store.cancel(job, Tasks([1]), "not that one")

    house.run()
    (leak,) = house.store.open_leaks()
    assert (leak.tasks, leak.open) == (Tasks(range(4)), Tasks([0, 2, 3]))
    house.engine.finish(leak.name)
    house.run()

    assert ("stop", (leak.name,)) in house.engine.calls
    assert house.counts(job) == {State.SUCCEEDED: 3, State.FAILED: 1}
    assert [one.reason for one in house.store.attempts(job, 1)] == ["not that one"]
    assert house.store.open_leaks() == []
    house.store.close()


def test_what_was_to_be_stopped_is_forgotten_once_it_has_ended(tmp_path: Path) -> None:
    house = House(tmp_path, at_once=False)
    job = house.submit(a_sweep(size=4, resources=ASKED))
    house.run()

    house.store.cancel(job, None, "no longer needed")
    house.run()
    house.run()

    assert house.counts(job) == {State.FAILED: 4}
    assert house.cycle.stopping == {}
    house.store.close()


def test_a_new_leader_stops_the_cancelled_child_of_an_array_that_went_whole(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, at_once=False, lane=replace(LANE, index_by_shim=True))
    job = house.submit(a_sweep(size=4, resources=ASKED, tags={"headgate:shim": "off"}))
    house.store.cancel(job, Tasks([1]), "not that one")
    house.engine.lose_next = [Unavailable("the answer was lost")]
    with pytest.raises(Unavailable):
        house.run()

    house.cycle = house.new_cycle()
    house.cycle.take_over()
    house.run()

    (leak,) = house.store.open_leaks()
    assert leak.open == Tasks([0, 2, 3])
    assert house.engine.world.twice == []
    house.store.close()


def test_an_engine_that_is_away_costs_time_only(house: House) -> None:
    house.engine.fail_next = [Unavailable("away"), Unavailable("away")]
    job = house.submit(a_submission(resources=ASKED))

    for _ in range(4):
        try:
            house.run()
        except Unavailable:
            continue

    assert house.counts(job) == {State.SUCCEEDED: 1}
    assert house.engine.world.twice == []


def test_a_lost_answer_starts_nothing_twice(house: House) -> None:
    house.engine.lose_next = [Unavailable("the answer was lost")]
    job = house.submit(a_sweep(size=8, resources=ASKED))

    with pytest.raises(Unavailable):
        house.run()
    house.run()

    assert house.counts(job) == {State.SUCCEEDED: 8}
    assert house.engine.world.twice == []


def test_a_new_leader_takes_up_what_runs(tmp_path: Path) -> None:
    house = House(tmp_path, at_once=False)
    job = house.submit(a_sweep(size=4, resources=ASKED))
    house.run()
    assert house.counts(job) == {State.RUNNING: 4}

    house.cycle = house.new_cycle()
    house.cycle.take_over()
    for leak in house.store.open_leaks():
        house.engine.finish(leak.name)
    house.run()

    assert house.counts(job) == {State.SUCCEEDED: 4}
    assert house.engine.world.twice == []
    house.store.close()


def test_a_new_leader_reads_back_how_long_tasks_really_took(tmp_path: Path) -> None:
    """A request foretells an hour. Else it would stop what is about to end by itself."""
    house = House(tmp_path, at_once=False)
    house.submit(a_sweep(size=16, resources=ASKED))
    house.run()
    (first,) = house.store.open_leaks()
    house.now_s = first.created_at_s + 20
    house.engine.finish(first.name)
    house.run()

    house.cycle = house.new_cycle()
    house.cycle.take_over()

    (second,) = house.store.open_leaks()
    took_s = house.cycle.policy.ledger.runtime_s(second.group_id, second.estimate)
    assert second.name != first.name
    assert second.estimate is not None
    assert second.estimate.runtime_s.p50 == 3600.0
    assert took_s == pytest.approx(20, abs=1)
    house.store.close()


def test_what_is_cancelled_while_it_runs_is_stopped_once(tmp_path: Path) -> None:
    house = House(tmp_path, at_once=False)
    job = house.submit(a_sweep(size=4, resources=ASKED))
    house.run()

    house.store.cancel(job, Tasks([1, 2]), "enough")
    for _ in range(3):
        house.cycle.run_once()

    assert house.counts(job) == {State.RUNNING: 2, State.FAILED: 2}
    assert [name for name, _ in house.engine.calls].count("stop") == 1
    house.store.close()


def test_a_task_that_fits_no_lane_waits_with_the_reason(house: House) -> None:
    big = ResourceRequest(vcpu=64, memory_mib=1024)
    job = house.submit(a_submission(resources=big))

    house.run()

    (held,) = house.store.held(10)
    assert held.job_id == job
    assert "fits no lane" in held.reason


def test_production_goes_before_a_sweep_that_came_first(tmp_path: Path) -> None:
    house = House(tmp_path, at_once=False)
    whole = ResourceRequest(vcpu=8, memory_mib=1024)
    sweep = house.submit(a_sweep("sweep", size=10, resources=whole))
    house.run()
    urgent = house.submit(a_submission("urgent", tier="production", tenant="b", resources=whole))

    for leak in house.store.open_leaks():
        house.engine.finish(leak.name)
    house.run()

    assert house.counts(urgent) == {State.RUNNING: 1}
    assert house.counts(sweep)[State.RUNNABLE] == 9
    house.store.close()


def test_whose_turn_does_not_come_is_not_told_so_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path, at_once=False)
    for name, vcpu in (("large", 7), ("small", 1)):
        house.submit(a_submission(name, resources=ResourceRequest(vcpu=vcpu, memory_mib=1024)))
    house.run()
    for name, vcpu in (("a", 8), ("b", 8), ("c", 1)):
        house.submit(a_submission(name, resources=ResourceRequest(vcpu=vcpu, memory_mib=1024)))
    house.run()
    told = {one.job_id: one.reason for one in house.store.held(10)}
    assert set(told.values()) == {"no room: every lane that could hold it is busy"}

    monkeypatch.setattr(leaking, "MOST_FRUITLESS", 1)
    [small] = [one for one in house.store.open_leaks() if one.job_id == "small"]
    house.engine.finish(small.name)

    assert house.cycle.run_once().held == 0
    assert {one.job_id: one.reason for one in house.store.held(10)} == told
    house.store.close()
