"""Work that takes longer than a pass of the cycle may, in a thread beside it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")

#: Results that nobody has asked for again; the oldest gives way.
MOST_KEPT = 4


@dataclass(slots=True)
class Work(Generic[T]):
    """One piece of work, and what came of it once its thread is done."""

    key: Hashable
    do: Callable[[], T]
    result: T | None = None
    error: Exception | None = None
    over: bool = False

    def run(self) -> None:
        try:
            self.result = self.do()
        except Exception as error:  # raised where it is asked for
            self.error = error
        self.over = True


@dataclass(slots=True)
class Aside(Generic[T]):
    """One piece of work at a time; whoever wants it asks again, by its key, until it is there.

    For one asking thread. A process that dies loses the work, and does it again.
    """

    work: Work[T] | None = None
    done: dict[Hashable, Work[T]] = field(default_factory=dict)

    def ask(self, key: Hashable, do: Callable[[], T]) -> T | None:
        """The result of `do`, or None as long as it is not there. Raises what `do` raised."""
        if self.work is not None and self.work.over:
            self.done[self.work.key], self.work = self.work, None
        if key in self.done:
            found = self.done.pop(key)
            if found.error is not None:
                raise found.error
            return found.result
        if self.work is None:
            self.work = Work(key, do)
            Thread(target=self.work.run, name="aside", daemon=True).start()
        while len(self.done) > MOST_KEPT:
            del self.done[next(iter(self.done))]
        return None
