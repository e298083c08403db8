"""How the local engine runs real processes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from headgate.errors import InvalidInput, NotFound, Unavailable
from headgate.lifecycle import Cause
from headgate.resources import Resources
from queue_broker.adapters.engines.local.engine import LocalEngine, LocalSettings
from queue_broker.records import Leak
from tests.contract.engines import a_leak
from tests.unit.queue_broker.adapters.engines.local.machine import (
    HAS_CGROUPS,
    PYTHON,
    Machine,
)


def test_parameters_reach_the_command_unharmed(machine: Machine) -> None:
    machine.run(
        a_leak(("printf", "%s|", "Ref::word", "--n=Ref::index", "Ref::flag", "Ref::no", ""))
    )

    assert machine.output() == 'it\'s $HOME; "quoted" \\ `here`|--n=0|true|null||'


def test_a_task_sees_what_batch_would_set(machine: Machine) -> None:
    names = "$AWS_BATCH_JOB_ID $AWS_BATCH_JOB_ATTEMPT $AWS_BATCH_JQ_NAME $AWS_BATCH_CE_NAME"
    command = (
        "sh",
        "-c",
        f"echo {names} $AWS_BATCH_JOB_ARRAY_INDEX $AWS_BATCH_JOB_ARRAY_SIZE; pwd",
    )

    machine.run(
        a_leak(command, name="one"),
        a_leak(command, (4, 9), name="many", array=True, queue="nightly"),
    )

    work = machine.data / "attempts"
    assert machine.output("one") == f"job-of-one 1 default local\n{work}/one/0/work\n"
    assert machine.output("many", 9) == f"job-of-many:9 1 nightly local 9 10\n{work}/many/9/work\n"


def test_threads_follow_the_cores_unless_the_job_says_otherwise(machine: Machine) -> None:
    command = ("sh", "-c", "echo $OMP_NUM_THREADS $MKL_NUM_THREADS $HEADGATE_ALLOCATED_VCPU")

    machine.run(
        a_leak(command, allocation=Resources(1.5, 64), environment={"MKL_NUM_THREADS": "7"})
    )

    assert machine.output() == "2 7 1.5\n"


def test_the_broker_s_own_settings_are_kept_from_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADGATE_DATABASE_URL", "postgresql://secret")
    machine = Machine(tmp_path)

    machine.run(a_leak(("env",)))
    machine.engine.close()

    assert "secret" not in machine.output()
    assert "HEADGATE_SHIM" not in machine.output()
    assert "PATH=" in machine.output()


def test_a_variable_that_sh_cannot_name_reaches_the_command(machine: Machine) -> None:
    machine.run(a_leak(("env",), environment={"spark.master": "local[2]"}))

    assert "spark.master=local[2]\n" in machine.output()


@pytest.mark.parametrize(
    ("command", "exit_code", "words"),
    [
        (("no-such-program", "-x"), 127, "no program no-such-program"),
        (("/no/such/program",), 127, "no program /no/such/program"),
        (("/etc/passwd",), 126, "/etc/passwd is not an executable file"),
        (("echo", "a\0b"), 126, "null"),
    ],
)
def test_what_cannot_be_run_says_why(
    machine: Machine, command: tuple[str, ...], exit_code: int, words: str
) -> None:
    (end,) = machine.run(a_leak(command))

    assert (end.cause, end.exit_code, end.usage) == (Cause.NOT_STARTED, exit_code, None)
    assert end.reason is not None
    assert words in end.reason
    assert machine.started() == 0


def test_a_shell_s_own_127_is_the_command_s_exit_code(machine: Machine) -> None:
    (end,) = machine.run(a_leak(("sh", "-c", "no-such-program")))

    assert (end.cause, end.exit_code) == (Cause.EXITED, 127)


def test_a_task_that_kills_its_own_shim_failed_and_is_not_tried_for_ever(machine: Machine) -> None:
    (end,) = machine.run(a_leak(("sh", "-c", "kill -9 $PPID; sleep 600")))

    assert (end.cause, end.exit_code) == (Cause.EXITED, 137)


def test_tasks_wait_until_there_is_room(machine: Machine) -> None:
    """Each takes more than half of the machine, so that no two ever overlap."""
    command = ("sh", "-c", "mkdir $LOCK || exit 9; sleep 0.05; rmdir $LOCK")
    lock = {"LOCK": str(machine.data / "lock")}

    ends = machine.run(a_leak(command, range(4), allocation=Resources(1.1, 64), environment=lock))

    assert [end.exit_code for end in ends] == [0, 0, 0, 0]


def test_a_log_may_hold_anything(machine: Machine) -> None:
    machine.run(a_leak(("sh", "-c", r"printf '\377\000caf\303\251'; printf err >&2")))

    page = machine.engine.logs("leak-1", 0, None, 8)
    rest = machine.engine.logs("leak-1", 0, page.next, 100)

    assert page.text + rest.text == "\ufffd\0café" + "err"
    assert (page.ended, rest.ended) == (False, True)


def test_big_output_is_kept_whole(machine: Machine) -> None:
    (end,) = machine.run(a_leak((*PYTHON, "print('y' * 3_000_000)")))

    assert end.exit_code == 0
    assert len(machine.engine.logs("leak-1", 0, None, 1 << 23).text) == 3_000_001


def test_a_leak_whose_parameters_cannot_be_read_is_refused_and_the_rest_is_taken(
    tmp_path: Path,
) -> None:
    def only_good(leak: Leak, task: int) -> Mapping[str, object]:
        if leak.name == "bad":
            raise NotFound("its table is gone")
        return {"task": task}

    engine = LocalEngine(LocalSettings(tmp_path, cores=2, memory_mib=1024), only_good)

    bad, good = engine.hand_over([a_leak(("true",), name="bad"), a_leak(("true",), name="good")])
    engine.close()

    assert bad.refused == "its table is gone"
    assert good.refused is None
    assert not (tmp_path / "attempts" / "bad").exists()


def test_a_closed_engine_takes_nothing_more(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.engine.close()
    machine.engine.close()

    with pytest.raises(Unavailable, match="closed"):
        machine.engine.hand_over([a_leak()])


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("cores", 0, "local_vcpu"),
        ("memory_mib", 0, "local_memory_mib"),
        ("memory_mib", 1 << 40, "local_memory_mib"),
        ("period_s", 0, "period_s"),
        ("grace_s", -1, "grace_s"),
    ],
)
def test_a_wrong_setting_is_told_as_its_user_wrote_it(
    tmp_path: Path, field: str, value: float, told: str
) -> None:
    with pytest.raises(InvalidInput, match=f"^{told}: got {value}"):
        Machine(tmp_path, **{field: value})


@pytest.mark.skipif(not HAS_CGROUPS, reason="no cgroup can be made here")
def test_no_cgroup_and_no_handle_is_left_behind(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    handles = len(os.listdir("/proc/self/fd"))

    machine.run(a_leak(("true",), range(20)))

    parents = machine.engine._supervisor.site.cgroups
    assert parents is not None
    assert [child for p in parents.parents for child in p.iterdir() if child.is_dir()] == []
    assert len(os.listdir("/proc/self/fd")) == handles
    machine.engine.close()
    assert not any(parent.exists() for parent in parents.parents)
