"""Tenants as a tree: organisation > team > user. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from headgate.errors import InvalidInput
from headgate.tenancy import Tenant


@dataclass(slots=True)
class Tree:
    """Who stands below whom. Tenants that were never set have weight 1 and no limits."""

    known: Mapping[str, Tenant] = field(default_factory=dict)
    _paths: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, tenants: Iterable[Tenant]) -> Tree:
        """The tree of these tenants; `InvalidInput` names a tenant that is its own ancestor."""
        tree = cls({tenant.name: tenant for tenant in tenants})
        for name in tree.known:
            tree.path(name)
        return tree

    def path(self, name: str) -> tuple[str, ...]:
        """From the organisation down to the tenant itself."""
        found = self._paths.get(name)
        if found is None:
            found = self._paths[name] = self._climb(name)
        return found

    def is_below(self, name: str, above: str) -> bool:
        """Whether a tenant stands somewhere below another."""
        return above in self.path(name)[:-1]

    def _climb(self, name: str) -> tuple[str, ...]:
        path = [name]
        while (parent := self._parent(path[-1])) is not None:
            if parent in path:
                loop = " > ".join([parent, *reversed(path)])
                raise InvalidInput.of(
                    "tenants.parent", loop, "a tree, in which nobody is below itself"
                )
            path.append(parent)
        return tuple(reversed(path))

    def _parent(self, name: str) -> str | None:
        found = self.known.get(name)
        if found is not None and found.parent is not None:
            return found.parent
        above, slash, _ = name.rpartition("/")
        return above if slash and above else None
