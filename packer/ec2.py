"""What the EC2 and Pricing APIs answer, as rows of the catalogue. Pure; an adapter asks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from packer.catalogue_file import Row

#: EC2's words for architectures, and ours.
ARCHES = {"x86_64": "x86_64", "arm64": "arm64"}


def to_rows(
    described: Iterable[Mapping[str, Any]],
    price_list: Iterable[str | Mapping[str, Any]],
    spot_history: Iterable[Mapping[str, Any]],
) -> list[Row]:
    """Rows by name: `described` from DescribeInstanceTypes, `price_list` from Pricing's GetProducts
    (Linux, shared tenancy), `spot_history` from DescribeSpotPriceHistory, of which the newest
    counts.

    Types of other architectures are left out. A type without a price stays, and is never started.
    """
    on_demand, spot = dict(on_demand_prices(price_list)), newest_spot(spot_history)
    rows = (to_row(one, on_demand, spot) for one in described)
    return sorted((row for row in rows if row), key=lambda row: row.name)


def to_row(
    one: Mapping[str, Any], on_demand: Mapping[str, float], spot: Mapping[str, float]
) -> Row | None:
    found = one.get("ProcessorInfo", {}).get("SupportedArchitectures", ())
    arch = next((ARCHES[name] for name in found if name in ARCHES), None)
    if arch is None:
        return None
    gpu = first(one.get("GpuInfo", {}).get("Gpus", ()))
    hypervisor = one.get("Hypervisor")
    name = str(one["InstanceType"])
    return Row.model_validate(
        {
            "name": name,
            "vcpu": one["VCpuInfo"]["DefaultVCpus"],
            "memory_mib": one["MemoryInfo"]["SizeInMiB"],
            "gpus": int(gpu.get("Count", 0)),
            "gpu_model": str(gpu["Name"]).upper() if gpu else None,
            "gpu_memory_mib": gpu.get("MemoryInfo", {}).get("SizeInMiB", 0),
            "arch": arch,
            "hypervisor": hypervisor if hypervisor in ("nitro", "xen") else None,
            "on_demand_usd_hour": on_demand.get(name),
            "spot_usd_hour": spot.get(name),
        }
    )


def first(gpus: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return gpus[0] if gpus else {}


def on_demand_prices(
    price_list: Iterable[str | Mapping[str, Any]],
) -> Iterator[tuple[str, float]]:
    """Type and USD an hour of each product that has such a price; Pricing gives JSON texts."""
    for entry in price_list:
        product = json.loads(entry) if isinstance(entry, str) else entry
        name = product.get("product", {}).get("attributes", {}).get("instanceType")
        for term in product.get("terms", {}).get("OnDemand", {}).values():
            for dimension in term.get("priceDimensions", {}).values():
                usd = float(dimension.get("pricePerUnit", {}).get("USD", 0))
                if name and usd > 0 and dimension.get("unit") == "Hrs":
                    yield str(name), usd


def newest_spot(history: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The newest Spot price of each type, the dearest zone's where several are as new: a lane spans
    zones, and the plan should not count on the luckiest."""
    newest: dict[str, tuple[Any, float]] = {}
    for one in history:
        name, offer = str(one["InstanceType"]), (one["Timestamp"], float(one["SpotPrice"]))
        newest[name] = max(newest.get(name, offer), offer)
    return {name: price for name, (_, price) in newest.items()}
