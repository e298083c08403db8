"""The whole path, from a new user's side: submit, run, measure, train, predict better."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from headgate.client import Client
from headgate.errors import BrokerUnreachable, InvalidInput, NotFound
from headgate.estimate import Source
from headgate.job import Dependency, Job
from headgate.lifecycle import Cause, State
from headgate.resources import ResourceRequest
from tests.acceptance.brokers import Broker, free_port, running, wait_until

HOLD_MIB = "import sys; block = b'x' * (int(sys.argv[1]) << 20); print(len(block) >> 20, 'MiB')"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One for all tests that do it no harm; so many cores that only memory says what fits."""
    with running(tmp_path_factory.mktemp("broker"), HEADGATE_LOCAL_VCPU="8") as up:
        yield up


@pytest.fixture(scope="module")
def client(broker: Broker) -> Iterator[Client]:
    with Client(broker.url) as connected:
        yield connected


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Broker]:
    """A broker of the test's own, to be killed and started again."""
    with running(tmp_path / "data") as up:
        yield up


@pytest.fixture
def user(mortal: Broker) -> Iterator[Client]:
    with Client(mortal.url) as connected:
        yield connected


def holding(mib: str, name: str = "hold", **fields: object) -> Job:
    """A job that truly holds some memory; jobs of one name are one family to the predictor."""
    command = (sys.executable, "-c", HOLD_MIB, mib)
    return Job.model_validate({"name": name, "command": command, **fields})


def test_a_first_job_from_the_command_line(broker: Broker) -> None:
    done = broker.run("submit", "--wait", "--", sys.executable, "-c", "print('hello')")

    assert done.returncode == 0, done.stderr
    job_id = re.search(r"[0-9a-f-]{36}", done.stdout + done.stderr)
    assert job_id is not None
    assert broker.run("logs", job_id.group()).stdout == "hello\n"
    assert "SUCCEEDED" in broker.run("status", job_id.group()).stdout


def test_the_readmes_first_job_runs_as_it_is_written(broker: Broker) -> None:
    lines = (Path(__file__).parents[2] / "README.md").read_text().splitlines()
    first = next(line for line in lines if line.startswith("$ headgate submit"))
    (broker.data_dir / "train.py").write_text("import sys\nprint(sys.argv[1:])\n")
    words = shlex.split(first.replace("$PWD", str(broker.data_dir)), comments=True)[2:]

    done = broker.run(*(sys.executable if word == "python" else word for word in words))

    assert done.stdout.endswith("['--depth', '7']\n"), done
    assert done.returncode == 0


def test_a_job_gets_the_exit_code_of_its_command(broker: Broker) -> None:
    failed = broker.run("submit", "--wait", "--", sys.executable, "-c", "raise SystemExit(3)")

    assert failed.returncode != 0


def test_what_a_job_used_is_measured(client: Client) -> None:
    job = client.submit(holding("96", resources=ResourceRequest(memory_mib=512)))

    assert job.wait(progress=False).succeeded
    usage = job.usage()
    assert usage is not None
    assert usage.peak_memory_mib is not None
    assert 96 <= usage.peak_memory_mib < 200
    assert usage.runtime_s > 0


def test_a_kill_for_memory_is_retried_bigger_until_it_fits(client: Client) -> None:
    job = client.submit(holding("200", "never-seen", resources=ResourceRequest(memory_mib=64)))

    assert job.wait(progress=False).succeeded
    first, *_, last = job.attempts()
    assert (first.cause, first.exit_code) == (Cause.OUT_OF_MEMORY, 137)
    assert last.allocation.memory_mib > 200


def test_a_dependency_runs_first_and_its_failure_fails_what_waits(client: Client) -> None:
    first = client.submit(Job(name="first", command=(sys.executable, "-c", "exit(1)")))
    second = client.submit(holding("8", depends_on=(Dependency(job_id=first.id),)))

    assert second.wait(progress=False).state is State.FAILED
    assert second.attempts() == []


def test_a_cancelled_job_is_stopped(client: Client) -> None:
    job = client.submit(
        Job(name="sleep", command=(sys.executable, "-c", "import time; time.sleep(600)"))
    )
    wait_until(lambda: job.status() is State.RUNNING, "the job to run")

    job.cancel()

    assert job.wait(timeout_s=30, progress=False).state is State.FAILED
    assert job.attempts()[-1].cause is Cause.CANCELLED


def test_the_second_sweep_gets_what_the_first_one_taught(broker: Broker, client: Client) -> None:
    """submit -> predict -> pack -> leak -> run -> observe -> train -> predict better."""
    asked = ResourceRequest(vcpu=1, memory_mib=2048)
    template = holding("Ref::mib", "swept", resources=asked)
    first = client.submit_sweep(template, grid={"mib": [16, 48, 96, 160], "seed": list(range(6))})
    assert first.wait(progress=False).succeeded
    assert first.task(0).estimate() is not None

    trained = train_until_history_is_there(broker, tasks=24)
    assert trained.startswith(("promoted", "kept", "no model yet")), trained
    second = client.submit_sweep(template, grid={"mib": [32, 64, 128], "seed": [7, 8]})
    production = client.submit(holding("16", "served", tier="production"))
    assert production.wait(progress=False).succeeded
    assert second.wait(progress=False).succeeded

    for index in range(6):
        task = second.task(index).describe()
        assert task.estimate is not None
        assert task.estimate.source in (Source.MODEL, Source.FAMILY)
        assert task.attempts[0].allocation.memory_mib < 1024
        assert task.attempts[-1].usage is not None


def train_until_history_is_there(broker: Broker, tasks: int) -> str:
    """`headgate train`, once the attempts that just ended have reached the lake."""
    from queue_broker.adapters.lake import FolderLake

    lake = FolderLake(broker.data_dir / "lake")
    wait_until(lambda: len(lake.read()) >= tasks, "the history to reach the lake")
    done = broker.run("train", "--data-dir", str(broker.data_dir))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_tasks_outlive_a_killed_broker_and_run_only_once(mortal: Broker, user: Client) -> None:
    mark = mortal.data_dir / "started"
    script = f"echo x >> {mark}; sleep 2; echo done"
    job = user.submit(Job(name="outlive", command=("/bin/sh", "-c", script)))
    wait_until(mark.exists, "the task to start")

    mortal.kill()
    mortal.start()

    assert job.wait(progress=False).succeeded
    assert mark.read_text() == "x\n"
    assert job.logs().endswith("done\n")


def test_ctrl_c_stops_the_tasks_and_the_next_start_runs_them_again(
    mortal: Broker, user: Client
) -> None:
    mark = mortal.data_dir / "started"
    script = f"echo x >> {mark}; [ $(wc -l < {mark}) -gt 1 ] || sleep 600"
    job = user.submit(Job(name="interrupted", command=("/bin/sh", "-c", script)))
    wait_until(mark.exists, "the task to start")

    assert mortal.stop() == 0
    mortal.start()

    assert job.wait(progress=False).succeeded
    assert [attempt.attempt for attempt in job.attempts()] == [1, 1]


def test_what_was_learnt_outlives_the_broker(mortal: Broker, user: Client) -> None:
    job = holding("64", "remembered", resources=ResourceRequest(memory_mib=2048))
    for _ in range(3):
        assert user.submit(job).wait(progress=False).succeeded
    assert mortal.stop() == 0

    mortal.start()

    def is_known() -> bool:  # it is read back a little at a time
        estimate = user.estimate(job).estimate
        return estimate.source is Source.FAMILY and estimate.allocation.memory_mib < 1024

    wait_until(is_known, "the history to be read back")


def test_a_corrupt_model_is_said_and_the_broker_goes_on(broker: Broker, client: Client) -> None:
    version = broker.data_dir / "models" / "broken"
    version.mkdir(parents=True)
    (version / "card.json").write_text("{")
    (broker.data_dir / "models" / "current").write_text("broken")

    wait_until(
        lambda: "broken" in httpx.get(f"{broker.url}/readyz").text, "the broker to name the model"
    )

    assert client.submit(holding("8")).wait(progress=False).succeeded


def test_a_broker_that_is_not_there_is_named_with_the_way_to_start_one() -> None:
    url = f"http://127.0.0.1:{free_port()}"

    with Client(url) as client, pytest.raises(BrokerUnreachable, match="headgate up") as away:
        client.submit(holding("1"))
    assert url in str(away.value)


def test_bad_input_comes_back_with_the_same_words(client: Client) -> None:
    with pytest.raises(InvalidInput, match=r"tier: got 'urgent'; allowed: one of production"):
        client.submit(holding("1", tier="urgent"))
    with pytest.raises(InvalidInput, match=r"depends_on\.0.job_id: got 'nothing'"):
        client.submit(holding("1", depends_on=[{"job_id": "nothing"}]))
    with pytest.raises(NotFound):
        client.describe("no-such-job")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 422, "valid JSON"),
        (b'{"name": "a", "command": []}', 422, "at least one token"),
        (b'{"name": "a", "command": ["' + b"x" * 40_000 + b'"]}', 413, "30,720 bytes"),
    ],
)
def test_bad_bodies_are_refused_by_field(
    broker: Broker, body: bytes, status: int, words: str
) -> None:
    answer = httpx.post(f"{broker.url}/jobs", content=body)

    assert answer.status_code == status
    assert words in answer.text
