from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from headgate.lifecycle import State
from queue_broker.core.memory import Memory
from queue_broker.records import JobId, JobRecord, Standing, Table
from queue_broker.wire.details import About, write
from queue_broker.wire.names import Place
from queue_broker.wire.service import Answer
from tests.factories import START_S, a_job

PLACE = Place("eu-central-1", "123456789012")


def an_about(job_id: str = "j", state: State = State.SUCCEEDED) -> About:
    job = a_job(tags={"a": "1"})
    record = JobRecord(
        JobId(job_id), job, "t", "sweep", 0, 1, False, Table.NONE, START_S, {state: 1}
    )
    return About(Standing(record, None, state), {}, None, PLACE)


@pytest.fixture
def memory() -> Memory[str, tuple[Any, bytes]]:
    return Memory(10)


@pytest.fixture
def told_anew(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the jobs whose details were made, not remembered."""
    made: list[str] = []
    tell = About.told

    def counted(about: About) -> Answer:
        made.append(about.standing.record.job_id)
        return tell(about)

    monkeypatch.setattr(About, "told", counted)
    return made


def test_what_stands_as_it_stood_is_told_as_it_was(memory: Any, told_anew: list[str]) -> None:
    abouts = [an_about("b"), an_about("a")]
    first = write(memory, abouts)
    assert [json.loads(one)["jobId"] for one in first] == ["b", "a"]
    assert write(memory, abouts[::-1]) == first[::-1]
    assert told_anew == ["b", "a"]


def test_a_job_that_is_asked_for_twice_is_told_twice(memory: Any, told_anew: list[str]) -> None:
    about = an_about()
    assert len(write(memory, [about, about])) == 2
    assert told_anew == ["j"]


@pytest.mark.parametrize(
    ("change", "member", "told"),
    [
        ({"standing": an_about(state=State.FAILED).standing}, "status", "FAILED"),
        ({"tags": {"b": "2"}}, "tags", {"b": "2"}),
        ({"definition": {"propagateTags": True}}, "propagateTags", True),
        ({"place": Place("us-east-1", "1")}, "jobArn", "arn:aws:batch:us-east-1:1:job/j"),
    ],
    ids=["standing", "tags", "definition", "place"],
)
def test_whatever_changed_is_told(
    memory: Any, change: dict[str, Any], member: str, told: object
) -> None:
    before = an_about()
    [first] = write(memory, [before])
    [second] = write(memory, [replace(before, **change)])
    assert json.loads(second)[member] == told != json.loads(first)[member]
    assert write(memory, [before]) == [first]
