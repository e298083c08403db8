"""The shim under every shell that is here: exit codes, signals, quoting, indexes, reports."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.usage import Meter
from queue_broker.adapters.engines.shim import Report, show_tasks, take_report, wrap
from queue_broker.records import Tasks

SHELLS = {
    "dash": ("dash",),
    "bash": ("bash",),
    "bash as sh": ("bash", "--posix"),
    "busybox": ("busybox", "sh"),
}


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    words = SHELLS[request.param]
    if shutil.which(words[0]) is None:
        pytest.skip(f"there is no {words[0]} here")
    return words


@pytest.fixture(autouse=True)
def _interrupts_are_not_ignored() -> Iterator[None]:
    """As in a run in a shell's background: what was ignored from the start no shell can trap."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A cgroup v2 as a container sees it."""
    root = tmp_path / "cgroup"
    root.mkdir()
    (root / "memory.peak").write_text(f"{300 << 20}\n")
    stat = f"anon 1\nfile {110 << 20}\nkernel 5\nshmem {10 << 20}\nfile_mapped {30 << 20}\n"
    (root / "memory.stat").write_text(stat)
    (root / "memory.events").write_text("low 0\nmax 3\noom 1\noom_kill 2\n")
    (root / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    return root


def command_of(shell: tuple[str, ...], *command: str) -> list[str]:
    return [*shell, *wrap(command)[1:]]


def run(
    shell: tuple[str, ...], *command: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command_of(shell, *command),
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


@pytest.mark.parametrize("code", [0, 1, 3, 126, 127, 130, 255])
def test_the_command_s_exit_code_is_the_container_s(shell: tuple[str, ...], code: int) -> None:
    assert run(shell, "sh", "-c", f"exit {code}").returncode == code


def test_a_command_killed_by_a_signal_gives_128_and_its_number(shell: tuple[str, ...]) -> None:
    done = run(shell, "sh", "-c", "kill -9 $$")

    assert (done.returncode, done.stderr) == (137, "")


def test_a_missing_program_gives_127_and_one_that_cannot_be_run_126(
    shell: tuple[str, ...],
) -> None:
    assert run(shell, "no-such-program").returncode == 127
    assert run(shell, "/etc/passwd").returncode == 126


def test_arguments_pass_unharmed(shell: tuple[str, ...]) -> None:
    words = ("", " two  words ", "$HOME", "`id`", "it's", '"', "\\n", "*", "-e", "ünï", "a\nb")

    done = run(shell, "printf", "[%s]", *words)

    assert take_report(done.stdout)[0] == "".join(f"[{word}]" for word in words)


def test_programs_are_run_not_the_shell_s_own_commands(shell: tuple[str, ...]) -> None:
    assert run(shell, "exit", "3").returncode == 127


def test_the_environment_passes_and_nothing_is_added(shell: tuple[str, ...]) -> None:
    done = run(shell, "env", hg="mine", MULTI="a\nb")

    names = {line.partition("=")[0] for line in done.stdout.splitlines() if "=" in line}
    assert "MULTI=a\nb\n" in done.stdout
    assert "hg=mine\n" in done.stdout
    assert not [name for name in names if name.startswith(("hg_", "HEADGATE"))]


@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        (signal.SIGTERM, "TERM"),
        (signal.SIGINT, "TERM"),
        (signal.SIGHUP, "HUP"),
        (signal.SIGUSR1, "USR1"),
        (signal.SIGUSR2, "USR2"),
    ],
)
def test_signals_reach_the_command(
    shell: tuple[str, ...], sent: signal.Signals, heard: str
) -> None:
    script = f"trap 'echo heard {heard}; exit 9' {heard}; echo ready; while :; do sleep 0.02; done"

    code, output = signalled(shell, script, sent)

    assert code == 9
    assert output == f"ready\nheard {heard}\n"


def test_a_command_that_does_not_trap_the_signal_dies_of_it(shell: tuple[str, ...]) -> None:
    code, _ = signalled(shell, "echo ready; exec sleep 600", signal.SIGTERM)

    assert code == 143


def test_a_command_may_take_its_time_and_several_signals(shell: tuple[str, ...]) -> None:
    script = "n=0; trap 'n=$((n + 1)); echo heard $n' USR1; echo ready; "
    script += "while [ $n -lt 3 ]; do sleep 0.02; done; exit 4"

    code, output = signalled(shell, script, *[signal.SIGUSR1] * 3)

    assert (code, output) == (4, "ready\nheard 1\nheard 2\nheard 3\n")


def signalled(shell: tuple[str, ...], script: str, *sent: signal.Signals) -> tuple[int, str]:
    """Exit code and output of a script that says `ready`, and answers all signals but the last."""
    with started(command_of(shell, "sh", "-c", script)) as process:
        assert process.stdout is not None
        output = process.stdout.readline()
        for number in sent[:-1]:
            process.send_signal(number)
            output += process.stdout.readline()
        process.send_signal(sent[-1])
        rest, _ = process.communicate(timeout=20)
        return process.returncode, output + take_report(rest)[0]


@contextmanager
def started(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that hears SIGHUP, which under nohup it would inherit as ignored; gone at the end,
    however the test ended.
    """
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGHUP, before)
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("tasks", "child", "index"),
    [
        ("0-9", "0", "0"),
        ("0-9", "9", "9"),
        ("7-9,12,20-29", "2", "9"),
        ("7-9,12,20-29", "3", "12"),
        ("7-9,12,20-29", "13", "29"),
        ("41", None, "41"),
    ],
)
def test_the_children_of_a_partly_leaked_array_know_their_tasks(
    shell: tuple[str, ...], tasks: str, child: str | None, index: str
) -> None:
    own = {"HEADGATE_TASKS": tasks} | ({"AWS_BATCH_JOB_ARRAY_INDEX": child} if child else {})

    done = run(shell, "sh", "-c", "echo $AWS_BATCH_JOB_ARRAY_INDEX ${HEADGATE_TASKS-none}", **own)

    assert done.stdout.splitlines()[0] == f"{index} none"


@given(st.sets(st.integers(0, 300), min_size=1, max_size=60))
def test_ranges_stand_for_exactly_the_tasks(indexes: set[int]) -> None:
    spans = [part.split("-") for part in show_tasks(Tasks(indexes)).split(",")]

    spelt = [index for span in spans for index in range(int(span[0]), int(span[-1]) + 1)]

    assert spelt == sorted(indexes)
    assert all(int(b[0]) > int(a[-1]) + 1 for a, b in pairwise(spans))


def test_no_tasks_are_no_ranges() -> None:
    assert show_tasks(Tasks()) == ""


def test_the_use_is_reported_and_taken_out_of_the_log(shell: tuple[str, ...], system: Path) -> None:
    done = run(shell, "sh", "-c", "printf 'no line end'; exit 3", HEADGATE_SHIM_SYS=str(system))

    log, report = take_report(done.stdout)

    assert log == "no line end"
    assert report is not None
    assert (report.exit_code, report.oom_kills) == (3, 2)
    used = report.usage(10.0)
    assert (used.peak_memory_mib, used.cpu_s, used.meter) == (220.0, 2.5, Meter.CGROUP)
    assert used.gpu_memory_mib is None


def test_the_use_is_read_from_cgroup_v1_too(shell: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "cpuacct").mkdir()
    (tmp_path / "memory" / "memory.max_usage_in_bytes").write_text(f"{9064 << 20}\n")
    cache = f"total_cache {9000 << 20}\ntotal_shmem 0\ntotal_mapped_file {8000 << 20}\n"
    (tmp_path / "memory" / "memory.stat").write_text(f"cache 9\n{cache}")
    (tmp_path / "memory" / "memory.oom_control").write_text("under_oom 0\noom_kill 0\n")
    (tmp_path / "cpuacct" / "cpuacct.usage").write_text("1500000000\n")

    done = run(shell, "true", HEADGATE_SHIM_SYS=str(tmp_path))
    _, report = take_report(done.stdout)

    assert report is not None
    assert report.usage(1.0).peak_memory_mib == 64.0 + 512  # a data set is mapped
    assert report.usage(1.0).cpu_s == 1.5


def test_where_nothing_can_be_measured_only_the_exit_code_is_told(
    shell: tuple[str, ...], tmp_path: Path
) -> None:
    _, report = take_report(run(shell, "false", HEADGATE_SHIM_SYS=str(tmp_path)).stdout)

    assert report == Report(exit_code=1)
    assert report.usage(1.0).meter is Meter.NONE


def test_the_file_cache_is_taken_off_the_peak_as_it_was_then(
    shell: tuple[str, ...], system: Path, tmp_path: Path
) -> None:
    """A task computes, and writes its results when it has freed the most of its memory."""
    path = with_program(tmp_path, "sleep", f"echo . >>{tmp_path}/slept", "exec /bin/sleep 0.02")
    (tmp_path / "slept").touch()
    (system / "memory.peak").write_text(f"{700 << 20}\n")
    (system / "memory.stat").write_text(f"anon {590 << 20}\nfile {100 << 20}\nshmem 0\n")
    watched = f"until [ $(wc -l <{tmp_path}/slept) -gt $n ]; do /bin/sleep 0.01; done"
    at_the_end = f"printf 'anon 1\\nfile {400 << 20}\\nshmem 0\\n' >{system}/memory.stat"
    script = f"n=1; {watched}; {at_the_end}; n=$(wc -l <{tmp_path}/slept); {watched}"

    done = run(shell, "sh", "-c", script, PATH=path, HEADGATE_SHIM_SYS=str(system))
    log, report = take_report(done.stdout)

    assert (log, done.stderr) == ("", "")
    assert report is not None
    assert report.usage(1.0).peak_memory_mib == 600.0


def test_an_image_without_sleep_is_looked_at_once_more_at_its_end(
    shell: tuple[str, ...], system: Path, tmp_path: Path
) -> None:
    path = with_program(tmp_path, "true", "exit 0")
    command = [shutil.which(shell[0]) or "", *command_of(shell, "true")[1:]]
    where = {"PATH": str(Path(path.partition(":")[0])), "HEADGATE_SHIM_SYS": str(system)}

    done = subprocess.run(command, env=where, capture_output=True, text=True, check=True)
    _, report = take_report(done.stdout)

    assert report is not None
    assert report.usage(1.0).peak_memory_mib == 220.0


def with_program(folder: Path, name: str, *lines: str) -> str:
    """A path on which a script comes before all else."""
    program = folder / "bin" / name
    program.parent.mkdir()
    program.write_text("\n".join(("#!/bin/sh", *lines, "")))
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


def test_gpus_are_watched_while_the_command_runs(
    shell: tuple[str, ...], system: Path, tmp_path: Path
) -> None:
    """nvidia-smi is a stand-in that says what it always says, and leaves a mark."""
    lines = ("echo '1200, 50'", "echo '[N/A], 3'", "echo '700, 20'", f": >{tmp_path}/seen")
    path = with_program(tmp_path, "nvidia-smi", *lines)
    wait = f"while [ ! -e {tmp_path}/seen ]; do sleep 0.02; done; sleep 0.1"

    began_s = time.monotonic()
    done = run(shell, "sh", "-c", wait, PATH=path, HEADGATE_SHIM_SYS=str(system))
    log, report = take_report(done.stdout)

    assert log == ""
    assert report is not None
    used = report.usage(1.0)
    assert (used.gpu_memory_mib, used.gpu_utilisation) == (1200.0, 0.35)
    assert time.monotonic() - began_s < 15  # it does not wait for the watcher's sleep for ever


def test_big_output_passes_whole(shell: tuple[str, ...]) -> None:
    done = run(shell, "sh", "-c", "yes 0123456789 | head -n 300000")

    assert len(take_report(done.stdout)[0]) == 3_300_000


def test_a_log_without_a_report_is_left_as_it_is() -> None:
    assert take_report("a\nHEADGATE_USAGE {broken}\n") == ("a\nHEADGATE_USAGE {broken}\n", None)


def test_a_command_cannot_speak_for_the_shim() -> None:
    log = 'HEADGATE_USAGE {"exit_code":0,"cpu_us":9}\n\nHEADGATE_USAGE {"exit_code":3,"cpu_us":1}\n'

    _, report = take_report(log)

    assert report == Report(exit_code=3, cpu_us=1)


def test_the_shim_stays_small_in_each_job_definition() -> None:
    assert sum(map(len, wrap(("python", "train.py")))) < 5_000


def test_of_a_part_of_an_array_and_of_a_retry_the_whole_is_told(shell: tuple[str, ...]) -> None:
    show = "echo $AWS_BATCH_JOB_ARRAY_SIZE $AWS_BATCH_JOB_ATTEMPT ${HEADGATE_ATTEMPT-none}"
    batch = {"AWS_BATCH_JOB_ARRAY_SIZE": "2", "AWS_BATCH_JOB_ATTEMPT": "1"}

    plain = run(shell, "sh", "-c", show, **batch)
    told = run(shell, "sh", "-c", show, **batch, HEADGATE_ARRAY_SIZE="40", HEADGATE_ATTEMPT="3")

    assert take_report(plain.stdout)[0] == "2 1 none\n"
    assert take_report(told.stdout)[0] == "40 3 none\n"
