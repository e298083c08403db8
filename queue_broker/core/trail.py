"""The audit trail of the limits: who changed what, when, from what to what. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the audit trail; `before` None: there was nothing."""

    number: int
    at_s: float
    who: str
    what: str
    before: dict[str, Any] | None
    after: dict[str, Any]

    def differences(self) -> list[tuple[str, Any, Any]]:
        """Each field that changed with its values before and after; None: not there, or not set."""
        before, after = dict(leaves(self.before or {})), dict(leaves(self.after))
        names = {**before, **after}
        pairs = ((name, before.get(name), after.get(name)) for name in names)
        return [(name, old, new) for name, old, new in pairs if old != new and name != "name"]


def leaves(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """A document's plain values by their dotted path; rows of a list go by their names."""
    for name, one in value.items():
        if isinstance(one, Mapping):
            yield from leaves(one, f"{path}{name}.")
        elif isinstance(one, Sequence) and not isinstance(one, str):
            for row in one:
                yield from leaves(row, f"{path}{row['name']}.")
        else:
            yield f"{path}{name}", one
