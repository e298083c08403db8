"""The room that is kept for the head of the queue: where and when it will fit first. Pure.

EASY backfilling (Lifka, 1995): others go ahead of the head as long as they do not delay it.
"""

from __future__ import annotations

from dataclasses import dataclass

from queue_broker.core.amounts import Amount
from queue_broker.core.capacity import Board
from queue_broker.core.ledger import Ledger
from queue_broker.core.yard import Ints


@dataclass(frozen=True, slots=True)
class Reservation:
    """The room kept for the head of the queue: where, from when, and what it will not need then."""

    place: int
    in_s: float
    spare: Amount


def reserve(
    need: Amount, places: Ints, board: Board, ledger: Ledger, now_s: float
) -> Reservation | None:
    """Where and when the head of the queue will fit first (EASY backfilling, Lifka 1995)."""
    found = [
        option
        for place in map(int, places)
        if board.open[place]
        and not board.blocks.refuses(need, place)
        and (option := reserve_in(need, place, board, ledger, now_s)) is not None
    ]
    return min(found, key=lambda option: (option.in_s, option.place), default=None)


def reserve_in(
    need: Amount, place: int, board: Board, ledger: Ledger, now_s: float
) -> Reservation | None:
    """The lane's first moment with room for the head, as the predicted ends come."""
    free, in_s = board.free(place), 0.0
    entries = ledger.in_lane(board.yard.lanes[place].name)
    left_s = ledger.remaining_s
    for end_s, _, entry in sorted([(left_s(e.leak, now_s), e.leak.leak_id, e) for e in entries]):
        if need.within(free):
            break
        free, in_s = free.plus(entry.bare, entry.open), end_s
    return Reservation(place, in_s, free.plus(need, -1)) if need.within(free) else None
