"""Asks EC2 and Pricing for the catalogue's facts; `packer.ec2` makes rows of what they answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from headgate.errors import Unavailable
from packer.catalogue_file import Row
from packer.ec2 import to_rows

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_pricing import PricingClient

#: Pricing answers in a few Regions only, for all of them.
PRICING_REGION = "us-east-1"


def fetch(region: str, now: datetime | None = None) -> list[Row]:
    """The Region's types with their prices of today; `Unavailable` where AWS does not answer."""
    try:
        ec2 = boto3.client("ec2", region_name=region)
        pricing = boto3.client("pricing", region_name=PRICING_REGION)
        return to_rows(
            described(ec2), products(pricing, region), spot(ec2, now or datetime.now(UTC))
        )
    except (BotoCoreError, ClientError) as error:
        raise Unavailable(f"the catalogue of {region} could not be fetched: {error}") from error


def described(ec2: EC2Client) -> Iterator[Any]:
    for page in ec2.get_paginator("describe_instance_types").paginate():
        yield from page["InstanceTypes"]


def products(pricing: PricingClient, region: str) -> Iterator[str]:
    """Linux on shared hardware, without software licences or reserved capacity."""
    wanted = {
        "regionCode": region,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
    }
    pages = pricing.get_paginator("get_products").paginate(
        ServiceCode="AmazonEC2",
        Filters=[
            {"Type": "TERM_MATCH", "Field": field, "Value": value}
            for field, value in wanted.items()
        ],
    )
    for page in pages:
        yield from page["PriceList"]


def spot(ec2: EC2Client, now: datetime) -> Iterator[Any]:
    """Today's Spot prices: from a start of now on, EC2 gives the price in force."""
    pages = ec2.get_paginator("describe_spot_price_history").paginate(
        StartTime=now, ProductDescriptions=["Linux/UNIX"]
    )
    for page in pages:
        yield from page["SpotPriceHistory"]
