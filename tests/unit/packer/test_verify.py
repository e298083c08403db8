from __future__ import annotations

from dataclasses import replace

import pytest

from packer.options import PackOptions
from packer.pack import pack
from packer.plan import Placement, Plan
from packer.verify import verify
from tests.unit.packer.builders import demand, kind, machine

WANTED = [demand("a", 1, 1000, 4), demand("lone", 1, 500, 2, max_per_instance=1)]
TYPES = [kind("m", 4, 8000, 0.2, limit=5)]
BINS = [machine("here", 1, 1500)]


@pytest.fixture
def plan() -> Plan:
    return pack(WANTED, bins=BINS, catalogue=TYPES)


def test_a_legal_plan_passes(plan: Plan) -> None:
    assert verify(plan, WANTED, BINS, TYPES) == []


@pytest.mark.parametrize(
    ("placement", "words"),
    [
        (Placement("nowhere", True, 1, {"a": 4}), "no such type"),
        (Placement("m", False, 1, {"a": 4}), "no such bin"),
        (Placement("m", True, 1, {"b": 4}), "nobody asked for"),
        (Placement("m", True, 1, {"a": 5}), "holds"),
        (Placement("m", True, 0, {"a": 4}), "at least 1"),
        (Placement("m", True, 1, {"a": 3}), "accounted for"),
        (Placement("m", True, 1, {"lone": 2}), "at most 1"),
        (Placement("m", True, 6, {"a": 4}), "6 instances, at most 5"),
        (Placement("here", False, 2, {"a": 1}), "2 instances, at most 1"),
    ],
)
def test_what_is_wrong_is_said(plan: Plan, placement: Placement, words: str) -> None:
    broken = replace(plan, placements=(placement,))
    assert any(words in sentence for sentence in verify(broken, WANTED, BINS, TYPES))


def test_constraints_are_checked_apart_from_the_solver() -> None:
    picky = [
        demand("a", 1, 1, arch="arm64"),
        demand("b", 1, 1, gpus=1, gpu_model="T4", gpu_memory_mib=20_000),
        demand("c", 1, 1, spot_ok=False),
        demand("d", 1, 1, licence="matlab"),
    ]
    spot = kind("g", 8, 8000, 0.1, gpus=1, gpu_model="L4", gpu_memory_mib=100, purchase="SPOT")
    everything = Placement(spot.key, True, 1, dict.fromkeys("abcd", 1))
    found = verify(Plan((everything,), (), 0.1, 0.0, "none", 0.0), picky, (), [spot])
    for words in ("needs arm64", "needs T4", "20000 MiB a GPU", "not run on Spot", "seats taken"):
        assert any(words in sentence for sentence in found)


def test_costs_bounds_and_quotas_that_lie_are_caught(plan: Plan) -> None:
    dear = replace(plan, cost_usd_hour=9.0)
    assert any("says 9.0" in s for s in verify(dear, WANTED, BINS, TYPES))
    boastful = replace(plan, bound_usd_hour=5.0)
    assert any("above the cost" in s for s in verify(boastful, WANTED, BINS, TYPES))
    options = PackOptions(vcpu_quota=1)
    assert any("vcpu_quota" in s for s in verify(plan, WANTED, BINS, TYPES, options))
