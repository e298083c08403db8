"""luigi's BatchTask, unmodified: it waits for its job, and a failed one is told with its log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.wire_clients import Site, need, site

FLOW = """
import luigi
from luigi.contrib.batch import BatchTask

class Greet(BatchTask):
    who = luigi.Parameter()
    job_definition = "greet"
    poll_time = 1

    @property
    def parameters(self):
        return {"who": self.who}

    def run(self):
        super().run()
        self.output().open("w").close()

    def output(self):
        return luigi.LocalTarget(f"{self.who}.greeted")

class All(luigi.WrapperTask):
    def requires(self):
        return [Greet(who=one, job_name=f"greet-{one}") for one in ("ann", "bob")]
"""
SHELL = ["sh", "-c", 'echo hello "$0"; test "$0" != nobody', "Ref::who"]
LUIGI = ("-m", "luigi", "--module", "flow", "--local-scheduler")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    need("luigi")
    with site(tmp_path_factory.mktemp("luigi")) as found:
        (found.folder / "flow.py").write_text(FLOW)
        found.batch().register_job_definition(
            jobDefinitionName="greet",
            type="container",
            containerProperties={"image": "busybox", "vcpus": 1, "memory": 128, "command": SHELL},
        )
        yield found


def test_its_tasks_run_with_their_parameters(here: Site) -> None:
    done = here.python(*LUIGI, "All")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {one.name for one in here.folder.glob("*.greeted")} == {"ann.greeted", "bob.greeted"}


def test_a_failed_task_is_told_with_its_log(here: Site) -> None:
    done = here.python(*LUIGI, "Greet", "--who", "nobody")
    assert "BatchJobException" in done.stderr
    assert "failed: hello nobody" in done.stderr
    assert not (here.folder / "nobody.greeted").exists()
