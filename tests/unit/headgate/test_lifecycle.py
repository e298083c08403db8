from __future__ import annotations

import pytest

from headgate.errors import Conflict
from headgate.lifecycle import (
    FINISHED,
    IN_FLIGHT,
    TRANSITIONS,
    WAITING,
    State,
    check_transition,
)


def test_every_state_has_its_row_and_its_class() -> None:
    assert set(TRANSITIONS) == set(State)
    assert set(State) == FINISHED | IN_FLIGHT | WAITING


def test_an_illegal_move_is_refused_with_the_legal_ones() -> None:
    with pytest.raises(Conflict, match="from RUNNABLE to SUCCEEDED; legal: FAILED, STARTING"):
        check_transition(State.RUNNABLE, State.SUCCEEDED)


def test_a_success_is_final() -> None:
    with pytest.raises(Conflict, match="none, it is final"):
        check_transition(State.SUCCEEDED, State.FAILED)


def test_every_state_is_reached_from_submitted() -> None:
    reached, frontier = set(), {State.SUBMITTED}
    while frontier:
        reached |= frontier
        frontier = {new for old in frontier for new in TRANSITIONS[old]} - reached
    assert reached == set(State)
