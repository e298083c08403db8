"""Kills for memory and what is learnt of them, from one pass to the next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from headgate.lifecycle import Cause, State
from headgate.resources import ResourceRequest, Resources
from headgate.usage import Observation
from predictor.predictor import Predictor
from queue_broker.adapters.engines.instant import Outcome
from queue_broker.adapters.registry import FolderRegistry
from queue_broker.core.forecast import Forecaster
from queue_broker.records import Leak
from tests.factories import a_job, a_submission, a_sweep
from tests.unit.predictor.examples import ran
from tests.unit.queue_broker.core.house import ASKED, House


def kill_small(leak: Leak) -> Mapping[int, Outcome]:
    """Whatever is given less than 2 GiB is killed for its memory."""
    if leak.allocation.memory_mib >= 2048:
        return {}
    return dict.fromkeys(leak.tasks, Outcome(Cause.OUT_OF_MEMORY, 137))


def test_kills_for_memory_come_back_bigger(tmp_path: Path) -> None:
    house = House(tmp_path, script=kill_small)
    job = house.submit(a_sweep(size=20, resources=ASKED))

    house.run(passes=200)

    assert house.counts(job) == {State.SUCCEEDED: 20}
    for task in range(20):
        *lost, last = house.store.attempts(job, task)
        assert last.allocation.memory_mib >= 2048
        assert all(attempt.cause is Cause.OUT_OF_MEMORY for attempt in lost)
    house.store.close()


def kill_below_its_need(leak: Leak) -> Mapping[int, Outcome]:
    """What needs all the memory that it asks for is killed below that."""
    if leak.allocation.memory_mib >= (leak.job.resources.memory_mib or 0):
        return {}
    return dict.fromkeys(leak.tasks, Outcome(Cause.OUT_OF_MEMORY, 137))


def test_nothing_fails_for_having_been_foretold_less_than_it_asked_for(tmp_path: Path) -> None:
    predictor = Predictor()
    small = a_job("step-1", resources=ResourceRequest(memory_mib=3000))
    predictor.observe([ran(small, 30.0) for _ in range(20)])
    forecaster = Forecaster(predictor, FolderRegistry(tmp_path / "models"))
    house = House(tmp_path, script=kill_below_its_need, forecaster=forecaster)

    job = house.submit(a_submission(name="step-2", resources=ResourceRequest(memory_mib=6000)))
    house.run(passes=200)

    given = [one.allocation.memory_mib for one in house.store.attempts(job, 0)]
    assert house.counts(job) == {State.SUCCEEDED: 1}
    assert given[0] < 100
    assert (len(given), given[-1]) == (5, 6000)


class Unteachable(Predictor):
    """Fails at whatever it is to learn."""

    def observe(self, *about: object) -> None:
        raise IndexError(about)


def test_a_predictor_that_fails_to_learn_holds_nothing_up(tmp_path: Path) -> None:
    forecaster = Forecaster(Unteachable(), FolderRegistry(tmp_path / "models"))
    house = House(tmp_path, forecaster=forecaster)

    job = house.submit(a_sweep(size=100, resources=ASKED))
    house.run(passes=500)

    assert house.counts(job) == {State.SUCCEEDED: 100}
    house.store.close()


class Retrying(Predictor):
    """Remembers at which price a retry was sized."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def retry(self, failed: Observation, largest: Resources, mode: str = "") -> Resources:
        self.asked.add(mode)
        return super().retry(failed, largest, mode)


@pytest.mark.parametrize(("tier", "mode"), [("production", "safe"), ("sweep", "cost")])
def test_a_retry_is_sized_at_the_price_of_its_tier(tmp_path: Path, tier: str, mode: str) -> None:
    predictor = Retrying()
    forecaster = Forecaster(predictor, FolderRegistry(tmp_path / "models"))
    house = House(tmp_path, script=kill_small, forecaster=forecaster)

    house.submit(a_submission(resources=ASKED, tier=tier))
    house.run()

    assert predictor.asked == {mode}
    house.store.close()


def test_a_few_kills_for_memory_teach_the_rest_of_the_sweep(tmp_path: Path) -> None:
    house = House(tmp_path, script=kill_small)
    job = house.submit(a_sweep(size=200, resources=ASKED))

    house.run(passes=400)

    assert house.counts(job) == {State.SUCCEEDED: 200}
    tries = [len(house.store.attempts(job, task)) for task in range(200)]
    assert tries.count(1) > 100
    house.store.close()
