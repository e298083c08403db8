from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from headgate.errors import InvalidInput
from queue_broker.adapters import catalogue as adapter
from queue_broker.cli.main import app

TABLE = (
    "vcpu,memory_mib,gpus,gpu_model,count,note\n1,2000,0,,50,x\n4,15000,1,T4,3,y\n9000,1,0,,1,z\n"
)
TYPES = """# a test's types
name,vcpu,memory_mib,gpus,gpu_model,gpu_memory_mib,arch,hypervisor,on_demand_usd_hour
c6i.4xlarge,16,32768,0,,0,x86_64,nitro,0.68
m6i.large,2,8192,0,,0,x86_64,nitro,0.096
g4dn.xlarge,4,16384,1,T4,16384,x86_64,nitro,0.526
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "demands.csv").write_text(TABLE)
    (tmp_path / "types.csv").write_text(TYPES)
    return str(tmp_path / "demands.csv"), str(tmp_path / "types.csv")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


def test_pack_prints_the_fleet_the_cost_and_what_has_no_place(files: tuple[str, str]) -> None:
    demands, types = files
    shown = run("pack", demands, "--catalogue", types, "--deadline", "60")
    assert shown.exit_code == 0, shown.output
    told = " ".join(shown.output.split())  # wherever the terminal breaks its lines
    for words in ("g4dn.xlarge", "c6i.4xlarge", "USD an hour", "proven bound", "too_big"):
        assert words in told
    assert "53 tasks" in told
    assert "█" in shown.output


@pytest.mark.parametrize("command", [("pack",), ("lanes", "plan")])
def test_a_family_that_no_type_is_of_is_refused(
    files: tuple[str, str], command: tuple[str, ...]
) -> None:
    refused = run(*command, files[0], "--family", "m6i.", "--family", "c9z.").exception
    assert isinstance(refused, InvalidInput)
    assert str(refused).startswith("--family: got 'c9z.'; allowed: how a type's name begins")


def test_pack_says_the_plan_in_json(files: tuple[str, str]) -> None:
    demands, types = files
    shown = run(
        "pack", demands, "--catalogue", types, "--deadline", "60", "--json", "--quota", "1000"
    )
    plan = json.loads(shown.output)
    assert plan["bound_usd_hour"] <= plan["cost_usd_hour"]
    assert [one["reason"] for one in plan["unplaced"]] == ["too_big"]


def test_pack_knows_seats_of_licences_and_says_what_has_none(tmp_path: Path) -> None:
    table = "vcpu,memory_mib,count,licence,max_per_instance\n2,1000,9,matlab,1\n1,500,4,,\n"
    (tmp_path / "demands.csv").write_text(table)
    shown = run("pack", str(tmp_path / "demands.csv"), "--licence", "matlab=3")
    told = " ".join(shown.output.split())
    assert "7 tasks" in told
    assert "2 vCPU, 1,000 MiB │ 6 │ licence" in told
    refused = run("pack", str(tmp_path / "demands.csv"), "--licence", "matlab")
    assert "--licence: got 'matlab'" in str(refused.exception)


def test_a_file_that_is_no_table_of_demands_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.csv").write_text("hello\n")
    shown = run("pack", str(tmp_path / "words.csv"))
    assert isinstance(shown.exception, InvalidInput)
    assert "memory_mib, vcpu" in str(shown.exception)


def test_a_wrong_table_is_refused_by_row_and_field(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("vcpu,memory_mib\nlots,5\n")
    shown = run("pack", str(tmp_path / "bad.csv"))
    assert isinstance(shown.exception, InvalidInput)
    assert "row 1.vcpu" in str(shown.exception)
    (tmp_path / "empty.csv").write_text("")
    assert isinstance(run("pack", str(tmp_path / "empty.csv")).exception, InvalidInput)


def test_an_unknown_architecture_is_refused(files: tuple[str, str]) -> None:
    shown = run("pack", files[0], "--arch", "mips")
    assert isinstance(shown.exception, InvalidInput)
    assert "--arch" in str(shown.exception)


def test_lanes_plan_shows_what_each_number_of_lanes_costs(files: tuple[str, str]) -> None:
    demands, types = files
    shown = run("lanes", "plan", demands, "--catalogue", types)
    assert shown.exit_code == 0, shown.output
    assert "What fewer lanes cost" in shown.output
    found = json.loads(run("lanes", "plan", demands, "--catalogue", types, "--json").output)
    assert [len(one["lanes"]) for one in found] == [2, 1]


def test_catalogue_show_lists_what_a_selection_keeps(files: tuple[str, str]) -> None:
    shown = run("catalogue", "show", "--file", files[1], "--family", "m6i.")
    assert "m6i.large" in shown.output
    assert "c6i" not in shown.output


def test_catalogue_refresh_writes_a_file_that_can_be_packed_with(
    files: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from packer.catalogue_file import read_rows

    monkeypatch.setattr(adapter, "fetch", lambda region: read_rows(TYPES) if region else [])
    written = tmp_path / "new.csv"
    assert run("catalogue", "refresh", str(written), "--region", "eu-west-1").exit_code == 0
    assert "eu-west-1" in written.read_text().splitlines()[0]
    assert run("pack", files[0], "--catalogue", str(written)).exit_code == 0


def test_catalogue_refresh_refuses_what_is_no_region(tmp_path: Path) -> None:
    shown = run("catalogue", "refresh", str(tmp_path / "x.csv"), "--region", "Mars; rm")
    assert isinstance(shown.exception, InvalidInput)


def test_a_catalogue_without_such_types_says_so() -> None:
    assert run("catalogue", "show", "--family", "none").output.startswith("No such type.")
    refused = run("catalogue", "show", "--arch", "risc").exception
    assert isinstance(refused, InvalidInput)
    assert "--arch: got 'risc'" in str(refused)


def test_a_catalogue_that_cannot_be_written_is_not_fetched(tmp_path: Path) -> None:
    refused = run("catalogue", "refresh", str(tmp_path / "nowhere" / "types.csv")).exception
    assert isinstance(refused, InvalidInput)
    assert "FILE: got" in str(refused)
