from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, InstanceTypeBackend

from headgate.errors import Unavailable
from packer.catalogue_file import read_rows, to_types, write_rows
from queue_broker.adapters import catalogue
from queue_broker.adapters.catalogue import fetch


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


@pytest.fixture
def two_families(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the 1,400 types that moto knows: it takes ten seconds to tell them all."""
    kept = [one for one in InstanceTypeBackend.instance_types if is_of_two(one)]
    monkeypatch.setattr(InstanceTypeBackend, "instance_types", kept)
    zones = INSTANCE_TYPE_OFFERINGS["availability-zone"]
    kept = [one for one in zones["eu-central-1"] if is_of_two(one)]
    monkeypatch.setitem(zones, "eu-central-1", kept)


def is_of_two(told: dict[str, Any]) -> bool:
    return str(told["InstanceType"]).startswith(("m5.", "g4dn."))


def products(_: Any, region: str) -> Iterator[str]:
    """moto's Pricing knows no products of EC2."""
    assert region == "eu-central-1"
    yield (
        '{"product": {"attributes": {"instanceType": "m5.large"}}, "terms": {"OnDemand": {"a": '
        '{"priceDimensions": {"b": {"unit": "Hrs", "pricePerUnit": {"USD": "0.115"}}}}}}}'
    )


@pytest.mark.usefixtures("aws", "two_families")
def test_what_ec2_describes_becomes_a_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "products", products)
    rows = {row.name: row for row in fetch("eu-central-1")}
    assert rows["m5.large"].vcpu == 2
    assert rows["m5.large"].memory_mib == 8192
    assert rows["m5.large"].on_demand_usd_hour == 0.115
    assert rows["g4dn.xlarge"].gpu_model == "T4"
    text = write_rows(rows.values(), "a test")
    assert "m5.large" in {kind.key for kind in to_types(read_rows(text))}


@pytest.mark.usefixtures("aws")
def test_pricing_is_asked_for_linux_on_shared_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    pricing = boto3.client("pricing", region_name="us-east-1")
    asked: dict[str, Any] = {}

    class Paginator:
        def paginate(self, **wanted: Any) -> list[dict[str, Any]]:
            asked.update(wanted)
            return [{"PriceList": ["one"]}, {"PriceList": ["two"]}]

    monkeypatch.setattr(pricing, "get_paginator", lambda _: Paginator())
    assert list(catalogue.products(pricing, "us-east-1")) == ["one", "two"]
    filters = {one["Field"]: one["Value"] for one in asked["Filters"]}
    assert filters["operatingSystem"] == "Linux"
    assert filters["tenancy"] == "Shared"
    assert filters["regionCode"] == "us-east-1"


@pytest.mark.usefixtures("aws")
def test_aws_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import EndpointConnectionError

    def away(_: Any) -> Iterator[Any]:
        raise EndpointConnectionError(endpoint_url="https://ec2")

    monkeypatch.setattr(catalogue, "described", away)
    with pytest.raises(Unavailable, match="eu-central-1 could not be fetched"):
        fetch("eu-central-1")
