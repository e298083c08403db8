"""What was read within the last second: every submission asks for its queue and its definition.

What this process changes is seen at once (`forget`), what another replica changes a second later.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from queue_broker.ports import Clock

T = TypeVar("T")

REMEMBER_S = 1.0
#: Answers kept; they are all forgotten when there are more.
MOST = 1_000


@dataclass(slots=True)
class Recent:
    """Remembers answers for a second; nobody may change them. Safe to share among threads."""

    clock: Clock
    _kept: dict[Hashable, tuple[float, Any]] = field(default_factory=dict, init=False)

    def ask(self, read: Callable[..., T], *asked: Hashable) -> T:
        """The answer of `read(*asked)`, at most a second old."""
        now_s, kept, key = self.clock(), self._kept, (read, *asked)
        at_s, found = kept.get(key, (float("-inf"), None))
        if now_s - at_s > REMEMBER_S:
            found = read(*asked)
            if len(kept) >= MOST:
                kept.clear()
            kept[key] = (now_s, found)
        answer: T = found
        return answer

    def forget(self) -> None:
        """Something was changed here."""
        self._kept = {}  # a new one: a reader that began before must not bring the old back
