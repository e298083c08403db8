from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from headgate.errors import InvalidInput
from headgate.job import Job
from headgate.lifecycle import Cause
from headgate.resources import ResourceRequest, Resources
from headgate.usage import Meter, Observation, Usage
from packer.demand import Demand
from queue_broker.adapters.lake import FolderLake
from queue_broker.cli.main import app
from queue_broker.cli.tables import Worked, read_demands

ALL = Worked(days=1, data_dir=None, used=False)


def ran(memory_mib: int, runtime_s: float, **of_job: object) -> Observation:
    return Observation(
        job=Job.model_validate({"name": "train", "command": ["true"], **of_job}),
        usage=Usage(runtime_s, peak_memory_mib=100.0, cpu_s=1.5 * runtime_s, meter=Meter.CGROUP),
        cause=Cause.EXITED,
        exit_code=0,
        attempt=1,
        finished_at_s=time.time() - 60,
        allocation=Resources(2.0, memory_mib),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a broker on which three tasks of one size ended today, and one long before."""
    today = [ran(500, 60.0), ran(500, 62.0), ran(500, 6000.0)]
    old = replace(ran(9000, 60.0), finished_at_s=time.time() - 10 * 86_400)
    FolderLake(tmp_path / "lake").write([*today, old], "part")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


def told(demands: list[Demand]) -> list[tuple[Resources, float | None, int]]:
    return [(one.shape, one.runtime_s, one.count) for one in demands]


def test_a_brokers_own_history_is_demand_by_what_was_given_and_how_long_it_ran(
    folder: Path,
) -> None:
    found = read_demands(None, replace(ALL, data_dir=folder))
    assert told(found) == [(Resources(2.0, 500), 61.0, 2), (Resources(2.0, 500), 6000.0, 1)]


def test_it_is_demand_by_what_it_used_where_that_is_asked_for(folder: Path) -> None:
    found = read_demands(None, replace(ALL, data_dir=folder, used=True))
    assert {one.shape for one in found} == {Resources(2.0, 128)}


@pytest.mark.parametrize("command", [("pack",), ("lanes", "plan")])
def test_pack_and_lanes_plan_need_no_file(folder: Path, command: tuple[str, ...]) -> None:
    shown = run(*command, "--data-dir", str(folder), "--json")
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)
    assert "4 attempts in 3 sizes" in shown.stderr


@pytest.mark.parametrize("command", [("pack",), ("lanes", "plan")])
def test_where_nothing_ended_of_late_that_is_said(folder: Path, command: tuple[str, ...]) -> None:
    refused = run(*command, "--data-dir", str(folder / "other")).exception
    assert isinstance(refused, InvalidInput)
    assert str(refused).startswith("FILE: got 'none, and nothing that ended within 30 days")


def test_a_copy_of_a_lake_is_read_as_a_folder(folder: Path) -> None:
    found = read_demands(folder / "lake", ALL)
    assert sorted(one.shape.memory_mib for one in found) == [500, 500, 9000]


def test_a_table_for_import_counts_by_what_was_asked_for_and_rows_without_sizes_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "jobs.csv").write_text(
        "name,finished_at_s,runtime_s,request_vcpu,request_memory_mib,peak_memory_mib\n"
        "a,1700000000,30,4,8000,700\na,1700000001,30,,,650\na,1700000002,0,4,8000,700\n"
    )
    assert told(read_demands(tmp_path / "jobs.csv", ALL)) == [(Resources(4.0, 8000), 30.0, 1)]
    assert capsys.readouterr().err == (
        "1 attempts in 1 sizes; 2 more tell no size or runtime, and are left out\n"
    )


def test_a_trace_that_was_exported_is_demand_too(tmp_path: Path) -> None:
    (tmp_path / "week.csv").write_text(
        "submit_time_s,duration_s,user,vcpu,memory_mib,gpus,memory_used_mib,vcpu_used\n"
        "1,30,u,4,8000,0,640,1.2\n2,30,u,4,8000,0,640,1.2\n"
    )
    asked = [(Resources(4.0, 8000), 30.0, 2)]
    measured = [(Resources(2.0, 640), 30.0, 2)]
    assert told(read_demands(tmp_path / "week.csv", ALL)) == asked
    assert told(read_demands(tmp_path / "week.csv", replace(ALL, used=True))) == measured


def test_what_a_gpu_had_to_have_is_kept(tmp_path: Path) -> None:
    asked = ResourceRequest(gpus=1, gpu_memory_mib=20_000, gpu_model="A10G", arch="x86_64")
    one = replace(ran(500, 60.0, resources=asked), allocation=Resources(2.0, 500, 1))
    FolderLake(tmp_path / "lake").write([one], "part")
    (found,) = read_demands(None, replace(ALL, data_dir=tmp_path))
    assert (found.gpu_memory_mib, found.gpu_model, found.arch) == (20_000, "A10G", "x86_64")
