"""How much there is of consumable resources: on the broker's own shelf, or with AWS Batch."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate.errors import UpstreamRefused
from queue_broker.core.consumables import KIND, REPLENISHABLE, Stock, Stocks
from queue_broker.ports import Clock, Shelf, Upstream

log = logging.getLogger(__name__)

#: AWS tells what is in use half a minute late.
FRESH_S = 30.0


@dataclass(frozen=True, slots=True)
class ShelfStocks:
    """Those that clients made here; of what nobody made there is nothing."""

    shelf: Shelf

    def __call__(self, names: Collection[str]) -> Stocks:
        kept = {one.name: one.body["totalQuantity"] for one in self.shelf.named(KIND, list(names))}
        return {name: Stock(kept.get(name, 0)) for name in names}


@dataclass(slots=True)
class BatchStocks:
    """AWS's. What it does not say bounds nothing here: Batch itself has the job wait then."""

    upstream: Upstream
    clock: Clock
    _known: dict[str, tuple[float, Stock | None]] = field(default_factory=dict)

    def __call__(self, names: Collection[str]) -> Stocks:
        found = {name: self._of(name) for name in sorted(names)}
        return {name: stock for name, stock in found.items() if stock is not None}

    def _of(self, name: str) -> Stock | None:
        asked_s, stock = self._known.get(name, (float("-inf"), None))
        if self.clock() - asked_s >= FRESH_S:
            stock = self._ask(name, stock)
            self._known[name] = (self.clock(), stock)
        return stock

    def _ask(self, name: str, known: Stock | None) -> Stock | None:
        try:
            return to_stock(self.upstream.call(DESCRIBE, {"consumableResource": name}))
        except UpstreamRefused as error:
            words = "consumable resource %s is not counted: %s"
            log.warning(words, name, error, extra={"action": "not_counted"})
            return known


DESCRIBE = "DescribeConsumableResource"


def to_stock(told: Mapping[str, Any]) -> Stock:
    """What of it is spent for good is counted by AWS alone."""
    if told.get("resourceType", REPLENISHABLE) == REPLENISHABLE:
        return Stock(int(told["totalQuantity"]))
    return Stock(int(told["availableQuantity"]), returns=False)
