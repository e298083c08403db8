"""What containers are told is run by a real shell, as AWS Batch would run it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.job import Scalar, fill
from headgate.resources import Resources
from headgate.sweep import Grid
from queue_broker.adapters.engines.aws.cargo import (
    MAX_OVERRIDES,
    ROWS_VARIABLE,
    SHIM_VARIABLE,
    Cargo,
    NeverFits,
    even_step,
    load,
)
from queue_broker.adapters.engines.shim import script, take_report
from queue_broker.records import Leak, Table, Tasks
from tests.unit.queue_broker.adapters.engines.aws.leaks import a_leak

SHELLS = [["sh"], ["bash", "--posix"], ["busybox", "sh"]]
#: The template prints what it was given, one argument a line.
SHOW = ("printf", "%s|", "Ref::lr", "a Ref::name's", "Ref::lr-Ref::n")


def none(leak: Leak, task: int) -> Mapping[str, object]:
    return leak.job.parameters


def of_grid(leak: Leak, task: int) -> Mapping[str, Scalar]:
    assert isinstance(leak.parameters, Grid)
    return leak.job.parameters | leak.parameters.task(task)


def run(
    cargo: Cargo, child: int | None, rows_in: Path | None = None, shell: list[str] | None = None
) -> str:
    """The output of a container, child `child` of an array, less the shim's report."""
    told = dict(cargo.environment) | {SHIM_VARIABLE: script(), "PATH": os.environ["PATH"]}
    if child is not None:
        told["AWS_BATCH_JOB_ARRAY_INDEX"] = str(child)
    if rows_in is not None:
        told[ROWS_VARIABLE] = rows_in.as_uri()
    command = [*(shell or ["/bin/sh"]), *cargo.command[1:]]
    done = subprocess.run(command, env=told, capture_output=True, check=False)
    output, report = take_report(done.stdout.decode())  # not as text, where \r would become \n
    assert report is not None, done.stderr
    return output


def expected(leak: Leak, task: int, values: Mapping[str, object]) -> str:
    tokens = fill(leak.job.command, values)[2:]
    return "".join(f"{token}|" for token in tokens)


def test_a_single_job_runs_as_it_is_under_the_shim() -> None:
    leak = a_leak(("printf", "%s|", "it's", "a b", ""), array=False)

    assert run(load(leak, none), None) == "it's|a b||"


def test_the_children_of_a_part_of_an_array_are_its_tasks() -> None:
    leak = a_leak(("sh", "-c", "echo $AWS_BATCH_JOB_ARRAY_INDEX"), tasks=(3, 4, 9))
    cargo = load(leak, none)

    assert [run(cargo, child) for child in range(3)] == ["3\n", "4\n", "9\n"]


def test_one_task_of_an_array_is_no_array_for_batch_and_has_its_index_all_the_same() -> None:
    leak = a_leak(("sh", "-c", "echo $AWS_BATCH_JOB_ARRAY_INDEX"), tasks=(7,))

    assert run(load(leak, none), None) == "7\n"


def test_a_whole_array_is_told_nothing() -> None:
    assert "HEADGATE_TASKS" not in load(a_leak(tasks=range(10_000)), none).environment


@pytest.mark.parametrize("shell", SHELLS, ids=["sh", "bash", "busybox"])
def test_a_grid_is_worked_out_in_the_container(shell: list[str]) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"there is no {shell[0]} here")
    grid = Grid(
        axes={"lr": (0.1, 0.25), "name": ("it's", "two\nlines", "$x`", ""), "n": (-5, 0, 5)}
    )
    leak = a_leak(SHOW, tasks=range(1, grid.size, 2), parameters=grid)
    cargo = load(leak, of_grid)

    for child in (0, 5, 11):
        task = leak.tasks[child]
        assert run(cargo, child, shell=shell) == expected(leak, task, of_grid(leak, task))


def test_an_axis_of_a_million_seeds_takes_a_few_characters() -> None:
    grid = Grid(axes={"seed": tuple(range(100_000)), "lr": (0.1, 0.2)})
    leak = a_leak(
        ("printf", "%s|", "Ref::seed", "Ref::lr"), range(150_000, 150_010), parameters=grid
    )
    cargo = load(leak, of_grid)

    assert cargo.rows is None
    assert cargo.size < 2_000
    assert run(cargo, 9) == "75004|0.2|"


def test_a_table_goes_to_s3_a_line_a_task(tmp_path: Path) -> None:
    table = {n: {"lr": n / 7, "name": f"it's\n{n}", "n": n} for n in range(2, 40)}
    leak = a_leak(SHOW, tasks=table, parameters=Table.CHUNKS)
    cargo = load(leak, lambda leak, task: table[task])
    assert cargo.rows is not None
    rows = tmp_path / "rows"
    rows.write_bytes(cargo.rows)

    for child in (0, 17, 37):
        task = leak.tasks[child]
        assert run(cargo, child, rows) == expected(leak, task, table[task])


def test_rows_that_cannot_be_read_end_the_task_with_a_reason(tmp_path: Path) -> None:
    leak = a_leak(("echo", "Ref::a"), tasks=(0, 1), parameters=Table.CHUNKS)
    cargo = load(leak, lambda leak, task: {"a": task})

    assert run(cargo, 1, tmp_path / "gone") == ""


def test_tasks_too_scattered_for_the_overrides_go_to_s3_too(tmp_path: Path) -> None:
    leak = a_leak(("sh", "-c", "echo $AWS_BATCH_JOB_ARRAY_INDEX"), tasks=range(0, 19_000, 7))
    cargo = load(leak, none)
    assert cargo.rows is not None
    rows = tmp_path / "rows"
    rows.write_bytes(cargo.rows)

    assert run(cargo, 2000, rows) == "14000\n"


def test_overrides_never_pass_batchs_limit() -> None:
    with pytest.raises(NeverFits, match="must be at most 8192"):
        load(a_leak(("echo", "x" * MAX_OVERRIDES)), none)
    with pytest.raises(NeverFits, match="must be at most 8192"):
        load(a_leak(("echo", "x" * MAX_OVERRIDES), tasks=(1, 5)), none)


def test_a_job_that_aws_takes_is_taken_measured_or_not() -> None:
    plain = Cargo(("echo", ""), {}, (("VCPU", "2"), ("MEMORY", "1000"))).size
    most = MAX_OVERRIDES - plain

    def given(left: int) -> Cargo:
        return load(a_leak(("echo", "x" * (most - left)), array=False), none, says=True)

    assert given(900).environment["OMP_NUM_THREADS"] == "2"
    assert (given(300).environment, given(300).command[0]) == ({}, "/bin/sh")
    assert given(0).command[0] == "echo"
    with pytest.raises(NeverFits, match="must be at most 8192"):
        given(-1)


def test_what_the_user_set_goes_along_however_little_room_there_is() -> None:
    set_ = {"OMP_NUM_THREADS": "1", "A": "B"}
    cargo = load(a_leak(("echo", "x" * 7_900), array=False, environment=set_), none)
    assert cargo.environment == set_


def test_a_part_of_an_array_is_told_the_size_of_the_whole_and_a_retry_which_it_is() -> None:
    show = "echo $AWS_BATCH_JOB_ARRAY_SIZE $AWS_BATCH_JOB_ATTEMPT"
    part = replace(a_leak(("sh", "-c", show), tasks=(3, 4)), size=40, attempt=2)

    assert run(load(part, none), 1) == "40 2\n"
    assert run(load(replace(part, tasks=Tasks([7]), open=Tasks([7])), none), None) == "40 2\n"
    whole = load(replace(part, tasks=Tasks(range(40)), attempt=1), none)
    assert not {"HEADGATE_ARRAY_SIZE", "HEADGATE_ATTEMPT"} & whole.environment.keys()


def test_resources_are_whole_vcpus_and_enough_mib() -> None:
    cargo = load(a_leak(allocation=Resources(1.2, 2, 1)), none)

    assert cargo.resources == (("VCPU", "2"), ("MEMORY", "4"), ("GPU", "1"))
    assert cargo.environment["OMP_NUM_THREADS"] == "2"


def test_without_the_shim_the_command_is_the_users_own() -> None:
    leak = a_leak(("train.py", "--fast"), array=False, tags={"headgate:shim": "off"})

    assert load(leak, none).command == ("train.py", "--fast")


@pytest.mark.parametrize("tasks", [(1, 2), (0,), (5,)])
def test_without_the_shim_tasks_cannot_be_told_apart(tasks: tuple[int, ...]) -> None:
    with pytest.raises(NeverFits, match="only a whole array"):
        load(a_leak(tasks=tasks, tags={"headgate:shim": "off"}), none)


def test_a_job_without_a_command_leaves_the_images_own_alone() -> None:
    cargo = load(a_leak((), array=False, definition="theirs:1"), none)
    assert "command" not in cargo.overrides()


def test_children_without_a_command_cannot_be_told_apart() -> None:
    assert (
        "command" not in load(a_leak((), tasks=range(3), definition="theirs:1"), none).overrides()
    )
    with pytest.raises(NeverFits, match="only a whole array"):
        load(a_leak((), tasks=(1, 2), definition="theirs:1"), none)


def test_only_whole_numbers_at_even_steps_are_calculated() -> None:
    assert even_step((1, 3, 5)) == 2
    assert even_step((5, 5, 5)) == 0
    assert even_step((1, 2, 4)) is None
    assert even_step((1, 2, 3.0)) is None
    assert even_step((0, True, 2)) is None
    assert even_step((0, 2**62, 2**63)) is None


SCALARS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.booleans(),
    st.none(),
    st.text(
        st.characters(exclude_characters="\0", codec="utf-8", exclude_categories=["Cs"]), max_size=9
    ),
)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_every_value_arrives_as_it_is(data: st.DataObject) -> None:
    axes: dict[str, tuple[Scalar, ...]] = {
        name: tuple(data.draw(st.lists(SCALARS, min_size=1, max_size=4))) for name in "ab"
    }
    leak = a_leak(
        ("printf", "%s|", "Ref::a", "x'Ref::b"),
        range(Grid(axes=axes).size),
        parameters=Grid(axes=axes),
    )
    child = data.draw(st.integers(0, len(leak.tasks) - 1))
    cargo = load(leak, of_grid)

    told = run(cargo, child if len(leak.tasks) > 1 else None)

    assert told == expected(leak, child, of_grid(leak, child))
