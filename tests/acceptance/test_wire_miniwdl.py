"""miniwdl's AWS Batch backend, unmodified: a WDL workflow with a scatter and a retried task."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.acceptance.wire_clients import Site, need, site

WORKFLOW = """
version 1.0
workflow sums {
  scatter (i in range(3)) { call double { input: i = i } }
  call add { input: parts = double.out }
  output { Int sum = add.sum }
}
task double {
  input { Int i }
  command <<<
    if [ ~{i} = 1 ] && [ ! -e ../../tried ]; then touch ../../tried; exit 3; fi
    echo $((~{i} * 2)) > doubled
  >>>
  output { File out = "doubled" }
  runtime { docker: "busybox" memory: "1G" cpu: 1 maxRetries: 1 }
}
task add {
  input { Array[File] parts }
  command <<< cat ~{sep=" " parts} | awk '{ s += $1 } END { print s }' >>>
  output { Int sum = read_int(stdout()) }
  runtime { docker: "busybox" }
}
"""
FAILS = """
version 1.0
task fails {
  command <<< exit 7 >>>
  output {}
  runtime { docker: "busybox" }
}
"""
#: Batch mounts a file system where the workflow has it; here it is the machine's own.
CONFIG = """
[scheduler]
container_backend = aws_batch_job_no_efs
[file_io]
root = {root}
[aws]
task_queue = default
retry_wait = 1
submit_period = 0.1
describe_period = 0.2
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    need("miniwdl_aws")
    with site(tmp_path_factory.mktemp("miniwdl")) as found:
        (found.folder / "sums.wdl").write_text(WORKFLOW)
        (found.folder / "fails.wdl").write_text(FAILS)
        (found.folder / "miniwdl.cfg").write_text(CONFIG.format(root=found.folder))
        yield found


def test_a_scatter_is_gathered_and_its_failed_task_tried_again(here: Site) -> None:
    done = here.python("-m", "WDL", "run", "--cfg", "miniwdl.cfg", "sums.wdl")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outputs"] == {"sums.sum": 6}
    assert "will be retried" in done.stderr


def test_a_task_that_fails_is_told_with_its_exit_code_and_its_log(here: Site) -> None:
    done = here.python("-m", "WDL", "run", "--cfg", "miniwdl.cfg", "fails.wdl")
    assert done.returncode != 0
    assert "exit status 7" in done.stderr
    assert "logStreamName" in done.stderr
