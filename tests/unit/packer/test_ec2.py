from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from packer.ec2 import newest_spot, to_rows


def described(name: str, **more: Any) -> dict[str, Any]:
    return {
        "InstanceType": name,
        "VCpuInfo": {"DefaultVCpus": 4},
        "MemoryInfo": {"SizeInMiB": 16_384},
        "ProcessorInfo": {"SupportedArchitectures": ["i386", "x86_64"]},
        "Hypervisor": "nitro",
    } | more


def product(name: str, usd: str, unit: str = "Hrs") -> str:
    dimension = {"unit": unit, "pricePerUnit": {"USD": usd}}
    terms = {"OnDemand": {"x": {"priceDimensions": {"y": dimension}}}}
    return json.dumps({"product": {"attributes": {"instanceType": name}}, "terms": terms})


def test_answers_become_rows() -> None:
    gpu = {"Gpus": [{"Name": "T4", "Count": 1, "MemoryInfo": {"SizeInMiB": 16_384}}]}
    spot = [
        {
            "InstanceType": "g4dn.xlarge",
            "SpotPrice": "0.2",
            "Timestamp": datetime(2026, 1, 1, tzinfo=UTC),
        }
    ]
    prices = [product("g4dn.xlarge", "0.526"), product("g4dn.xlarge", "0", "Quantity")]
    (row,) = to_rows([described("g4dn.xlarge", GpuInfo=gpu)], prices, spot)
    assert (row.vcpu, row.memory_mib, row.gpus, row.gpu_model) == (4, 16_384, 1, "T4")
    assert (row.gpu_memory_mib, row.on_demand_usd_hour, row.spot_usd_hour) == (16_384, 0.526, 0.2)


def test_a_type_without_a_price_stays_and_one_for_macs_does_not() -> None:
    mac = described("mac2.metal", ProcessorInfo={"SupportedArchitectures": ["arm64_mac"]})
    (row,) = to_rows([described("new.large"), mac], [], [])
    assert (row.name, row.on_demand_usd_hour, row.spot_usd_hour) == ("new.large", None, None)


def test_the_newest_spot_price_counts_and_of_these_the_dearest_zone() -> None:
    def offer(day: int, price: str) -> dict[str, Any]:
        return {
            "InstanceType": "m",
            "SpotPrice": price,
            "Timestamp": datetime(2026, 1, day, tzinfo=UTC),
        }

    assert newest_spot([offer(2, "0.2"), offer(2, "0.3"), offer(1, "0.9")]) == {"m": 0.3}
