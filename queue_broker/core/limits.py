"""Limits that change while the broker runs: tenants, tiers and windows, each change on record.

Every change is checked as a whole before it is kept: no tenant below itself, minimum shares within
the fleet. The cycle reads the limits at every pass, so that a change counts from the next one on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import Field, model_validator

from headgate.job import Name
from headgate.tenancy import DEFAULT_TIERS, Tenant, Tier
from headgate.validation import parse, refuse
from headgate.value import Value
from queue_broker.core.tenant_tree import Tree
from queue_broker.ports import Clock, Directory, Shelf
from queue_broker.records import Document

KIND = "limits"
CHANGES = "limits-changes"
TIERS, WINDOWS = "tiers", "windows"
#: Changes are numbered, newest last; names sort as text, so that the number has a fixed width.
WIDTH = 12


class Tiers(Value):
    """All tiers together, since their minimum shares are of one fleet."""

    tiers: tuple[Tier, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [tier.name for tier in self.tiers]
        if len(set(names)) < len(names):
            refuse("tiers", names, "each name once")
        shares = [tier.min_share for tier in self.tiers]
        if sum(shares) > 1 + 1e-9:
            refuse("tiers", shares, "min_share adding up to <= 1")
        return self


class LimitsFile(Tiers):
    """What is exported, and compared by `headgate what-if`."""

    tiers: tuple[Tier, ...] = DEFAULT_TIERS
    tenants: tuple[Tenant, ...] = ()

    @model_validator(mode="after")
    def _is_a_tree(self) -> Self:
        Tree.of(self.tenants)
        return self


class Windows(Value):
    """The most predicted seconds that may wait in a lane, by lane; others adapt freely."""

    most_s: dict[Name, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_positive(self) -> Self:
        for lane, most_s in self.most_s.items():
            if not 0 < most_s < float("inf"):
                refuse(f"most_s.{lane}", most_s, "more than 0 seconds")
        return self


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the audit trail; `before` None: there was nothing."""

    number: int
    at_s: float
    who: str
    what: str
    before: dict[str, Any] | None
    after: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """Reads and changes the live limits. `tiers_at_first` are those of the settings."""

    directory: Directory
    shelf: Shelf
    tiers_at_first: Sequence[Tier]
    clock: Clock

    def tiers(self) -> Sequence[Tier]:
        kept = self.shelf.get(KIND, TIERS)
        return parse(Tiers, kept.body).tiers if kept else self.tiers_at_first

    def windows(self) -> Windows:
        kept = self.shelf.get(KIND, WINDOWS)
        return parse(Windows, kept.body) if kept else Windows()

    def file(self) -> LimitsFile:
        return LimitsFile(tiers=tuple(self.tiers()), tenants=tuple(self.directory.tenants()))

    def set_tenant(self, tenant: Tenant, who: str) -> None:
        """Create or change a tenant; `InvalidInput` where it would be below itself."""
        known = {one.name: one for one in self.directory.tenants()}
        Tree.of((known | {tenant.name: tenant}).values())
        before = known.get(tenant.name)
        self.directory.put_tenant(tenant)
        old = before.model_dump(mode="json") if before else None
        self._note(who, f"tenant {tenant.name}", old, tenant.model_dump(mode="json"))

    def set_tiers(self, tiers: Sequence[Tier], who: str) -> None:
        """Change the tiers as a whole; `Conflict` where somebody else just did."""
        self._keep(TIERS, Tiers(tiers=tuple(tiers)), who)

    def set_window(self, lane: str, most_s: float, who: str) -> None:
        """Bound a lane's window."""
        self._keep(WINDOWS, Windows(most_s=self.windows().most_s | {lane: most_s}), who)

    def changes(self, limit: int = 100) -> list[Change]:
        """The latest changes, newest first."""
        last = self._last()
        names = [f"{number:0{WIDTH}d}" for number in range(max(1, last - limit + 1), last + 1)]
        found = self.shelf.named(CHANGES, names) if names else []
        return [Change(**one.body) for one in reversed(found)]

    def _keep(self, name: str, value: Value, who: str) -> None:
        kept = self.shelf.get(KIND, name)
        body = value.model_dump(mode="json")
        version = kept.version if kept else 0
        self.shelf.put(Document(KIND, name, body, version=version))
        self._note(who, name, kept.body if kept else None, body)

    def _note(
        self, who: str, what: str, before: dict[str, Any] | None, after: dict[str, Any]
    ) -> None:
        """Append to the trail. The number is taken by compare-and-set, so none is lost."""
        counter = self.shelf.get(KIND, CHANGES)
        version = counter.version if counter else 0
        number = self._last() + 1
        self.shelf.put(Document(KIND, CHANGES, {"last": number}, version=version))
        change = {"number": number, "at_s": self.clock(), "who": who, "what": what}
        body = change | {"before": before, "after": after}
        self.shelf.put(Document(CHANGES, f"{number:0{WIDTH}d}", body))

    def _last(self) -> int:
        counter = self.shelf.get(KIND, CHANGES)
        return int(counter.body["last"]) if counter else 0
