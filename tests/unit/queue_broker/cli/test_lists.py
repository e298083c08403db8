"""Lists of jobs and of tasks, as a terminal and a pipe have them."""

from __future__ import annotations

import pytest

from tests.unit.queue_broker.api.serving import Edge
from tests.unit.queue_broker.cli.commands import Headgate, finish


def test_the_tasks_that_failed_are_listed_a_page_at_a_time(headgate: Headgate, edge: Edge) -> None:
    job_id = headgate("sweep", "--size", "4", "--", "x").strip()
    finish(edge, job_id, failing=(1, 3))

    every = headgate("tasks", job_id)
    failed = headgate("tasks", job_id, "--state", "FAILED", "--limit", "1").splitlines()

    assert [line.split() for line in every.splitlines()[1:]][1] == ["1", "FAILED"]
    assert failed[1].split() == ["1", "FAILED"]
    more = failed[2].removeprefix("more: headgate ").split()
    assert headgate(*more).splitlines()[1].split() == ["3", "FAILED"]
    assert "No such task" in headgate("tasks", job_id, "--state", "RUNNING")


def test_a_list_fits_in_80_columns(headgate: Headgate, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "a-name-as-long-as-people-make-them-in-pipelines"
    job_id = headgate("sweep", "--name", name, "--size", "100000", "--", "x").strip()
    monkeypatch.setenv("COLUMNS", "80")

    lines = headgate("list").splitlines()

    assert all(len(line.rstrip()) <= 80 for line in lines)
    assert lines[1].startswith(job_id)
    assert "SUBMITTED" in lines[1]
    assert "0 %" in lines[1]
    assert "a-name-as-" in lines[1]


def test_a_list_in_60_columns_still_tells_names(
    headgate: Headgate, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = headgate("submit", "--name", "etl", "--", "x").strip()
    monkeypatch.setenv("COLUMNS", "60")

    [head, line] = headgate("list").splitlines()

    assert max(len(head.rstrip()), len(line.rstrip())) <= 60
    assert line.split() == [job_id, "SUBMITTED", "etl"]


def test_a_piped_list_has_a_line_a_job_with_all_of_its_name(
    headgate: Headgate, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "n" * 128
    headgate("submit", "--name", name, "--", "x")
    monkeypatch.delenv("COLUMNS")

    shown = headgate("list")

    assert len(shown.splitlines()) == 2
    assert name in shown


def test_empty_lists_say_what_to_do_next(headgate: Headgate) -> None:
    assert headgate("list") == "No jobs yet. Submit one: headgate submit --wait -- echo hello\n"
    assert headgate("list", "--state", "FAILED") == "No such job. Without filters: headgate list\n"
    assert "headgate list" in headgate("queue")


def test_list_shows_whole_ids_and_the_next_page(headgate: Headgate) -> None:
    first, second = (headgate("submit", "--", "x").strip() for _ in range(2))

    page = headgate("list", "--limit", "1")

    assert second in page
    assert first not in page
    assert f"headgate list --limit 1 --after {second}" in page
    assert headgate("list", "--after", first).startswith("No such job.")
    assert f"headgate list --name x --limit 1 --after {second}" in headgate(
        "list", "--limit", "1", "--name", "x"
    )
    assert first in headgate("list", "--after", second)
    assert first not in headgate("list", "--state", "FAILED")
