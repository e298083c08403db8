from __future__ import annotations

import pytest

from headgate.errors import InvalidInput
from packer.catalogue_file import Row, allocatable_mib, built_in, read_rows, to_types, write_rows

HEADER = "name,vcpu,memory_mib,gpus,gpu_model,gpu_memory_mib,arch,hypervisor,on_demand_usd_hour\n"


def test_the_built_in_file_names_its_source_and_date_and_can_be_read() -> None:
    text = built_in()
    assert "2026-07-20" in text.splitlines()[0]
    assert "karpenter-provider-aws" in text
    types = {kind.key: kind for kind in to_types(read_rows(text))}
    assert len(types) > 1000
    assert types["g4dn.xlarge"].gpu_model == "T4"
    assert types["c7g.large"].arch == "arm64"
    assert types["m5.large"].price_usd_hour == pytest.approx(0.096)


def test_allocatable_memory_is_below_what_is_known_of_real_instances() -> None:
    # AWS Batch's guide: an m4.large has 7,985 of 8,192 MiB, and the ECS agent keeps 32 of these.
    m4 = Row(name="m4.large", vcpu=2, memory_mib=8192, arch="x86_64", hypervisor="xen")
    assert 7985 - 32 - 20 <= allocatable_mib(m4) <= 7985 - 32
    # Nitro's small types lose most: about 5 % of 8 GiB.
    m5 = m4.model_copy(update={"name": "m5.large", "hypervisor": "nitro"})
    assert 0.92 * 8192 <= allocatable_mib(m5) <= 0.95 * 8192


def test_rows_survive_being_written_and_read() -> None:
    rows = [
        Row(name="b.large", vcpu=2, memory_mib=8192, arch="arm64", on_demand_usd_hour=0.5),
        Row(
            name="a.large",
            vcpu=4,
            memory_mib=9000,
            gpus=1,
            gpu_model="T4",
            gpu_memory_mib=16_384,
            arch="x86_64",
            spot_usd_hour=0.1,
            interruption_per_hour=0.05,
        ),
    ]
    text = write_rows(rows, "from a test, 2026-01-01")
    assert text.startswith("# from a test, 2026-01-01\nname,")
    assert read_rows(text) == rows[::-1]


def test_a_type_is_offered_on_spot_only_with_a_spot_price() -> None:
    row = Row(name="a.large", vcpu=4, memory_mib=9000, arch="x86_64", on_demand_usd_hour=1.0)
    assert [kind.key for kind in to_types([row])] == ["a.large"]
    both = row.model_copy(update={"spot_usd_hour": 0.3, "interruption_per_hour": 0.1})
    on_demand, spot = to_types([both])
    assert (on_demand.key, spot.key) == ("a.large", "a.large:SPOT")
    assert (spot.price_usd_hour, spot.interruption_per_hour) == (0.3, 0.1)


def test_a_type_too_small_for_any_task_is_left_out() -> None:
    assert to_types([Row(name="t.nano", vcpu=1, memory_mib=200, arch="x86_64")]) == ()


def test_every_wrong_field_is_named_with_its_line() -> None:
    lines = "m5.large,none,8192,0,,0,x86_64,nitro,0.1\nm5.xlarge,4,16384,0,,0,mips,nitro,-1\n"
    with pytest.raises(InvalidInput) as caught:
        read_rows("# a comment\n" + HEADER + lines)
    assert [problem.field for problem in caught.value.problems] == [
        "line 2.vcpu",
        "line 3.arch",
        "line 3.on_demand_usd_hour",
    ]
