"""Limits that change while the broker runs: tenants, tiers and windows, each change on record.

Every change is checked as a whole before it is kept: no tenant below itself, minimum shares within
the fleet. A change and its entry are kept in one transaction: there is none without the other. The
cycle reads the limits at every pass, so that a change counts from the next one on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from math import inf
from typing import Any, Self

from pydantic import Field, model_validator

from headgate.errors import Conflict, InvalidInput
from headgate.job import Name
from headgate.tenancy import DEFAULT_TIERS, Tenant, Tier
from headgate.validation import parse, refuse
from headgate.value import Value
from queue_broker.core.tenant_tree import Tree
from queue_broker.core.trail import Change
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


#: Somebody else's change in the same moment is looked at anew, so often.
TRIES = 5
#: How old the tiers may be that a submission is checked against.
FRESH_S = 1.0
#: Who changes what the settings say.
SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class Step:
    """One limit as it was (None: not there) and as it shall be, with what is kept of it."""

    what: str
    before: dict[str, Any] | None
    after: dict[str, Any]
    kept: Document | Tenant


@dataclass(slots=True)
class Seen:
    """The limits as they were read last."""

    tiers: Sequence[Tier] = ()
    windows: Windows = field(default_factory=Windows)
    at_s: float = -inf


@dataclass(frozen=True, slots=True)
class Limits:
    """Reads and changes the live limits. `tiers_at_first` are those of the settings; `needed` are
    the names that its queues and defaults lead to, so that no change may take them away."""

    directory: Directory
    shelf: Shelf
    tiers_at_first: Sequence[Tier]
    clock: Clock
    needed: Collection[str] = ()
    seen: Seen = field(default_factory=Seen)

    def tiers(self) -> Sequence[Tier]:
        kept = self.shelf.get(KIND, TIERS)
        return parse(Tiers, kept.body).tiers if kept else self.tiers_at_first

    @property
    def stale(self) -> bool:
        """Whether `lately` would read."""
        return self.clock() - self.seen.at_s >= FRESH_S

    def lately(self) -> Seen:
        """As they were within the last `FRESH_S`: for who asks with every job, or every pass."""
        if self.stale:
            now_s = self.clock()
            self.seen.tiers, self.seen.windows = self.tiers(), self.windows()
            self.seen.at_s = now_s
        return self.seen

    def modes(self) -> dict[str, str]:
        """What the estimates of each tier lean to, the first tier first."""
        ranked = sorted(self.lately().tiers, key=lambda tier: (tier.rank, tier.name))
        return {tier.name: tier.mode for tier in ranked}

    def windows(self) -> Windows:
        kept = self.shelf.get(KIND, WINDOWS)
        return parse(Windows, kept.body) if kept else Windows()

    def file(self) -> LimitsFile:
        return LimitsFile(tiers=tuple(self.tiers()), tenants=tuple(self.directory.tenants()))

    def begin(self, tenants: Sequence[Tenant]) -> None:
        """Take tenants over from the settings, those that say something new there: what was
        changed live since outlives a restart."""
        said = {one.name: one.model_dump(mode="json") for one in tenants}
        kept = self.shelf.get(KIND, SETTINGS)
        before = kept.body if kept else {}
        fresh = [one for one in tenants if before.get(one.name) != said[one.name]]
        if fresh:
            self._change(SETTINGS, lambda: self._tenant_steps(fresh))
        if said != before:
            with suppress(Conflict):  # another broker begins with the same settings
                self.shelf.put(Document(KIND, SETTINGS, said, version=kept.version if kept else 0))

    def set_tenant(self, tenant: Tenant, who: str) -> None:
        """Create or change a tenant; `InvalidInput` where it would be below itself."""
        self._change(who, lambda: self._tenant_steps([tenant]))

    def set_tiers(self, tiers: Sequence[Tier], who: str) -> None:
        """Change the tiers as a whole; one that somebody needs stays."""
        wanted = Tiers(tiers=tuple(tiers))
        self._refuse_to_drop({tier.name for tier in tiers})
        self._change(who, lambda: [self._step(TIERS, Tiers(tiers=tuple(self.tiers())), wanted)])
        self.seen.at_s = -inf

    def set_window(self, lane: str, most_s: float | None, who: str) -> None:
        """Bound a lane's window; None: it adapts freely again."""
        self._change(who, lambda: [self._window_step(lane, most_s)])
        self.seen.at_s = -inf

    def changes(self, limit: int = 100) -> list[Change]:
        """The latest changes, newest first."""
        last = last_number(self.shelf.get(KIND, CHANGES))
        names = [entry_name(number) for number in range(max(1, last - limit + 1), last + 1)]
        found = self.shelf.named(CHANGES, names) if names else []
        return [Change(**one.body) for one in reversed(found)]

    def _change(self, who: str, plan: Callable[[], Sequence[Step]]) -> None:
        """Keep what `plan` makes of the limits as they are, each with its entry: all or nothing.

        The counter is read before the plan looks, and compared when it is set: whoever looked at
        limits that somebody else changes in the same moment, looks again. `Conflict` after that.
        """
        for left in reversed(range(TRIES)):
            counter = self.shelf.get(KIND, CHANGES)
            steps = [step for step in plan() if step.before != step.after]
            try:
                self._keep(steps, who, counter)
            except Conflict:
                if not left:
                    raise
            else:
                return

    def _keep(self, steps: Sequence[Step], who: str, counter: Document | None) -> None:
        if not steps:
            return
        first = last_number(counter) + 1
        entries = [
            Change(number, self.clock(), who, step.what, step.before, step.after)
            for number, step in enumerate(steps, first)
        ]
        version = counter.version if counter else 0
        body = {"last": entries[-1].number}
        self.shelf.put_all(
            [
                Document(KIND, CHANGES, body, version=version),
                *(Document(CHANGES, entry_name(one.number), asdict(one)) for one in entries),
                *(step.kept for step in steps if isinstance(step.kept, Document)),
            ],
            [step.kept for step in steps if isinstance(step.kept, Tenant)],
        )

    def _tenant_steps(self, tenants: Sequence[Tenant]) -> list[Step]:
        known = {one.name: one for one in self.directory.tenants()}
        Tree.of((known | {one.name: one for one in tenants}).values())
        return [
            Step(
                f"tenant {one.name}", dumped(known.get(one.name)), one.model_dump(mode="json"), one
            )
            for one in tenants
        ]

    def _refuse_to_drop(self, kept: Collection[str]) -> None:
        gone = {tier.name for tier in self.tiers()}.difference(kept)
        if needed := sorted(gone.intersection(self.needed)):
            allowed = f"with {', '.join(needed)}, which the settings' queues or defaults name"
            raise InvalidInput.of("tiers", sorted(kept), allowed)
        unfinished = {one.tier for one in self.directory.backlog() if any(one.counts.values())}
        if busy := sorted(gone & unfinished):
            allowed = f"with {', '.join(busy)}, until the jobs there have ended or moved"
            raise InvalidInput.of("tiers", sorted(kept), allowed)

    def _window_step(self, lane: str, most_s: float | None) -> Step:
        before = self.windows()
        others = {name: one for name, one in before.most_s.items() if name != lane}
        bound = {} if most_s is None else {lane: most_s}
        return self._step(WINDOWS, before, Windows(most_s=others | bound))

    def _step(self, name: str, before: Value, after: Value) -> Step:
        kept = self.shelf.get(KIND, name)
        body = after.model_dump(mode="json")
        document = Document(KIND, name, body, version=kept.version if kept else 0)
        return Step(name, before.model_dump(mode="json"), body, document)


def dumped(value: Value | None) -> dict[str, Any] | None:
    return value.model_dump(mode="json") if value else None


def entry_name(number: int) -> str:
    return f"{number:0{WIDTH}d}"


def last_number(counter: Document | None) -> int:
    return int(counter.body["last"]) if counter else 0
