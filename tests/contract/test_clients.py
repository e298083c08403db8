"""One suite for both clients, over a real server and a real store."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from headgate import AsyncClient, Client, Job
from headgate.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    PayloadTooLarge,
    Unauthorized,
)
from headgate.lifecycle import State
from queue_broker.settings import Settings
from queue_broker.verdicts import Fail
from tests.factories import ends
from tests.unit.queue_broker.api.serving import Edge, Stage, opened

JOB = Job(name="train", command=("python", "train.py", "Ref::lr"))
Call = Callable[[Any], Any]


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[Stage, str]]:
    yield from opened()


@pytest.fixture
def edge(sqlite_url: str, stage: tuple[Stage, str]) -> Iterator[Edge]:
    edge = Edge(sqlite_url)
    with stage[0].showing(edge):
        yield edge


@pytest.fixture
def call() -> Iterator[Call]:
    """A method's result, awaited if need be: what makes one suite fit both clients."""
    with asyncio.Runner() as runner:

        def result(value: Any) -> Any:
            return runner.run(_await(value)) if inspect.isawaitable(value) else value

        yield result


async def _await(value: Any) -> Any:
    return await value


@pytest.fixture(params=[Client, AsyncClient])
def client(
    request: pytest.FixtureRequest, edge: Edge, stage: tuple[Stage, str], call: Call
) -> Iterator[Any]:
    client = request.param(stage[1])
    yield client
    call(client.close())


def test_a_job_from_submit_to_its_end(client: Any, call: Call, edge: Edge) -> None:
    job = call(client.submit(JOB))
    assert call(job.status()) is State.SUBMITTED
    assert call(job.estimate()) is None

    edge.estimate(job.id, memory_mib=2048)
    leak = edge.leak(job.id)
    edge.fleet.texts[leak.name, 0] = "a line\n" * 20_000
    edge.settle(ends(leak))

    view = call(job.wait(progress=False))
    assert view.succeeded
    assert call(job.estimate()).allocation.memory_mib == 2048
    assert call(job.usage()).peak_memory_mib == 500.0
    assert call(job.logs()) == "a line\n" * 20_000
    assert [attempt.exit_code for attempt in call(job.attempts())] == [0]


def test_a_sweep_and_what_people_do_to_it(client: Any, call: Call, edge: Edge) -> None:
    sweep = call(client.submit_sweep(JOB, grid={"lr": [0.1, 0.2], "seed": range(50)}))
    assert call(sweep.counts()) == {State.SUBMITTED: 100}
    assert call(sweep.task(99).describe()).parameters == {"lr": 0.2, "seed": 49}
    assert call(sweep.task(99).describe()).command == ("python", "train.py", "0.2")

    edge.estimate(sweep.id)
    assert [shape.tasks_waiting for shape in call(sweep.shapes())] == [100]
    assert call(sweep.cancel(range(10))).count == 10
    assert call(sweep.task(10).cancel()).tasks == "10"
    assert call(sweep.retry_failed("0-4")) == 5
    assert call(sweep.counts())[State.FAILED] == 6
    page = call(sweep.tasks(State.FAILED, limit=4))
    assert ([task.index for task in page.tasks], page.next) == ([5, 6, 7, 8], 8)
    assert call(sweep.set_priority(7)).priority == 7
    assert call(sweep.move(tier="interactive")).tier == "interactive"


def test_a_task_that_failed_says_why(client: Any, call: Call, edge: Edge) -> None:
    sweep = call(client.submit_sweep(JOB, grid={"lr": [0.1, 0.2]}))
    edge.estimate(sweep.id)
    leak = edge.leak(sweep.id)
    edge.settle(ends(leak, [1], Fail("exit code 3"), exit_code=3, reason="exit code 3"))

    task = sweep.task(1)

    assert call(task.status()) is State.FAILED
    assert call(task.describe()).reason == "exit code 3"


def test_what_ended_is_a_table_of_what_was_foretold_given_and_used(
    client: Any, call: Call, edge: Edge
) -> None:
    frame = pd.DataFrame({"lr": [at / 8 for at in range(100)], "kind": ["a", "b"] * 50})
    sweep = call(client.submit_sweep(JOB, table=frame))
    edge.estimate(sweep.id, memory_mib=2048)
    leak = edge.leak(sweep.id)
    edge.settle(ends(leak, range(50, 100)))
    edge.settle(ends(leak, range(10)))

    table = pd.DataFrame(call(sweep.results()))

    assert list(table["index"]) == [*range(50, 100), *range(10)]
    assert list(table["parameter.lr"]) == [at / 8 for at in table["index"]]
    assert set(table["parameter.kind"]) == {"a", "b"}
    row = table.iloc[0]
    assert (row["cause"], row["exit_code"], row["attempt"]) == ("exited", 0, 1)
    assert (row["runtime_s"], row["peak_memory_mib"]) == (60, 500)
    assert row["allocation_memory_mib"] == 2048
    assert 0 < row["estimate_memory_mib_p50"] <= row["estimate_memory_mib_p95"]
    assert not call(client.job(call(client.submit(JOB)).id).results())


@pytest.mark.parametrize("kind", ["rows", "iterator", "pandas", "csv", "parquet"])
def test_a_table_in_each_of_its_forms(
    client: Any, call: Call, edge: Edge, kind: str, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"lr": [at / 8 for at in range(5000)], "kind": ["a", "b"] * 2500})
    rows = frame.to_dict("records")
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    forms: dict[str, Any] = {
        "rows": rows,
        "iterator": iter(rows),
        "pandas": frame,
        "csv": tmp_path / "t.csv",
        "parquet": str(tmp_path / "t.parquet"),
    }

    sweep = call(client.submit_sweep(JOB, table=forms[kind]))

    assert call(sweep.describe()).size == 5000
    assert call(sweep.task(4999).describe()).parameters == {"lr": 4999 / 8, "kind": "b"}


def test_boto3_arguments(client: Any, call: Call, edge: Edge) -> None:
    handle = call(
        client.submit(
            jobName="train",
            jobQueue="nightly",
            jobDefinition="train:3",
            containerOverrides={
                "command": ["true"],
                "resourceRequirements": [{"type": "MEMORY", "value": "2048"}],
            },
            arrayProperties={"size": 3},
            dependsOn=[{"type": "SEQUENTIAL"}],
        )
    )

    view = call(handle.describe())
    assert (handle["jobId"], view.queue, view.size) == (view.job_id, "nightly", 3)
    assert view.job["resources"] == {"memory_mib": 2048}


def test_the_fleet(client: Any, call: Call, edge: Edge) -> None:
    job = call(client.submit(JOB))

    assert [view.job_id for view in call(client.jobs(name="train")).jobs] == [job.id]
    assert call(client.describe(job.id)).name == "train"
    assert [one.counts[State.SUBMITTED] for one in call(client.queue()).backlog] == [1]
    assert call(client.models()).current is None
    assert call(client.estimate(JOB)).tier == "interactive"
    assert call(client.job(job.id).status()) is State.SUBMITTED
    assert call(client.sweep(job.id).counts()) == {State.SUBMITTED: 1}


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"tier": "gold"}, InvalidInput, "tier: got 'gold'; allowed: one of production"),
        (
            {"tags": {"headgate:max-starts-per-minute": "many"}},
            InvalidInput,
            "tags.headgate:max-starts-per-minute: got 'many'; allowed: a whole number",
        ),
        ({"priority": 1}, Conflict, "'used' was used for another submission"),
        ({"command": ("x" * 40_000,)}, PayloadTooLarge, "allowed: at most 30,720 bytes"),
    ],
)
def test_a_refused_job_is_refused_in_the_brokers_words(
    client: Any, call: Call, edge: Edge, change: dict[str, Any], kind: type[Exception], words: str
) -> None:
    first = JOB.model_copy(update={"client_token": "used"})
    call(client.submit(first))

    with pytest.raises(kind, match=words):
        call(client.submit(first.model_copy(update=change)))


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        ({"table": [{"lr": 1}, {"x": 1}]}, "table.1.*the first row's columns: lr"),
        ({"grid": {"x": [1]}}, "job.command: got Ref::lr; allowed: a parameter of this sweep: x"),
        (
            {"tags": {"headgate:start-by": "-1"}, "grid": {"lr": [1]}},
            "tags.headgate:start-by: got '-1'; allowed: seconds since the Unix epoch",
        ),
        (
            {"tags": {"headgate:gang": "yes"}, "table": [{"lr": 1}]},
            "tags.headgate:gang: got 'yes'; allowed: true or false",
        ),
        ({"size": 2}, "job.command: got Ref::lr; allowed: a parameter of this sweep: none"),
    ],
)
def test_a_refused_sweep_is_refused_in_the_same_words(
    client: Any, call: Call, edge: Edge, sweep: dict[str, Any], words: str
) -> None:
    job = JOB.model_copy(update={"tags": sweep.get("tags", {})})
    extent = {name: one for name, one in sweep.items() if name != "tags"}
    with pytest.raises(InvalidInput, match=words):
        call(client.submit_sweep(job, **extent))
    assert edge.store.jobs(limit=9) == []


def test_what_is_not_there_is_not_found(client: Any, call: Call, edge: Edge) -> None:
    with pytest.raises(NotFound, match="nobody"):
        call(client.job("nobody").wait())
    job = call(client.submit(JOB))
    with pytest.raises(NotFound, match="no task 1"):
        call(client.sweep(job.id).task(1).status())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_large_table_that_is_refused_at_once_still_says_why(
    sqlite_url: str, stage: tuple[Stage, str], call: Call, asynchronous: bool
) -> None:
    edge = Edge(sqlite_url, Settings(tokens={"secret": "acme"}))
    rows = ({"lr": "x" * 1000} for _ in range(20_000))
    with stage[0].showing(edge):
        client: Any = (AsyncClient if asynchronous else Client)(stage[1], "wrong")

        with pytest.raises(Unauthorized, match="HEADGATE_TOKEN"):
            call(client.submit_sweep(JOB, table=rows))

        call(client.close())


def test_nobody_submits_for_a_rival(sqlite_url: str, stage: tuple[Stage, str]) -> None:
    edge = Edge(sqlite_url, Settings(tokens={"secret": "acme"}))
    with stage[0].showing(edge), Client(stage[1], "secret") as client:
        assert client.submit(JOB).describe().tenant == "acme"

        with pytest.raises(Forbidden, match="of tenant 'acme', not of 'rival'"):
            client.submit(JOB.model_copy(update={"tenant": "rival"}))
