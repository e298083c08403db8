"""Events that wait until the store has them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import islice

from queue_broker.events import Ended, Event

Key = tuple[str, int, type[Event]]


class Outbox:
    """Oldest first; the same events again and again until they are acknowledged. Thread-safe.

    `on_end` is called, from any thread, when a task has ended: there is room for another.
    """

    def __init__(self) -> None:
        self.on_end: Callable[[], None] | None = None
        self._events: dict[Key, Event] = {}
        self._lock = threading.Lock()

    def put(self, event: Event) -> None:
        """An event that is still here is not put again."""
        with self._lock:
            self._events.setdefault(key(event), event)
        if self.on_end is not None and isinstance(event, Ended):
            self.on_end()

    def poll(self, limit: int) -> list[Event]:
        with self._lock:
            return list(islice(self._events.values(), limit))

    def acknowledge(self, events: Sequence[Event]) -> None:
        with self._lock:
            for event in events:
                self._events.pop(key(event), None)


def key(event: Event) -> Key:
    return event.leak, event.task, type(event)
