"""The steps of the packer, each by itself, on problems where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from packer.coarse import coarsen, refine
from packer.columns import Columns, generate
from packer.deadline import Deadline
from packer.enumerate import every_column, maximal
from packer.first_fit import Groups, first_fit
from packer.pricing import best_filling, fillings
from packer.problem import Problem, compile_problem
from packer.relax import (
    learnt,
    proven_by,
    proven_simply,
    relax,
    types_market,
    undominated,
    with_pools,
)
from packer.shapes import clusters
from packer.spread import Deal, part_of, shares
from packer.trim import trim
from tests.unit.packer.builders import MARKET, demand, kind, machine

LONG = 60.0


def mixed(tasks: int = 200) -> Problem:
    """Lean and rich tasks that only together fill a general type."""
    wanted = [demand("lean", 1, 1000, tasks), demand("rich", 1, 6500, tasks)]
    return compile_problem(wanted, (), [kind("m", 16, 60_000, 0.8), *MARKET], None)


def test_the_relaxed_packing_bounds_and_its_prices_prove_it() -> None:
    problem = mixed()
    relaxed = relax(problem, types_market(problem), problem.count, 50, LONG)
    assert relaxed is not None
    assert relaxed.bound == pytest.approx(relaxed.market.price @ relaxed.instances)
    prices = learnt(problem, relaxed)
    proof = proven_by(problem, prices)
    assert proof.bound(problem.count) == pytest.approx(relaxed.bound)
    assert proof.bound(problem.count * 2) == pytest.approx(2 * relaxed.bound)
    assert proven_by(problem, {}).bound(problem.count) == 0.0


def test_bins_lower_the_bound_by_no_more_than_they_hold() -> None:
    wanted = [demand("a", 1, 1000, 10)]
    problem = compile_problem(wanted, [machine("here", 4, 9000)], MARKET, None)
    market = with_pools(problem, types_market(problem))
    relaxed = relax(problem, market, problem.count, 50, LONG)
    assert relaxed is not None
    assert relaxed.bound == pytest.approx(6 * 1.28 / 32)


def test_dearer_types_of_the_same_mixture_are_left_out_of_the_market() -> None:
    types = [kind("fair", 4, 8000, 0.2), kind("dear", 4, 8000, 0.3), kind("rich", 4, 32_000, 0.3)]
    problem = compile_problem([demand("a", 1, 1)], (), types, None)
    names = {problem.hosts[host].key for host in types_market(problem).host}
    assert names == {"fair", "rich"}


def test_dealing_gives_every_instance_its_share() -> None:
    wanted = [demand("lean", 1, 1000, 83), demand("rich", 1, 6500, 77)]
    problem = compile_problem(wanted, (), [kind("m", 16, 62_000, 0.8)], None)
    relaxed = relax(problem, types_market(problem), problem.count, 50, LONG)
    assert relaxed is not None
    assert (shares(relaxed, problem.count).sum(axis=1) == problem.count).all()
    deal = Deal(problem, relaxed, relaxed.worth, problem.count)
    (fleet,) = deal.fleets(Deadline(LONG)) or []
    assert (fleet.placed() == problem.count).all()
    rows = [contents for _, _, contents in fleet.groups().rows()]
    for k in range(len(problem.count)):
        tasks = [contents[k] for contents in rows]
        assert max(tasks) - min(tasks) <= 1
    for _, _, contents in fleet.groups().rows():
        used = sum(problem.need[k] * n for k, n in contents.items())
        assert (used <= problem.room[fleet.host[0]]).all()


def test_dealing_stops_when_time_is_up() -> None:
    problem = mixed()
    relaxed = relax(problem, types_market(problem), problem.count, 50, LONG)
    assert relaxed is not None
    assert Deal(problem, relaxed, relaxed.worth, problem.count).fleets(Deadline(0.0)) is None


def test_a_bound_needs_no_programme() -> None:
    problem = mixed()
    relaxed = relax(problem, types_market(problem), problem.count, 50, LONG)
    assert relaxed is not None
    assert 0.8 * relaxed.bound <= proven_simply(problem, problem.count) <= relaxed.bound


def test_a_part_of_a_share_is_as_good_a_mixture_as_the_whole() -> None:
    share = np.array([100, 1, 50, 0, 3])
    assert part_of(share, 1.3) is share
    assert part_of(share, 0.5).tolist() == [50, 0, 26, 0, 1]


def test_clusters_keep_the_count_and_the_mean() -> None:
    need = np.array([[1000, 100 * i, 0] for i in range(1, 41)])
    count = np.arange(1, 41)
    found = clusters(need, count, np.ones((40, 3), dtype=bool), 8)
    assert len(found) == 8
    assert sum(cluster.count for cluster in found) == count.sum()
    total = sum(cluster.need * cluster.count for cluster in found)
    assert total == pytest.approx(count @ need)


def test_what_other_hosts_take_is_never_in_one_cluster() -> None:
    need, mask = np.full((2, 3), 5), np.array([[True, False], [True, True]])
    assert len(clusters(need, np.array([1, 1]), mask, 1)) == 2


def test_coarse_shapes_cover_their_members_and_refine_puts_them_back() -> None:
    wanted = [demand(f"d{i}", 1, 1000 + 10 * i, 3 + i % 5) for i in range(60)]
    problem = compile_problem(wanted, (), MARKET, None)
    coarse = coarsen(problem, 7)
    assert len(coarse.problem.count) == 7
    for cluster, members in enumerate(coarse.members):
        assert (problem.need[members] <= coarse.problem.need[cluster]).all()
    groups = refine(coarse, first_fit(coarse.problem))
    assert (groups.placed() == problem.count).all()
    assert (groups.left >= 0).all()


def test_greedy_fillings_fit_and_mix_what_one_shape_alone_would_waste() -> None:
    problem = mixed()
    host = next(h for h, one in enumerate(problem.hosts) if one.key == "m")
    found = [filled for _, filled in fillings(problem, np.array([host]), np.array([1.0, 1.0]))]
    assert all((filled @ problem.need <= problem.room[host]).all() for filled in found)
    assert max(filled.sum() for filled in found) == 16


def test_the_best_filling_is_the_knapsacks_optimum_and_its_bound_is_above() -> None:
    wanted = [demand("a", 5, 10, 9), demand("b", 4, 10, 9), demand("c", 3, 10, 9)]
    problem = compile_problem(wanted, (), [kind("t", 13, 9000, 1.0)], None)
    worth = np.array([{"a": 0.52, "b": 0.39, "c": 0.30}[d.key] for d in problem.demands])
    found = best_filling(problem, 0, worth, LONG, gap=0.0)
    assert found is not None
    filled, most = found
    assert filled @ worth == pytest.approx(1.34)  # two of a and one of c
    assert most == pytest.approx(1.34)


def test_column_generation_reaches_the_cutting_stock_optimum() -> None:
    # 5s pair with 3s on eights: nothing is wasted, and the bound says so.
    types = [kind("eight", 8, 9000, 0.32), kind("six", 6, 9000, 0.27)]
    wanted = [demand("five", 5, 1, 100), demand("three", 3, 1, 100)]
    problem = compile_problem(wanted, (), types, None)
    guide = relax(problem, types_market(problem), problem.count, 50, LONG)
    assert guide is not None
    columns = Columns(problem)
    columns.add_groups(first_fit(problem))
    generated = generate(columns, guide, 0, Deadline(LONG))
    assert generated is not None
    assert generated.solution.value == pytest.approx(32.0, rel=1e-3)
    assert generated.bound == pytest.approx(32.0, rel=1e-3)


def test_every_filling_of_a_small_host_is_found_once() -> None:
    wanted = [demand("a", 2, 1, 9), demand("b", 3, 1, 9)]
    problem = compile_problem(wanted, (), [kind("t", 7, 99, 1.0)], None)
    found = [tuple(filled.tolist()) for filled in maximal(problem, 0) if filled is not None]
    # Of 7 vCPUs: three 2s, two 2s and a 3, two 3s; in the packing order (3 first).
    assert sorted(found) == [(0, 3), (1, 2), (2, 0)]


def test_too_many_fillings_are_not_enumerated() -> None:
    wanted = [demand(f"d{i}", 1 + i / 10, 100 + i, 40) for i in range(12)]
    assert every_column(compile_problem(wanted, (), MARKET, None), Deadline(LONG)) is None


def test_a_host_that_another_beats_in_everything_is_not_priced() -> None:
    types = [kind("fair", 4, 8000, 0.2), kind("worse", 4, 7000, 0.2), kind("small", 2, 4000, 0.1)]
    problem = compile_problem([demand("a", 1, 1)], (), types, None)
    assert {problem.hosts[h].key for h in undominated(problem)} == {"fair", "small"}


def test_a_half_empty_instance_is_traded_for_a_cheaper_type() -> None:
    wanted = [demand("a", 1, 100, 3)]
    problem = compile_problem(wanted, (), [kind("huge", 64, 99_000, 3.0), MARKET[2]], None)
    groups = Groups(problem)
    groups.put([host.key for host in problem.hosts].index("huge"), 1, {0: 3})
    assert trim(groups).cost() == pytest.approx(0.16)
    assert (groups.left == [1000, 7500 - 300, 0]).all()
