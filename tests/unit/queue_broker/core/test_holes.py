"""What instances have free, and where the sum of a lane is all in scraps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from queue_broker.core.amounts import Amount
from queue_broker.core.capacity import Board
from queue_broker.core.holes import Holes, holes_in, may_scatter
from queue_broker.core.ledger import Ledger
from queue_broker.core.reservation import Reservation, reserve
from queue_broker.core.runs import Runs
from queue_broker.core.yard import Yard
from queue_broker.records import Lane, Leak, Tasks
from tests.unit.queue_broker.core.scenes import NOW_S, a_group, a_lane, a_leak

#: Three instances of four vCPUs, all of them running.
LANE = a_lane(instances=3, running=3, queues=True)
ONE, WIDE = Amount(1_000, 1_024), Amount(3_000, 1_024)
#: Three tasks on the first, two on the second, one on the third.
SMALL = a_leak(1, a_group(1, tasks=6, runtime_s=100))
WHERE = {SMALL.name: "aaabbc"}


def on(where: Mapping[str, str]) -> Runs:
    """On which instance the tasks of leaks are, from 0 on: a letter each."""
    return Runs(instances={leak: dict(enumerate(at)) for leak, at in where.items()})


def board_of(
    *leaks: Leak, lane: Lane = LANE, where: Mapping[str, str] = WHERE, **fields: Any
) -> tuple[Board, Ledger]:
    ledger = Ledger.of(leaks, [lane])
    return Board.of(Yard.of([lane]), [lane], ledger, {}, on(where), **fields), ledger


def room(board: Board, each: Amount) -> int:
    return int(board.fits(each, np.zeros(1, dtype=np.int64), cold=True)[0])


def starting(number: int, vcpu: float, tasks: int = 1) -> Leak:
    return replace(a_leak(number, a_group(number, tasks, vcpu=vcpu)), running=Tasks())


def kept(*leaks: Leak, each: Amount = WIDE, together: int = 1, **known: Any) -> Reservation:
    board, ledger = board_of(*leaks, **known)
    return reserve(each, together, np.zeros(1, dtype=np.int64), board, ledger, NOW_S)


def test_a_task_finds_room_on_as_many_instances_as_have_it() -> None:
    board, _ = board_of(SMALL)
    assert room(board, WIDE) == 1
    assert room(board, Amount(2_000, 1_024)) == 2
    assert room(board, ONE) == 6


def test_cores_here_and_memory_there_are_no_room_for_a_task_however_small() -> None:
    cores = a_leak(2, a_group(2, tasks=1, vcpu=4, memory_mib=1))
    memory = a_leak(3, a_group(3, tasks=2, vcpu=0.1, memory_mib=16_384))
    where = {cores.name: "a", memory.name: "bc"}
    board, _ = board_of(cores, memory, where=where)
    assert room(board, Amount(100, 100)) == 0
    assert room(board, Amount(100, 0)) == 78


def test_the_sum_counts_where_it_is_not_known_where_all_tasks_run() -> None:
    known, unknown = {SMALL.name: "aabbcc"}, {SMALL.name: "aabbc"}
    assert room(board_of(SMALL, where=known)[0], WIDE) == 0
    assert room(board_of(SMALL, where=unknown)[0], WIDE) == 1


def test_the_sum_counts_where_more_instances_could_be_started() -> None:
    lane = replace(LANE, instances=4)
    assert not may_scatter(WIDE, lane, {ONE: 6})
    assert may_scatter(WIDE, LANE, {ONE: 6})


def test_what_holds_as_much_as_the_task_leaves_no_scraps() -> None:
    assert not may_scatter(WIDE, LANE, {WIDE: 2, ONE: 0})


def test_instances_with_nothing_on_them_are_whole() -> None:
    holes = holes_in(LANE, board_of(SMALL)[1].in_lane("lane"), on({SMALL.name: "aaabba"}))
    assert holes is not None
    assert holes.holds(Amount(4_000, 1)) == 1


def test_what_has_not_started_has_its_seat_on_the_fullest_instance_with_room() -> None:
    board, _ = board_of(SMALL, starting(2, 2.0))
    assert board.holes(WIDE, 0) == Holes(
        {"a": Amount(1_000, 13_312), "b": Amount(0, 13_312), "c": Amount(3_000, 15_360)}
    )


def test_behind_what_finds_no_instance_there_is_no_room_for_large_tasks() -> None:
    board, _ = board_of(SMALL, starting(2, 4.0))
    assert room(board, Amount(2_000, 1_024)) == 0


def test_what_is_put_there_takes_its_seat_whether_or_not_anybody_has_looked() -> None:
    unseen, seen = board_of(SMALL)[0], board_of(SMALL)[0]
    assert room(seen, WIDE) == 1
    for board in (unseen, seen):
        board.put_all(Amount(2_000, 1_024), {0: 2})
        assert room(board, WIDE) == 0
        assert room(board, ONE) == 2


def test_the_head_fits_when_enough_has_ended() -> None:
    leaks = [
        a_leak(1, a_group(1, tasks=2, runtime_s=50)),
        a_leak(2, a_group(2, tasks=2, runtime_s=80)),
    ]
    found = kept(*leaks, each=Amount(3_000, 1), lane=a_lane(), where={})
    assert found.in_s == 80
    assert found.spare == Holes({"": Amount(mcpu=1_000, mib=16_383)})


def test_the_head_gets_the_instance_that_is_free_first_and_others_fuller_ones() -> None:
    late = replace(SMALL, estimate=a_group(9, runtime_s=900).estimate)
    soon = a_leak(2, a_group(2, tasks=1, runtime_s=50))
    found = kept(late, soon, where={late.name: "aaabbc", soon.name: "b"}, each=Amount(4_000, 1))
    assert found.in_s == 900  # two of them run for as long on each, or longer
    found = kept(late, soon, where={late.name: "aaabbc", soon.name: "b"}, each=Amount(2_000, 1))
    assert found.in_s == 0
    found = kept(late, soon, where={late.name: "aaabbb", soon.name: "c"}, each=Amount(4_000, 1))
    assert found.in_s == 50
    assert found.spare == Holes({"a": Amount(1_000, 13_312), "b": Amount(1_000, 13_312)})


def test_the_scraps_are_kept_for_those_who_go_together() -> None:
    found = kept(SMALL, together=2, each=WIDE)
    assert (found.in_s, found.spare) == (0.0, Holes({}))


def test_a_head_that_fits_nowhere_keeps_no_room() -> None:
    assert kept(SMALL, each=Amount(5_000, 1)).place == -1
