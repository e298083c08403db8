"""Who may change which limit: the same for the API and the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headgate.errors import Forbidden
from headgate.tenancy import Tenant, Tier
from queue_broker.core.limits import Limits
from queue_broker.core.submit import Caller
from queue_broker.core.tenant_tree import Tree


@dataclass(frozen=True, slots=True)
class Steering:
    """Changes limits for whoever may, and has the next pass begin. `Forbidden` for the others."""

    limits: Limits
    changed: Callable[[], None]  #: a limit is another one now

    def set_tenant(self, tenant: Tenant, caller: Caller) -> None:
        """Create or change a tenant. A token may change the tenants below its own."""
        if not self.may_set(tenant, caller):
            raise Forbidden(f"tenant {caller.tenant!r} may change the tenants below it alone")
        self.limits.set_tenant(tenant, who(caller))
        self.changed()

    def set_tiers(self, tiers: Sequence[Tier], caller: Caller) -> None:
        only_where_open(caller)
        self.limits.set_tiers(tiers, who(caller))
        self.changed()

    def set_window(self, lane: str, most_s: float | None, caller: Caller) -> None:
        only_where_open(caller)
        self.limits.set_window(lane, most_s, who(caller))
        self.changed()

    def may_set(self, tenant: Tenant, caller: Caller) -> bool:
        """A tenant does not raise its own weight: it steers those below it, then as now."""
        if caller.tenant is None:
            return True
        known = {one.name: one for one in self.limits.directory.tenants()}
        trees = [Tree(known | {tenant.name: tenant})]
        if tenant.name in known:
            trees.append(Tree(known))
        return all(tree.is_below(tenant.name, caller.tenant) for tree in trees)


def who(caller: Caller) -> str:
    return caller.tenant or "anyone"


def may_set_shared(caller: Caller) -> bool:
    """Tiers and windows are everybody's; no tenant's token decides on them."""
    return caller.tenant is None


def only_where_open(caller: Caller) -> None:
    if not may_set_shared(caller):
        raise Forbidden("no tenant may change this; `headgate tenants` on the broker's host can")
