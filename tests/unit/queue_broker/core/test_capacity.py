from __future__ import annotations

from dataclasses import replace

import numpy as np

from headgate.resources import Resources
from queue_broker.core.amounts import Amount
from queue_broker.core.capacity import Board
from queue_broker.core.ledger import Ledger, remaining_s
from queue_broker.core.yard import Yard
from queue_broker.records import Changes, Lane, Leak, Tasks
from tests.unit.queue_broker.core.scenes import NOW_S, a_group, a_lane, a_leak


def board_of(lanes: list[Lane], leaks: list[Leak]) -> tuple[Board, Ledger]:
    ledger = Ledger.of(leaks, lanes)
    return Board.of(Yard.of(lanes), lanes, ledger, {}), ledger


def room(board: Board, each: Amount, *, cold: bool = True) -> list[int]:
    places = np.arange(len(board.yard.lanes))
    return [int(count) for count in board.fits(each, places, cold=cold)]


ONE = Amount(mcpu=1_000, mib=1_024)


def test_an_empty_lane_holds_what_its_instances_hold() -> None:
    board, _ = board_of([a_lane(vcpu=4, instances=3)], [])
    assert room(board, ONE) == [12]
    assert room(board, Amount(mcpu=3_000, mib=1)) == [3]


def test_a_lane_in_use_has_the_rest_of_the_instance_and_the_empty_ones() -> None:
    board, _ = board_of([a_lane(instances=3)], [a_leak(1, a_group(1, tasks=5))])
    assert room(board, ONE) == [7]
    assert room(board, Amount(mcpu=4_000, mib=1)) == [1]


def test_an_overfull_lane_holds_nothing_more() -> None:
    board, _ = board_of([a_lane()], [a_leak(1, a_group(1, tasks=9))])
    assert room(board, ONE) == [0]
    assert board.all_free.mcpu == 0


def test_nobody_goes_behind_a_queue_into_a_lane_that_has_plenty_of_something_else() -> None:
    for_gpus = a_leak(1, a_group(1, tasks=2, gpus=1))
    board, _ = board_of([a_lane(vcpu=16, gpus=1, queues=True)], [for_gpus])
    assert room(board, ONE) == [0]
    board, _ = board_of([a_lane(vcpu=16, gpus=2, queues=True)], [for_gpus])
    assert room(board, ONE) == [14]


def test_only_what_the_end_of_one_task_makes_room_for_queues_behind_it() -> None:
    lane = a_lane(gpus=4, queues=True)
    board, _ = board_of([lane], [a_leak(1, a_group(1, tasks=4, gpus=1))])
    one, four = Amount(mcpu=1_000, mib=1_024, gpus=1), Amount(mcpu=1_000, mib=1_024, gpus=4)
    assert board.ahead(one, np.array([0]), 1.0).tolist() == [20]
    assert board.ahead(four, np.array([0]), 1.0).tolist() == [0]


def test_only_what_runs_is_warm() -> None:
    lane = a_lane(instances=3, price_usd_hour=1.0, running=2)
    board, _ = board_of([lane], [])
    assert room(board, ONE, cold=False) == [8]


def test_scraps_of_many_instances_are_no_room_for_a_task_that_fits_in_none() -> None:
    lane = a_lane(instances=10, price_usd_hour=1.0, running=4)
    board, _ = board_of([lane], [a_leak(1, a_group(1, tasks=12))])
    assert room(board, ONE, cold=False) == [4]
    assert room(board, Amount(mcpu=4_000, mib=1), cold=False) == [0]
    assert room(board, Amount(mcpu=4_000, mib=1)) == [6]


def test_where_all_instances_run_their_scraps_count_as_one() -> None:
    lane = a_lane(instances=4, price_usd_hour=1.0, running=4)
    board, _ = board_of([lane], [a_leak(1, a_group(1, tasks=12))])
    assert room(board, Amount(mcpu=4_000, mib=1)) == [1]


def test_room_is_counted_on_as_places_are_given() -> None:
    lanes = [a_lane("a", instances=3), a_lane("b", instances=4, price_usd_hour=1.0, running=1)]
    board, _ = board_of(lanes, [a_leak(1, a_group(1, tasks=3), lane="a")])
    for place, tasks, each in [
        (0, 2, ONE),
        (1, 5, ONE),
        (0, 1, Amount(mcpu=3_000, mib=1)),
        (1, 30, ONE),
    ]:
        board.put(each, place, tasks)
        anew = replace(board)
        assert board.busy.tolist() == anew.busy.tolist()
        assert board.left.tolist() == anew.left.tolist()


def test_where_nobody_says_what_runs_only_a_lane_that_costs_nothing_is_warm() -> None:
    lanes = [a_lane("free"), a_lane("priced", price_usd_hour=1.0)]
    board, _ = board_of(lanes, [])
    assert room(board, ONE, cold=False) == [4, 0]


def test_a_task_past_its_quantile_is_given_the_next_one() -> None:
    leak = a_leak(1, a_group(1, runtime_s=100))
    assert remaining_s(leak, NOW_S + 40) == 60
    assert remaining_s(leak, NOW_S + 150) == 50
    assert remaining_s(leak, NOW_S + 400) == 200


def test_kin_that_have_ended_say_when_the_rest_of_a_sweep_ends() -> None:
    leak = a_leak(1, a_group(1, tasks=10, runtime_s=3_600), tasks=4)
    ledger = Ledger()
    for _ in range(7):
        ledger.measure(leak, 20.0)
    assert ledger.remaining_s(leak, NOW_S + 5) == 3_595  # so few may be the short ones
    ledger.measure(leak, 20.0)
    assert ledger.remaining_s(leak, NOW_S + 5) == 15
    assert ledger.remaining_s(leak, NOW_S + 40) == 20


def test_the_first_to_end_of_many_that_began_together_say_nothing_of_the_rest() -> None:
    leak = a_leak(1, a_group(1, tasks=100, runtime_s=3_600))
    ledger = Ledger()
    for _ in range(99):
        ledger.measure(leak, 20.0)
    assert ledger.remaining_s(leak, NOW_S) == 3_600
    ledger.measure(leak, 20.0)
    assert ledger.remaining_s(leak, NOW_S) == 20


def test_the_ledger_follows_leaks_that_come_change_and_go() -> None:
    lanes = [a_lane(instances=9)]
    first, second = a_leak(1, a_group(1, tasks=4)), a_leak(2, a_group(2, tasks=3, tenant="b"))
    ledger = Ledger.of([first, second], lanes)
    assert ledger.lanes["lane"].amount.mcpu == 7_000
    partly = Leak(**{name: getattr(first, name) for name in first.__slots__} | {"open": Tasks([3])})
    ledger.renew(Changes([partly], ["leak-2"]), lanes)
    assert ledger.lanes["lane"].amount.mcpu == 1_000
    assert set(ledger.tenants) == {("sweep", "acme")}
    ledger.renew(Changes([], ["leak-1"]), lanes)
    assert not ledger.tenants
    assert not ledger.jobs
    assert ledger.lanes["lane"].amount == Amount()


def test_resources_too_small_for_whole_units_are_counted_exactly() -> None:
    lanes = [a_lane()]
    tenths = a_leak(1, a_group(1, tasks=3, vcpu=0.1))
    ledger = Ledger.of([tenths], lanes)
    assert ledger.lanes["lane"].amount.mcpu == 300
    assert Resources(0.3) == Resources(0.1) * 3


def test_many_lanes_reckoned_together_are_as_one_after_the_other() -> None:
    lanes = [a_lane(f"lane-{i}", vcpu=4 + i, instances=1 + i, queues=True) for i in range(9)]
    leaks = [a_leak(i, a_group(i, tasks=2), lanes[i].name) for i in range(1, 9)]
    together, singly = board_of(lanes, leaks)[0], board_of(lanes, leaks)[0]
    seats = {place: 1 + place % 3 for place in (7, 0, 3, 5, 8)}
    together.queue_all(ONE, seats, 30.0)
    for place, tasks in seats.items():
        singly.queue_all(ONE, {place: tasks}, 30.0)
    for name in ("used", "busy", "left", "ahead_s"):
        assert (getattr(together, name) == getattr(singly, name)).all()
    assert room(together, ONE) == room(singly, ONE)
