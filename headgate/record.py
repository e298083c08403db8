"""Records that are made by the million."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

__all__ = ["record"]

if TYPE_CHECKING:
    #: What a frozen dataclass is to the type checker, which refuses whoever assigns to a field.
    from dataclasses import dataclass as record
else:
    T = TypeVar("T")

    def record(*, frozen: bool, slots: bool) -> Callable[[type[T]], type[T]]:
        """The same dataclass, equal and hashable alike, that does not refuse at run time as well:
        to set its fields past that refusal takes a frozen one five times as long to make."""
        return dataclass(slots=slots, unsafe_hash=frozen)
