"""What tasks run without: news of lanes, a queue of events, a log. While it is away nobody waits
for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from headgate.errors import Unavailable

if TYPE_CHECKING:
    from queue_broker.ports import Clock

T = TypeVar("T")
log = logging.getLogger(__name__)

#: After a failure it is left alone for so long: a call to what does not answer takes half a minute.
AGAIN_S = 30.0


@dataclass(slots=True)
class Spare:
    """Asks, and remembers what is wrong. It is told once for as long as it stays."""

    clock: Clock
    problem: str | None = None
    _again_s: float = field(default=float("-inf"))

    def ask(self, read: Callable[[], T], otherwise: T) -> T:
        """What `read` says, or `otherwise` while it cannot be had."""
        if self.clock() < self._again_s:
            return otherwise
        try:
            answer = read()
        except Unavailable as error:
            self._again_s = self.clock() + AGAIN_S
            if str(error) != self.problem:
                log.warning("%s", error, extra={"action": "source_away"})
            self.problem = str(error)
            return otherwise
        self.problem = None
        return answer
