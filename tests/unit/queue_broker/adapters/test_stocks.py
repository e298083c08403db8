"""How much there is of consumable resources, by AWS's word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate.errors import UpstreamRefused
from queue_broker.adapters.stocks import FRESH_S, BatchStocks
from queue_broker.core.consumables import Stock


class Aws:
    """Tells of what it has, and counts how often it is asked."""

    def __init__(self) -> None:
        self.has: dict[str, dict[str, Any]] = {
            "licence": {
                "resourceType": "REPLENISHABLE",
                "totalQuantity": 4,
                "availableQuantity": 1,
            },
            "token": {
                "resourceType": "NON_REPLENISHABLE",
                "totalQuantity": 9,
                "availableQuantity": 7,
            },
        }
        self.asked = 0

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        assert operation == "DescribeConsumableResource"
        self.asked += 1
        if parameters["consumableResource"] not in self.has:
            raise UpstreamRefused("no such resource")
        return self.has[parameters["consumableResource"]]


class Scene:
    def __init__(self) -> None:
        self.now_s, self.aws = 1_000.0, Aws()
        self.stocks = BatchStocks(self.aws, lambda: self.now_s)


def test_in_all_of_what_is_given_back_and_else_what_is_left() -> None:
    found = Scene().stocks({"licence", "token"})
    assert found == {"licence": Stock(4), "token": Stock(7, returns=False)}


def test_aws_is_asked_once_in_half_a_minute() -> None:
    scene = Scene()
    for passed_s in (0.0, 1.0, FRESH_S - 2):
        scene.now_s += passed_s
        scene.stocks({"licence"})
    assert scene.aws.asked == 1
    scene.now_s += 1
    scene.stocks({"licence"})
    assert scene.aws.asked == 2


def test_what_aws_does_not_say_is_not_counted_and_what_it_said_before_stays() -> None:
    scene = Scene()
    assert scene.stocks({"nothing", "licence"}) == {"licence": Stock(4)}
    scene.aws.has.clear()
    scene.now_s += FRESH_S
    assert scene.stocks({"licence"}) == {"licence": Stock(4)}
