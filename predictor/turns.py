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
#: Attempts in one go whose words are looked up or noted, and whose families learn from them: some
#: tens of ms, which is what others may have to wait. To look at a family's ways anew takes several.
NOTED, LEARNT = 100, 1


def in_turns(many: Sequence[T], do: Callable[[T], None], turn: Turn, at_once: int) -> None:
    """Do it with each, so many within one turn."""
    for start in range(0, len(many), at_once):
        with turn:
            for one in many[start : start + at_once]:
                do(one)
