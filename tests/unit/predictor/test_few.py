"""The parts of a sweep, each estimated by itself, come out as few shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.estimate import Estimate, Quantiles
from headgate.resources import Resources
from predictor import few
from predictor.few import most_shapes, shapes, united
from predictor.risk import Codes
from predictor.shape import Sizes
from tests.factories import an_estimate

MEMORY_MIB = st.integers(12, 10**6)
CORES = st.sampled_from([0.25, 1.0, 4.0])
ROWS = st.lists(st.tuples(MEMORY_MIB, CORES, st.integers(0, 1)), min_size=1, max_size=80)
PARTS = st.lists(
    st.builds(
        lambda memory_mib, vcpu, gpu: an_estimate(memory_mib, vcpu, least_gpu_mib=gpu),
        MEMORY_MIB,
        CORES,
        st.none() | MEMORY_MIB,
    ),
    min_size=1,
    max_size=80,
)


Row = tuple[int, float, int]


def in_shapes(
    rows: list[Row], tasks: list[int] | None = None, most: int | None = None
) -> Sequence[Codes]:
    """Rows of memory, cores and GPUs by shape."""
    memory_mib, vcpu, gpus = np.array(rows, dtype=float).T
    none = np.zeros(len(rows), dtype=int)
    sizes = Sizes(memory_mib, vcpu, gpus, none.astype(float), none, {})
    with pytest.MonkeyPatch.context() as patch:
        if most is not None:
            patch.setattr(few, "most_shapes", lambda tasks: most)
        return shapes(sizes, np.array(tasks or [1] * len(rows)))


@given(ROWS, st.integers(2, 256))
@settings(max_examples=100, deadline=None)
def test_each_row_is_in_one_of_few_shapes_and_none_is_given_a_gpu_for_another(
    rows: list[Row], cells: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(few, "MOST_CELLS", cells)
        found = in_shapes(rows)

    assert len(found) <= most_shapes(len(rows))
    assert sorted(int(at) for places in found for at in places) == list(range(len(rows)))
    assert all(len({rows[at][2] for at in places}) == 1 for places in found)


def test_those_are_put_together_that_waste_least_by_it() -> None:
    many, few_like_them, large = [(100, 1.0, 0)] * 50, [(130, 1.0, 0)] * 50, [(150, 1.0, 0)]
    found = in_shapes([*many, *few_like_them, *large], most=2)

    assert [len(places) for places in found if 100 in places] == [51]  # not 50 of them for that one


def test_rows_count_by_their_tasks() -> None:
    rows: list[Row] = [(100, 1.0, 0), (130, 1.0, 0), (150, 1.0, 0)]

    found = in_shapes(rows, tasks=[1, 50, 50], most=2)

    assert [0, 1] in [sorted(places.tolist()) for places in found]  # 1 by 30 for 50 by 20


def test_a_small_sweep_has_fewer_shapes() -> None:
    each_its_own: list[Row] = [(2**at, 1.0, 0) for at in range(4, 24)]

    assert len(in_shapes(each_its_own)) == 4
    assert len(in_shapes(each_its_own, tasks=[4] * 20)) == 10
    assert len(in_shapes(each_its_own, tasks=[100] * 20)) == 20


@pytest.mark.parametrize("alone", [(1_000, 1.0, 0), (100, 16.0, 0)])
def test_memory_and_cores_count_alike(alone: Row) -> None:
    found = in_shapes([(100, 1.0, 0), (130, 1.0, 0), (100, 1.5, 0), alone], most=2)

    assert [3] in [places.tolist() for places in found]


@given(PARTS)
@settings(max_examples=100, deadline=None)
def test_each_part_is_in_one_shape_that_is_enough_for_it(told: list[Estimate]) -> None:
    found = united(told, [1] * len(told))

    assert len(found) <= most_shapes(len(told))
    assert sorted(int(at) for places, _ in found for at in places) == list(range(len(told)))
    for places, one in found:
        for part in (told[at] for at in places):
            assert part.allocation.fits(one.allocation)
            assert part.memory_mib.p95 <= one.memory_mib.p95
            assert (part.least_gpu_mib or 0) <= (one.least_gpu_mib or 0)


def test_parts_that_are_given_the_same_are_one_shape() -> None:
    [(places, one)] = united([an_estimate(), an_estimate()], [5, 5])

    assert list(places) == [0, 1]
    assert one == an_estimate()


def test_the_middle_is_that_of_the_tasks_and_not_of_the_parts() -> None:
    short, long = an_estimate(), replace(an_estimate(), runtime_s=Quantiles(600.0, 900.0))

    [(_, one)] = united([long, short], [3, 1_000])

    assert one.runtime_s == Quantiles(60.0, 900.0)


def test_what_one_part_does_not_know_none_of_its_shape_does() -> None:
    limited = an_estimate(time_limit_s=600.0, gpu_memory_mib=Quantiles(1.0, 2.0))

    [(_, one)] = united([limited, an_estimate()], [1, 1])

    assert (one.time_limit_s, one.gpu_memory_mib) == (None, None)


def test_parts_with_and_without_gpus_are_no_one_shape() -> None:
    with_gpu = replace(an_estimate(), allocation=Resources(1.0, 1024, 2))

    found = united([with_gpu, an_estimate()], [1, 1])

    assert sorted(one.allocation.gpus for _, one in found) == [0, 2]
