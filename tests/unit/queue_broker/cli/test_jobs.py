"""The client's commands, on a real server and store."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from headgate.errors import InvalidInput, NotFound, WaitTimeout
from headgate.estimate import Quantiles
from headgate.handles import JobHandle
from headgate.lifecycle import State
from headgate.resources import Resources
from headgate.views import Foretold, JobView
from queue_broker.cli.show import print_foretold
from queue_broker.cli.submitting import axis
from queue_broker.records import JobId
from tests.factories import an_estimate
from tests.unit.queue_broker.api.serving import Edge
from tests.unit.queue_broker.cli.commands import Headgate, Run, finish


def test_submit_prints_the_id_alone(headgate: Headgate, edge: Edge) -> None:
    job_id = headgate("submit", "--tier", "production", "--", "python", "train.py", "--depth", "7")

    record = edge.store.job(JobId(job_id.strip()))
    assert record.job.command == ("python", "train.py", "--depth", "7")
    assert (record.job.name, record.tier) == ("train", "production")


def test_sweep_makes_a_grid(headgate: Headgate, edge: Edge) -> None:
    words = ("sweep", "--grid", "lr=0.1,0.01", "--grid", "depth=3..9", "--", "x", "Ref::lr")

    record = edge.store.job(JobId(headgate(*words).strip()))

    assert record.size == 14


def test_sweep_of_a_size(headgate: Headgate, edge: Edge) -> None:
    assert edge.store.job(JobId(headgate("sweep", "--size", "9", "--", "x").strip())).size == 9


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a=1,2.5,x,true", [1, 2.5, "x", True]),
        ("a=-2..1", range(-2, 2)),
        ("a=0.1..0.5", ["0.1..0.5"]),
        ("a=", []),
    ],
)
def test_an_axis_lists_values_or_spans_whole_numbers(text: str, values: list[object]) -> None:
    assert axis(text) == ("a", values)


def test_wait_tells_by_its_exit_code_how_it_ended(run: Run, edge: Edge) -> None:
    good = run("submit", "--", "x").stdout.strip()
    bad = run("submit", "--", "x").stdout.strip()
    finish(edge, good)
    finish(edge, bad, failing=(0,))

    assert (run("wait", good).exit_code, run("wait", bad).exit_code) == (0, 1)


def test_ctrl_c_before_the_answer_to_a_submission_says_where_to_look(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*given: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("headgate.client.Client.submit", interrupted)
    monkeypatch.setattr("headgate.client.Client.submit_sweep", interrupted)

    for words in (("submit", "--", "x"), ("sweep", "--size", "2", "--", "x")):
        done = run(*words)
        assert done.exit_code == 130
        assert "headgate list" in done.stderr


def test_ctrl_c_in_a_wait_says_that_the_job_goes_on(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    job_id = run("submit", "--", "x").stdout.strip()
    monkeypatch.setattr("headgate.handles.JobHandle.wait", interrupted)
    monkeypatch.setattr("headgate.handles.TaskHandle.log_page", interrupted)

    for words in (("wait", job_id), ("submit", "--wait", "--", "x"), ("logs", job_id, "-f")):
        done = run(*words)
        assert done.exit_code == 130
        assert "The job goes on" in done.stderr
    assert f"headgate cancel {job_id}" in done.stderr


def test_what_is_waited_for_is_printed_however_it_ended(
    run: Run, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait_for_the_end(handle: JobHandle) -> JobView:
        finish(edge, handle.id, failing=(0,))
        return handle.describe()

    monkeypatch.setattr(JobHandle, "wait", wait_for_the_end)

    done = run("submit", "--wait", "--", "x")

    assert done.exit_code == 1
    assert "the output\n" in done.stdout


def test_a_wait_can_be_bounded(run: Run, edge: Edge) -> None:
    job_id = run("submit", "--", "x").stdout.strip()

    assert isinstance(run("wait", job_id, "--timeout", "0").exception, WaitTimeout)
    negative = run("wait", job_id, "--timeout", "-1")
    assert negative.exit_code == 2
    assert "--timeout" in negative.output


@pytest.mark.parametrize("command", ["status", "wait", "logs", "cancel", "retry"])
def test_an_unknown_id_is_named(run: Run, command: str) -> None:
    raised = run(command, "no-such-job").exception

    assert isinstance(raised, NotFound)
    assert "no-such-job" in str(raised)


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        (["a=0..10000000000"], "grid.a: got range(0, 10000000001); allowed: at most 500,000"),
        (["a=9..3"], "--grid: got 'a=9..3'; allowed: NAME=FROM..TO with FROM no greater than TO"),
        (["a=1", "a=2"], "--grid: got 'a=2'; allowed: each name once; a was given before"),
        (["a=0..99999", "b=0..99999"], "at most 100,000,000 tasks"),
    ],
)
def test_a_grid_that_cannot_be_meant_is_refused(run: Run, grid: list[str], words: str) -> None:
    options = [word for axis in grid for word in ("--grid", axis)]
    raised = run("sweep", *options, "--", "x").exception

    assert isinstance(raised, InvalidInput)
    assert words in str(raised)


def test_status_shows_a_sweep_and_one_of_its_tasks(headgate: Headgate, edge: Edge) -> None:
    job_id = headgate("sweep", "--grid", "lr=0.1,0.2", "--", "x", "Ref::lr").strip()
    waiting = headgate("status", job_id)
    finish(edge, job_id, failing=(1,))

    done, task = headgate("status", job_id), headgate("status", job_id, "--task", "1")

    assert "0 of 2 finished (2 SUBMITTED)" in waiting
    assert "2 of 2 finished (1 SUCCEEDED, 1 FAILED)" in done
    assert "x 0.2" in task
    assert "exit code 1" in task
    assert "500 MiB" in task


def test_status_as_json_is_the_answer_itself(headgate: Headgate) -> None:
    job_id = headgate("submit", "--", "x").strip()

    assert json.loads(headgate("status", job_id, "--json"))["counts"] == {"SUBMITTED": 1}
    assert json.loads(headgate("status", job_id, "--task", "0", "--json"))["index"] == 0
    assert json.loads(headgate("list", "--json"))["jobs"][0]["job_id"] == job_id
    assert json.loads(headgate("queue", "--json"))["held"] == []
    assert json.loads(headgate("estimate", "--json", "--", "x"))["tier"] == "interactive"


@pytest.mark.parametrize("follow", [(), ("--follow",)])
def test_logs_are_printed_as_they_are(headgate: Headgate, edge: Edge, follow: tuple[str]) -> None:
    job_id = headgate("submit", "--", "x").strip()
    finish(edge, job_id)

    assert headgate("logs", job_id, *follow) == "the output\n"


def test_a_slice_is_cancelled_and_tried_again(headgate: Headgate, edge: Edge) -> None:
    job_id = headgate("sweep", "--size", "300", "--", "x").strip()

    assert headgate("cancel", job_id, "--tasks", "0-99,200") == "101 tasks cancelled\n"
    assert headgate("retry", job_id, "--tasks", "200") == "1 task will be tried again\n"
    assert edge.store.job(JobId(job_id)).counts[State.FAILED] == 100


def test_the_queue_says_why_what_waits_does(headgate: Headgate, edge: Edge) -> None:
    assert "Nothing waits" in headgate("queue")
    job_id = JobId(headgate("submit", "--name", "etl", "--", "x").strip())
    edge.estimate(job_id)
    edge.store.hold({edge.store.groups(job_id)[0].group_id: "no capacity"})

    text = headgate("queue")

    assert "interactive" in text
    assert "no capacity" in text


def test_brackets_in_a_command_are_printed_as_they_are(headgate: Headgate) -> None:
    job_id = headgate("submit", "--param", "x=[/bold]", "--", "sh", "[/red]", "[64,32]").strip()

    text = headgate("status", job_id, "--task", "0")

    assert "sh [/red] [64,32]" in text
    assert "x=[/bold]" in text


def test_an_estimate_of_gpus_names_the_smallest_that_will_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = replace(an_estimate(1024), allocation=Resources(1, 1024, 1), least_gpu_mib=15_000)
    bounds = Quantiles(12_000.0, 15_000.0)
    told = Foretold(
        tier="sweep",
        tenant="acme",
        estimate=replace(given, gpu_memory_mib=bounds),
        fits=["t4"],
        gpu="T4 (16,384 MiB)",
        prices={"line": 0.5},
    )

    print_foretold(told)

    text = capsys.readouterr().out
    assert "half below 12,000, 95 % below 15,000 MiB" in text
    assert "T4 (16,384 MiB)" in text
    assert "line" in text


def test_an_estimate_says_what_and_why(headgate: Headgate) -> None:
    text = headgate("estimate", "--memory", "2G", "--", "x")

    assert "2,048 MiB" in text
    assert "leaning to safe" in text
    assert "12 of train" in text
    assert "2.01" in text  # bytes adds 0.7 to the logarithm
