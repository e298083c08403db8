"""The page of the limits as values: tenants as a tree, tiers, windows, and who changed what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headgate.tenancy import Tenant, Tier
from queue_broker.core.limits import Limits
from queue_broker.core.steering import Steering, may_set_shared
from queue_broker.core.submit import Caller
from queue_broker.core.tenant_tree import Tree
from queue_broker.core.trail import Change
from queue_broker.dashboard import forms
from queue_broker.dashboard.board import Board
from queue_broker.dashboard.forms import Filled
from queue_broker.records import Lane

#: Rows that a page carries; the command line has them all.
MOST_TENANTS, MOST_CHANGES = 200, 50


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant in the tree. `share` is its weight's part of its siblings'."""

    tenant: Tenant
    short: str
    depth: int
    share: float
    may_change: bool


@dataclass(frozen=True, slots=True)
class LaneRow:
    """A lane with the bound of its window, if somebody set one; `lane` None: it is not there."""

    name: str
    lane: Lane | None
    form: Filled


@dataclass(frozen=True, slots=True)
class LimitsPage:
    """All that the page says. `tenant_form` None: the caller may not change that tenant."""

    now_s: float
    tenants: Sequence[TenantRow]
    tenants_left: int
    tiers: Sequence[Tier]
    tiers_form: Filled
    lanes: Sequence[LaneRow]
    changes: Sequence[Change]
    caller: Caller
    tenant_form: Filled | None
    chosen: str  #: the tenant that the form changes; "" for a new one
    saved: bool = False
    refused: bool = False

    @property
    def may_set_shared(self) -> bool:
        return may_set_shared(self.caller)

    @property
    def seen(self) -> int:
        """The last change that the page tells of."""
        return self.changes[0].number if self.changes else 0

    @property
    def rows(self) -> range:
        """Of the tiers' form: those that are there or were filled in, and one to add."""
        known = [int(row[1]) for name in self.tiers_form.values if (row := forms.ROW.match(name))]
        return range(max(known, default=-1) + 2)


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the page is asked for: by whom, with which tenant or filled form."""

    caller: Caller
    chosen: str = ""
    form: Filled | None = None
    saved: bool = False


def read(board: Board, steering: Steering, asked: Asked) -> LimitsPage:
    """Ask the limits, each question once."""
    limits = steering.limits
    changes = limits.changes(MOST_CHANGES)  # first: what is read later is no older than it
    tenants, tiers = limits.directory.tenants(), limits.tiers()
    rows = tree_rows(tenants, asked.caller)
    kind = asked.form.kind if asked.form else ""
    return LimitsPage(
        now_s=board.clock(),
        tenants=rows[:MOST_TENANTS],
        tenants_left=max(0, len(rows) - MOST_TENANTS),
        tiers=tiers,
        tiers_form=asked.form if asked.form and kind == "tiers" else forms.of_tiers(ranked(tiers)),
        lanes=lane_rows(board.insights.engine.lanes(), limits, asked.form),
        changes=changes,
        caller=asked.caller,
        tenant_form=asked.form if kind == "tenant" else tenant_form(rows, asked),
        chosen=asked.chosen,
        saved=asked.saved,
        refused=asked.form is not None,
    )


def ranked(tiers: Iterable[Tier]) -> list[Tier]:
    return sorted(tiers, key=lambda tier: (tier.rank, tier.name))


def tenant_form(rows: Sequence[TenantRow], asked: Asked) -> Filled | None:
    """Of the tenant that was chosen, else of a new one, which a token's stands below its own."""
    for row in rows:
        if row.tenant.name == asked.chosen:
            return forms.of_tenant(row.tenant) if row.may_change else None
    fresh = {"weight": "1", "borrow": "on", "parent": asked.caller.tenant or ""}
    return Filled("tenant", fresh | {"name": asked.chosen})


def tree_rows(tenants: Sequence[Tenant], caller: Caller) -> list[TenantRow]:
    """Depth first, siblings by name; also those that are only named as somebody's parent."""
    known = {one.name: one for one in tenants}
    tree = Tree(known)
    ends = ((path, end) for path in map(tree.path, known) for end in range(len(path)))
    paths = {path[: end + 1] for path, end in ends}
    weights: dict[tuple[str, ...], float] = {}
    for path in paths:
        weights[path[:-1]] = weights.get(path[:-1], 0.0) + of(known, path).weight
    return [
        TenantRow(
            tenant=of(known, path),
            short=short(path),
            depth=len(path) - 1,
            share=of(known, path).weight / weights[path[:-1]],
            may_change=caller.tenant is None or caller.tenant in path[:-1],
        )
        for path in sorted(paths)
    ]


def of(known: Mapping[str, Tenant], path: tuple[str, ...]) -> Tenant:
    return known.get(path[-1]) or Tenant(name=path[-1])


def short(path: tuple[str, ...]) -> str:
    """The name without its parent's, where it begins with it."""
    return path[-1].removeprefix(f"{path[-2]}/") if len(path) > 1 else path[-1]


def lane_rows(lanes: Sequence[Lane], limits: Limits, form: Filled | None) -> list[LaneRow]:
    """The lanes there are, then those that only have a bound."""
    bounds, known = limits.windows().most_s, {lane.name: lane for lane in lanes}
    names = [*sorted(known), *sorted(bounds.keys() - known.keys())]
    return [LaneRow(name, known.get(name), lane_form(name, bounds, form)) for name in names]


def lane_form(name: str, bounds: Mapping[str, float], form: Filled | None) -> Filled:
    kind = f"window:{name}"
    if form is not None and form.kind == kind:
        return form
    return Filled(kind, {"most_s": forms.shown(bounds.get(name))})
