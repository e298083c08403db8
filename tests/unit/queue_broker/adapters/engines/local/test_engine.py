"""How the local engine runs, measures and limits real processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from headgate.errors import InvalidInput, Unavailable
from headgate.lifecycle import Cause
from headgate.resources import Resources
from headgate.usage import Meter, Usage
from queue_broker.adapters.engines.local import cgroup
from queue_broker.adapters.engines.local.engine import LocalEngine, LocalSettings
from queue_broker.records import Ended, Leak, Started, Tasks
from tests.contract.engines import a_leak, endings, wait_until

PYTHON = (sys.executable, "-S", "-c")
MIB = 1 << 20
HAS_CGROUPS = cgroup.find("headgate-tests") is not None


class Machine:
    """A local engine and what is asked of it in nearly every test."""

    def __init__(self, data: Path, **settings: Any) -> None:
        self.data = data
        plain: dict[str, Any] = {"cores": 2, "memory_mib": 1024, "grace_s": 0.5, "period_s": 0.02}
        self.engine = LocalEngine(LocalSettings(data, **(plain | settings)), parameters)

    def run(self, *leaks: Leak) -> list[Ended]:
        """Hand leaks over and wait for the ends of all their tasks."""
        self.engine.hand_over(leaks)
        wanted = sum(len(leak.tasks) for leak in leaks)
        wait_until(lambda: len(endings(self.engine.poll(1000))) == wanted)
        return endings(self.engine.poll(1000))

    def output(self, leak: str = "leak-1", task: int = 0) -> str:
        return self.engine.logs(leak, task, None, 1 << 20).text

    def started(self) -> int:
        return sum(isinstance(event, Started) for event in self.engine.poll(1000))


def parameters(leak: Leak, task: int) -> Mapping[str, object]:
    del leak
    return {"index": task, "word": 'it\'s $HOME; "quoted" \\ `here`', "flag": True, "no": None}


@pytest.fixture(params=[True, False], ids=["cgroups", "pss"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    if request.param and not HAS_CGROUPS:
        pytest.skip("no cgroup can be made here")
    made = Machine(tmp_path, cgroups=request.param)
    yield made
    made.engine.close()


def use_of(end: Ended) -> Usage:
    assert end.usage is not None
    return end.usage


def eats(mib: int, then: str = "time.sleep(0.15)") -> tuple[str, ...]:
    return (*PYTHON, f"import time; held = b'x' * ({mib} << 20); {then}")


def test_peak_memory_and_cpu_time_are_measured(machine: Machine) -> None:
    busy = "t = time.process_time()\nwhile time.process_time() < t + 0.2: pass"

    (end,) = machine.run(a_leak((*PYTHON, f"import time; held = b'x' * (40 << 20)\n{busy}")))

    used = use_of(end)
    assert used.peak_memory_mib is not None
    assert 40 < used.peak_memory_mib < 60
    assert used.cpu_s is not None
    assert 0.15 < used.cpu_s < 5
    assert used.runtime_s >= 0.2


def test_the_memory_of_all_processes_of_a_tree_counts(machine: Machine) -> None:
    child = "held = b'x' * (20 << 20); import time; time.sleep(0.4)"
    parent = (
        f"import subprocess, sys; p = [subprocess.Popen([sys.executable, '-S', '-c', {child!r}])"
    )
    parent += " for _ in range(2)]; [q.wait() for q in p]"

    (end,) = machine.run(a_leak((*PYTHON, parent), allocation=Resources(1, 256)))

    peak = use_of(end).peak_memory_mib
    assert peak is not None
    assert peak > 40


@pytest.mark.skipif(not HAS_CGROUPS, reason="no cgroup can be made here")
def test_a_peak_between_two_looks_is_not_missed(tmp_path: Path) -> None:
    machine = Machine(tmp_path, period_s=10.0)

    (end,) = machine.run(a_leak(eats(40, "del held")))
    machine.engine.close()

    peak = use_of(end).peak_memory_mib
    assert peak is not None
    assert 40 < peak < 60


@pytest.mark.skipif(not HAS_CGROUPS, reason="no cgroup can be made here")
def test_the_page_cache_is_not_taken_for_need(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    write = "f = open('big', 'wb'); [f.write(bytes(1 << 20)) for _ in range(100)]; f.close()"

    (end,) = machine.run(a_leak((*PYTHON, write), allocation=Resources(1, 512)))
    machine.engine.close()

    peak = use_of(end).peak_memory_mib
    assert peak is not None
    assert peak < 50


def test_what_passes_its_memory_is_killed_and_says_so(machine: Machine) -> None:
    (end,) = machine.run(a_leak(eats(300, "time.sleep(30)"), allocation=Resources(1, 100)))

    assert (end.cause, end.exit_code) == (Cause.OUT_OF_MEMORY, 137)
    assert end.reason is not None
    assert end.reason.startswith("OutOfMemoryError")
    assert end.reason.endswith("allocated: 100 MiB")
    peak = use_of(end).peak_memory_mib
    assert peak is not None
    assert peak > 99


def test_a_parent_that_outlives_its_child_s_kill_for_memory_is_stopped_too(
    machine: Machine,
) -> None:
    child = "held = b'x' * (300 << 20); import time; time.sleep(30)"
    parent = (
        f"import subprocess, sys, time; subprocess.run([sys.executable, '-S', '-c', {child!r}])"
    )

    (end,) = machine.run(
        a_leak((*PYTHON, parent + "; time.sleep(600)"), allocation=Resources(1, 100))
    )

    assert (end.cause, end.exit_code) == (Cause.OUT_OF_MEMORY, 137)


def test_a_timeout_ends_an_attempt(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    leak = a_leak(("sleep", "600"))
    monkeypatch.setitem(leak.job.__dict__, "timeout_s", 0.1)  # users may not ask for less than 60

    (end,) = machine.run(leak)

    assert (end.cause, end.exit_code) == (Cause.TIMEOUT, 143)
    assert end.reason == "Job attempt duration exceeded timeout: 0.1 s"


def test_who_does_not_heed_sigterm_is_killed_after_the_grace(machine: Machine) -> None:
    leak = a_leak(("sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"))
    machine.engine.hand_over([leak])
    wait_until(lambda: machine.started() == 1 and machine.output() == "deaf\n")

    machine.engine.stop(leak, Tasks([0]), interrupted=False)
    (end,) = waited(machine)

    assert (end.cause, end.exit_code) == (Cause.CANCELLED, 137)


def waited(machine: Machine, ends: int = 1) -> list[Ended]:
    wait_until(lambda: len(endings(machine.engine.poll(1000))) >= ends)
    return endings(machine.engine.poll(1000))


def test_a_command_hears_sigterm_once_and_may_clean_up(machine: Machine) -> None:
    program = "import signal, sys, time; heard = []\n"
    program += "def hear(*_):\n heard.append(1)\n"
    program += "signal.signal(signal.SIGTERM, hear); print('ready', flush=True)\n"
    program += "while not heard: time.sleep(0.01)\n"
    program += "time.sleep(0.2); print('heard', len(heard)); sys.exit(5)"
    leak = a_leak((*PYTHON, program))
    machine.engine.hand_over([leak])
    wait_until(lambda: machine.started() == 1 and machine.output() == "ready\n")

    machine.engine.stop(leak, Tasks([0]), interrupted=True)
    (end,) = waited(machine)

    assert (end.cause, end.exit_code) == (Cause.INTERRUPTED, 5)
    assert machine.output() == "ready\nheard 1\n"


def test_processes_left_behind_end_with_their_task(machine: Machine) -> None:
    (end,) = machine.run(a_leak(("sh", "-c", "sleep 600 & echo $!; exit 0")))

    assert end.exit_code == 0
    assert is_gone(int(machine.output()))


def test_a_process_that_left_the_session_is_found_all_the_same(machine: Machine) -> None:
    """With cgroups always; without, as long as its parent lives when the table is searched."""
    program = "import os, subprocess, time; p = subprocess.Popen(['sleep', '600'], "
    program += "start_new_session=True); print(p.pid, flush=True); time.sleep(600)"
    leak = a_leak((*PYTHON, program))
    machine.engine.hand_over([leak])
    wait_until(lambda: machine.started() == 1 and machine.output() != "")

    machine.engine.stop(leak, Tasks([0]), interrupted=False)
    waited(machine)

    assert is_gone(int(machine.output()))


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_parameters_reach_the_command_unharmed(machine: Machine) -> None:
    machine.run(
        a_leak(("printf", "%s|", "Ref::word", "--n=Ref::index", "Ref::flag", "Ref::no", ""))
    )

    assert machine.output() == 'it\'s $HOME; "quoted" \\ `here`|--n=0|true|null||'


def test_a_task_sees_what_batch_would_set(machine: Machine) -> None:
    names = "$AWS_BATCH_JOB_ID $AWS_BATCH_JOB_ATTEMPT $AWS_BATCH_JQ_NAME $AWS_BATCH_CE_NAME"
    command = ("sh", "-c", f"echo {names} $AWS_BATCH_JOB_ARRAY_INDEX; pwd")

    machine.run(
        a_leak(command, name="one"),
        a_leak(command, (4, 9), name="many", array=True, queue="nightly"),
    )

    work = machine.data / "attempts"
    assert machine.output("one") == f"job-of-one 1 default local\n{work}/one/0/work\n"
    assert machine.output("many", 9) == f"job-of-many:9 1 nightly local 9\n{work}/many/9/work\n"


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


def test_a_cancelled_task_that_still_waits_never_starts(machine: Machine) -> None:
    leak = a_leak(("sleep", "600"), (0, 1), allocation=Resources(2, 64))
    machine.engine.hand_over([leak])

    machine.engine.stop(leak, Tasks([1]), interrupted=False)
    (end,) = waited(machine)

    assert (end.task, end.cause, end.started_at_s) == (1, Cause.CANCELLED, None)


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


def test_a_closed_engine_takes_nothing_more(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.engine.close()
    machine.engine.close()

    with pytest.raises(Unavailable, match="closed"):
        machine.engine.hand_over([a_leak()])


@pytest.mark.parametrize(
    ("field", "value"),
    [("cores", 0), ("memory_mib", 0), ("memory_mib", 1 << 40), ("period_s", 0), ("grace_s", -1)],
)
def test_a_wrong_setting_is_named(tmp_path: Path, field: str, value: float) -> None:
    with pytest.raises(InvalidInput, match=f"{field}: got {value}"):
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


def test_the_meter_is_named(machine: Machine) -> None:
    (end,) = machine.run(a_leak(eats(20, "time.sleep(0.3)")))

    by = Meter.CGROUP if machine.engine._supervisor.site.cgroups else Meter.PSS
    assert use_of(end).meter is by
