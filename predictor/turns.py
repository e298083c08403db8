"""Who has the predictor for long lets others have it in between: work in many short turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

T = TypeVar("T")

#: Entered around what reads or changes histories; a lock, where the predictor is shared.
Turn = AbstractContextManager[Any]
#: Of who has no others beside it.
ALONE: Turn = nullcontext()
#: Attempts that are learnt in one go: some tens of ms, which is what others may have to wait.
A_TURN = 100


def in_turns(many: Sequence[T], do: Callable[[T], None], turn: Turn) -> None:
    """Do it with each, some within one turn."""
    for start in range(0, len(many), A_TURN):
        with turn:
            for one in many[start : start + A_TURN]:
                do(one)
