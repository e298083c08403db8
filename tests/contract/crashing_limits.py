"""A change of a limit that is killed with SIGKILL before each of its statements, one after another.

`python -m tests.contract.crashing_limits URL` prints a line for each try: how it ended, the
tenant's weight, and the weight that the audit trail's last entry tells. Forking spares the imports.
"""

from __future__ import annotations

import os
import sys
from itertools import count

from headgate.tenancy import DEFAULT_TIERS, Tenant
from queue_broker.adapters.store.shelf import SqlShelf
from queue_broker.adapters.store.store import SqlStore
from queue_broker.core.limits import Limits
from tests.contract.dying import die_after


def limits_on(store: SqlStore) -> Limits:
    return Limits(store, SqlShelf(store.database), DEFAULT_TIERS, lambda: 0.0)


def change(url: str, statements: int) -> None:
    """Live for so many statements, and change a weight meanwhile."""
    with SqlStore(url) as store:
        die_after(store, statements)
        limits_on(store).set_tenant(Tenant(name="acme", weight=statements + 2), "ada")


def told(url: str) -> str:
    with SqlStore(url) as store:
        weights = [one.weight for one in store.tenants()]
        entries = [one.after["weight"] for one in limits_on(store).changes(1)]
    return f"{weights} {entries}"


def main(url: str) -> None:
    for statements in count():
        child = os.fork()
        if child == 0:
            change(url, statements)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{'killed' if status else 'finished'} {told(url)}\n")
        if status == 0:
            return


if __name__ == "__main__":
    main(sys.argv[1])
