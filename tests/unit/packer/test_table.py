from __future__ import annotations

import pytest

from headgate.errors import InvalidInput
from headgate.resources import Resources
from packer.table import to_demands


def test_rows_become_demands_and_equal_shapes_come_together() -> None:
    records = [
        {"vcpu": 1, "memory_mib": 100.2, "count": 3, "comment": "ignored"},
        {"vcpu": 1.0, "memory_mib": "100.5", "gpus": float("nan")},
        {"vcpu": 4, "memory_mib": 9, "gpus": 1, "gpu_model": "t4", "runtime_s": 60},
    ]
    plain, gpu = to_demands(records)
    assert (plain.key, plain.shape, plain.count) == ("d0", Resources(1.0, 101), 4)
    assert (gpu.gpu_model, gpu.shape.gpus, gpu.runtime_s, gpu.count) == ("T4", 1, 60.0, 1)


def test_constraints_make_another_demand_of_the_same_shape() -> None:
    records: list[dict[str, object]] = [
        {"vcpu": 1, "memory_mib": 100, "count": 3},
        {"vcpu": 1, "memory_mib": 100, "spot_ok": "false", "rank": 2, "licence": "matlab"},
        {"vcpu": 1, "memory_mib": 100, "max_per_instance": 2},
    ]
    found = to_demands(records)
    assert sorted((d.count, d.spot_ok, d.rank, d.licence, d.max_per_instance) for d in found) == [
        (1, False, 2, "matlab", None),
        (1, True, 0, None, 2),
        (3, True, 0, None, None),
    ]


def test_every_wrong_row_and_field_is_named() -> None:
    records: list[dict[str, object]] = [
        {"vcpu": "many", "memory_mib": 1},
        {"vcpu": 1},
        {"vcpu": 1, "memory_mib": "inf"},
        {"vcpu": -2, "memory_mib": 1, "count": 0},
        {"vcpu": 0, "memory_mib": 0},
    ]
    with pytest.raises(InvalidInput) as caught:
        to_demands(records)
    assert [problem.field for problem in caught.value.problems] == [
        "row 1.vcpu",
        "row 2.memory_mib",
        "row 3.memory_mib",
        "row 4.vcpu",
        "row 4.count",
        "row 5.vcpu",
    ]
