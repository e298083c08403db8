"""redun's AWS Batch executor, unmodified: an array, a script task, one that fails, and its log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.wire_clients import Site, need, site

FLOW = """
from redun import script, task

redun_namespace = "squares"

@task(executor="batch")
def square(number):
    return number ** 2

@task(executor="batch")
def total(numbers):
    return sum(numbers)

@task()
def main():
    return total([square(number) for number in range(6)])

@task(executor="batch", script=True)
def greet():
    return "echo hello from a script"

@task(executor="batch")
def fail():
    print("it was here")
    raise ValueError("no luck")
"""
CONFIG = """
[backend]
db_uri = sqlite:///redun.db

[executors.batch]
type = aws_batch
image = redun
queue = default
role = none
s3_scratch = s3://redun/scratch
memory = 1
job_monitor_interval = 0.5
job_stale_time = 3
min_array_size = 5
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    need("redun")
    with site(tmp_path_factory.mktemp("redun")) as found:
        (found.folder / "flow.py").write_text(FLOW)
        settings = found.folder / ".redun"
        settings.mkdir()
        (settings / "redun.ini").write_text(CONFIG)
        found.make_bucket("redun")
        yield found


def test_what_is_alike_is_submitted_as_one_array(here: Site) -> None:
    done = here.command("redun", "run", "flow.py", "main")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split()[-1] == "55"
    listed = here.batch().list_jobs(jobQueue="default", jobStatus="SUCCEEDED")["jobSummaryList"]
    sizes = [one.get("arrayProperties", {}).get("size") for one in listed]
    assert sorted(sizes, key=str) == [6, None]


def test_a_script_tells_its_output(here: Site) -> None:
    done = here.command("redun", "run", "flow.py", "greet")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hello from a script" in done.stdout


def test_a_failed_task_is_told_with_its_error_and_its_log(here: Site) -> None:
    done = here.command("redun", "run", "flow.py", "fail")
    assert done.returncode != 0
    told = done.stdout + done.stderr
    assert "ValueError" in told
    assert "it was here" in told
