"""The accounts of both cgroup versions, on folders made to look like theirs."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from headgate.resources import Resources
from queue_broker.adapters.engines.local.cgroup import V1, V2, Cgroup, Cgroups, find
from queue_broker.adapters.engines.local.machine import core_limit, memory_limit
from queue_broker.adapters.engines.local.tree import MIB


def put(folder: Path, **files: object) -> None:
    """Files by their names, dots as double underscores."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def v2(
    folder: Path,
    *,
    current: int,
    peak: int,
    anon: int,
    file: int,
    shmem: int = 0,
    mapped: int = 0,
) -> Cgroup:
    put(
        folder,
        memory__current=current * MIB,
        memory__peak=peak * MIB,
        memory__stat=f"anon {anon * MIB}\nfile {file * MIB}\nshmem {shmem * MIB}"
        f"\nfile_mapped {mapped * MIB}",
        memory__events="oom 0\noom_kill 0",
        cpu__stat="usage_usec 1500000",
    )
    return Cgroup(V2, (folder,))


def test_what_is_needed_is_anonymous_and_shared_memory_not_the_cache(tmp_path: Path) -> None:
    group = v2(tmp_path, current=900, peak=900, anon=100, file=790, shmem=10)

    assert group.sample().peak_memory_mib == 120  # the peak less the cache: kernel memory counts


def test_programs_and_libraries_are_needed_too(tmp_path: Path) -> None:
    group = v2(tmp_path, current=420, peak=420, anon=120, file=300, mapped=80)

    assert group.sample().peak_memory_mib == 200


def test_shared_memory_that_is_mapped_counts_once(tmp_path: Path) -> None:
    group = v2(tmp_path, current=300, peak=300, anon=100, file=200, shmem=150, mapped=150)

    assert group.sample().peak_memory_mib == 250


def test_of_a_mapped_data_set_the_task_does_not_seem_to_need_all(tmp_path: Path) -> None:
    group = v2(tmp_path, current=9100, peak=9100, anon=100, file=9000, mapped=9000)

    assert group.sample().peak_memory_mib == 612


def test_a_peak_between_two_looks_counts_as_far_as_the_cache_does_not_explain_it(
    tmp_path: Path,
) -> None:
    group = v2(tmp_path, current=100, peak=100, anon=100, file=0)
    group.sample()
    v2(tmp_path, current=60, peak=500, anon=10, file=50)

    assert group.sample().peak_memory_mib == 450


def test_what_is_written_after_the_peak_was_not_there_at_the_peak(tmp_path: Path) -> None:
    group = v2(tmp_path, current=500, peak=500, anon=450, file=50)
    group.sample()
    v2(tmp_path, current=410, peak=500, anon=10, file=400)

    assert group.sample().peak_memory_mib == 450


def test_a_scratch_file_is_not_needed_when_it_is_gone_either(tmp_path: Path) -> None:
    group = v2(tmp_path, current=500, peak=500, anon=50, file=450)
    group.sample()
    v2(tmp_path, current=100, peak=500, anon=100, file=0)

    assert group.sample().peak_memory_mib == 100


def test_without_the_kernel_s_peak_the_samples_speak(tmp_path: Path) -> None:
    group = v2(tmp_path, current=100, peak=100, anon=80, file=20)
    (tmp_path / "memory.peak").unlink()  # before Linux 5.19
    group.sample()
    v2(tmp_path, current=40, peak=0, anon=40, file=0)
    (tmp_path / "memory.peak").unlink()

    assert group.sample().peak_memory_mib == 80


def test_a_kill_by_the_kernel_is_seen_in_both_versions(tmp_path: Path) -> None:
    second = v2(tmp_path / "2", current=1, peak=1, anon=1, file=0)
    put(tmp_path / "2", memory__events="oom 1\noom_kill 1")
    put(tmp_path / "1", memory__usage_in_bytes=0, memory__oom_control="under_oom 0\noom_kill 2")

    assert second.sample().killed
    assert Cgroup(V1, (tmp_path / "1",)).sample().killed


def test_cpu_time_is_in_microseconds_in_one_version_and_nanoseconds_in_the_other(
    tmp_path: Path,
) -> None:
    second = v2(tmp_path / "2", current=1, peak=1, anon=1, file=0)
    put(tmp_path / "cpu", cpuacct__usage=1_500_000_000)

    assert second.sample().cpu_s == 1.5
    assert Cgroup(V1, (tmp_path / "1", tmp_path / "cpu")).sample().cpu_s == 1.5


def test_a_cgroup_that_is_gone_has_no_figures(tmp_path: Path) -> None:
    group = Cgroup(V2, (tmp_path / "gone",))

    measured = group.sample()

    assert (measured.peak_memory_mib, measured.cpu_s, measured.killed) == (None, None, False)
    assert group.pids() == []
    group.remove()


def test_the_allocation_is_the_hard_limit(tmp_path: Path) -> None:
    put(tmp_path / "memory" / "task", memory__limit_in_bytes=0)
    parents = (tmp_path / "memory", tmp_path / "cpuacct")

    group = Cgroups(V1, parents).make("task", Resources(1, 64))

    assert group.folders == (tmp_path / "memory" / "task", tmp_path / "cpuacct" / "task")
    assert (group.folders[0] / "memory.limit_in_bytes").read_text().startswith(str(64 * MIB))


def test_version_2_is_used_where_memory_can_be_handed_down(tmp_path: Path) -> None:
    put(tmp_path, cgroup__controllers="cpu memory", cgroup__subtree_control="")
    put(tmp_path / "ours", cgroup__subtree_control="")

    found = find("ours", tmp_path)

    assert found == Cgroups(V2, (tmp_path / "ours",))


def test_cgroups_that_cannot_be_entered_are_not_used(tmp_path: Path) -> None:
    put(tmp_path, cgroup__controllers="memory", cgroup__subtree_control="")
    put(tmp_path / "ours", cgroup__subtree_control="")
    in_the_way = tmp_path / "ours" / f"probe.{os.getpid()}" / "cgroup.procs"
    in_the_way.mkdir(parents=True)

    assert find("ours", tmp_path) is None


def test_where_there_are_no_cgroups_none_are_found(tmp_path: Path) -> None:
    assert find("ours", tmp_path / "nothing") is None
    put(tmp_path, cgroup__controllers="cpu pids")
    assert find("ours", tmp_path) is None


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu__max": "150000 100000"}, 1.5),
        ({"cpu__max": "max 100000"}, math.inf),
        ({"cpu__cfs_quota_us": 400000, "cpu__cfs_period_us": 100000}, 4.0),
        ({"cpu__cfs_quota_us": -1, "cpu__cfs_period_us": 100000}, math.inf),
        ({}, math.inf),
    ],
)
def test_a_container_s_cores_are_those_of_its_quota(
    tmp_path: Path, files: dict[str, object], cores: float
) -> None:
    put(tmp_path, **files)

    assert core_limit([tmp_path]) == cores


def test_a_container_s_memory_is_the_least_of_the_limits_around_it(tmp_path: Path) -> None:
    put(tmp_path / "a", memory__max="max")
    put(tmp_path / "b", memory__max=512 * MIB)
    put(tmp_path / "c", memory__limit_in_bytes=9223372036854771712)

    assert memory_limit([tmp_path / name for name in "abc"]) == 512 * MIB
    assert memory_limit([]) == math.inf
