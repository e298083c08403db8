"""What was found out before, kept for the next who asks."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memory(Generic[K, V]):
    """At most `most` answers by what they answer; one more, and all are forgotten.

    Safe to share among threads. What is kept must not change, or be told apart by who reads it.
    """

    def __init__(self, most: int) -> None:
        self._told: dict[K, V] = {}
        self._most = most

    def known(self, asked: Iterable[K]) -> dict[K, V]:
        told = self._told  # nothing is ever taken out of one
        return {key: told[key] for key in asked if key in told}

    def keep(self, told: Mapping[K, V]) -> None:
        if len(self._told) + len(told) > self._most:
            self._told = {}  # a new one, since others may read the old
        self._told.update(told)
