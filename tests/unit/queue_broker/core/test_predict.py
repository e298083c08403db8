from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from threading import Event
from typing import Any, cast

import numpy as np
import pytest

from headgate.estimate import Estimate
from headgate.job import Dependency, Job
from headgate.lifecycle import State
from headgate.resources import ResourceRequest
from queue_broker.core.forecast import Forecaster
from queue_broker.core.offer import Offer
from queue_broker.core.parameters import Band
from queue_broker.core.predict import LARGE, LEAST, MOST, Estimating
from queue_broker.core.whole import spared
from queue_broker.ports import Store
from queue_broker.records import Group, Split, Table, Tasks
from tests.factories import a_job, a_submission, a_sweep, an_estimate
from tests.unit.queue_broker.core.scenes import a_group, a_lane

OFFER = Offer.of([a_lane(vcpu=8, memory_mib=8192)])


def in_one(group: Group) -> list[Band]:
    return [Band(0, group.size, {})]


class Gate:
    """What the store does for the estimates: it hands out groups until they have theirs."""

    def __init__(self, groups: list[Group]) -> None:
        self.groups = {group.group_id: group for group in groups}
        self.given: dict[int, int] = {}  #: the memory of each group's last shape

    def submitted(self, limit: int, sweeps: int) -> list[Group]:
        return list(self.groups.values())[:limit]

    def estimated(self, answers: Sequence[tuple[Group, Sequence[Split]]]) -> list[bool]:
        for group, splits in answers:
            self.given[group.group_id] = splits[-1].estimate.allocation.memory_mib
        return [self.groups.pop(group.group_id) is group for group, _ in answers]


class Slow:
    """A forecaster whose answers on sweeps take until somebody lets them go."""

    def __init__(self) -> None:
        self.go = Event()

    def estimate(self, jobs: Sequence[Job], modes: Sequence[str]) -> list[Estimate]:
        return [an_estimate() for _ in jobs]

    def estimate_sweep(self, *about: object) -> list[tuple[Any, Estimate]]:
        self.go.wait(20)
        return [(np.arange(LARGE, dtype=np.uint32), an_estimate())]


class Asked:
    """A forecaster that is free to answer, or is not."""

    def __init__(self, *, free: bool) -> None:
        self.free = free

    def estimate_if_free(self, jobs: Sequence[Job], modes: Sequence[str]) -> list[Estimate] | None:
        return [an_estimate(9000) for _ in jobs] if self.free else None


def arriving(*, free: bool) -> list[Estimate | None]:
    single, sweep = a_submission("single"), a_sweep()
    follower = a_submission("follower", depends_on=(Dependency(job_id="single"),))
    asked = cast(Forecaster, Asked(free=free))
    estimating = Estimating(cast(Store, Gate([])), asked, in_one, dict[str, str])
    found = estimating.on_arrival([sweep, single, follower], OFFER)
    assert [one.job_id for one in found] == ["sweep-1", "single", "follower"]
    return [one.estimate for one in found]


def test_a_single_job_that_waits_for_nobody_is_estimated_on_arrival() -> None:
    sweep, single, follower = arriving(free=True)

    assert single is not None
    assert single.allocation.memory_mib == OFFER.largest.memory_mib
    assert (sweep, follower) == (None, None)


def test_production_has_the_memory_that_comes_with_its_cores_and_a_sweep_what_it_needs() -> None:
    groups = [a_group(1, tier="production"), a_group(2)]
    gate = Gate(groups)
    modes = {"production": "safe", "sweep": "cost"}
    estimating = Estimating(cast(Store, gate), cast(Forecaster, Slow()), in_one, lambda: modes)

    estimating.run(2, 2, Offer.of([a_lane(vcpu=4, memory_mib=7_500)]))

    assert gate.given == {1: 1_875, 2: 1_024}


def test_nobody_waits_on_arrival_for_a_predictor_that_learns() -> None:
    assert arriving(free=False) == [None, None, None]


@pytest.mark.parametrize(("shim", "given_mib"), [("off", 4096), ("on", 1024)])
def test_an_array_whose_children_could_not_go_again_has_the_memory_that_it_asks_for(
    shim: str, given_mib: int
) -> None:
    asked = ResourceRequest(memory_mib=4096)
    array = replace(a_group(1, tasks=4), job=a_job(tags={"headgate:shim": shim}, resources=asked))
    assert spared(an_estimate(1024), array).allocation.memory_mib == given_mib


def a_waiting(number: int, size: int, source: Table) -> Group:
    return replace(
        a_group(number, size), state=State.SUBMITTED, size=size, parameters=source, array=size > 1
    )


def test_no_single_job_waits_for_a_large_table_to_be_estimated() -> None:
    gate, slow = Gate([a_waiting(1, LARGE, Table.CHUNKS), a_waiting(2, 1, Table.NONE)]), Slow()
    estimating = Estimating(cast(Store, gate), cast(Forecaster, slow), in_one, dict[str, str])

    assert estimating.run(10, 10, OFFER) == 1
    assert list(gate.groups) == [1]

    slow.go.set()
    deadline = time.monotonic() + 20
    while not estimating.run(10, 10, OFFER):
        assert time.monotonic() < deadline
    assert not gate.groups


def test_of_many_small_sweeps_a_pass_estimates_some_and_the_first_tier_s_first() -> None:
    class Quick:
        """Answers at once."""

        def estimate_sweep(self, *about: object) -> list[tuple[Any, Estimate]]:
            return [(np.arange(9, dtype=np.uint32), an_estimate())]

    sweeps = [a_waiting(number, 9, Table.CHUNKS) for number in range(1, 41)]
    gate = Gate([*sweeps, replace(a_waiting(41, 9, Table.CHUNKS), tier="production")])
    modes = {"production": "safe", "sweep": "cost"}
    asked = cast(Forecaster, Quick())
    estimating = Estimating(cast(Store, gate), asked, in_one, lambda: modes)

    assert estimating.run(500, 500, OFFER) == MOST // LEAST
    assert list(gate.groups) == list(range(10, 41))

    passes = [estimating.run(500, 500, OFFER) for _ in range(4)]
    assert passes == [10, 10, 10, 1]


def test_single_jobs_and_sweeps_without_parameters_are_asked_about_at_once() -> None:
    class Together:
        """Is asked for one task of each, and spells none of them out."""

        def __init__(self) -> None:
            self.asked: list[int] = []

        def estimate(self, jobs: Sequence[Job], modes: Sequence[str]) -> list[Estimate]:
            self.asked.append(len(jobs))
            return [an_estimate(3000) for _ in jobs]

    sweeps = [a_waiting(number, 30, Table.NONE) for number in range(1, 60)]
    gate = Gate([*sweeps, a_waiting(60, 1, Table.NONE), a_waiting(61, 100_000_000, Table.NONE)])
    together = Together()
    asked = cast(Forecaster, together)
    estimating = Estimating(cast(Store, gate), asked, in_one, dict[str, str])

    assert estimating.run(500, 50, OFFER) == 61
    assert gate.given == dict.fromkeys(range(1, 62), 3000)
    assert together.asked == [61]


def test_the_bands_of_a_sweep_come_out_as_its_few_shapes() -> None:
    class OfBands:
        """Gives each band a small half, and a larger one that differs by the band."""

        def estimate_sweep(
            self, job: Job, columns: dict[str, Any], size: int, mode: str
        ) -> list[tuple[Any, Estimate]]:
            tasks = np.arange(size, dtype=np.uint32)
            large = an_estimate(3000 + 40 * columns["band"])
            return [(tasks[::2], an_estimate(1000)), (tasks[1::2], large)]

    class Kept(Gate):
        def estimated(self, answers: Sequence[tuple[Group, Sequence[Split]]]) -> list[bool]:
            [(_, splits)] = answers
            found.extend(splits)
            return [True]

    found: list[Split] = []
    bands = [Band(at * 10, 10, {"band": np.int64(at)}) for at in range(2)]  # type: ignore[dict-item]
    gate, asked = Kept([a_waiting(1, 20, Table.CHUNKS)]), cast(Forecaster, OfBands())
    Estimating(cast(Store, gate), asked, lambda group: bands, dict[str, str]).run(10, 10, OFFER)

    small, large = found
    assert (small.tasks, small.estimate.allocation.memory_mib) == (Tasks(range(0, 20, 2)), 1000)
    assert (large.tasks, large.estimate.allocation.memory_mib) == (Tasks(range(1, 20, 2)), 3040)
