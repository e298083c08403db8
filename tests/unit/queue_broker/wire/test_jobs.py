from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headgate.lifecycle import Cause
from queue_broker.adapters.engines.instant import Outcome
from queue_broker.adapters.store.standings import SqlDescriber, Wanted
from queue_broker.records import Group, Leak, Standing, Tasks
from queue_broker.wire import jobs
from queue_broker.wire.front import front
from queue_broker.wire.pages import to_token
from queue_broker.wire.service import Wire
from tests.factories import START_S
from tests.unit.queue_broker.wire.batch import Batch

START_MS = int(START_S * 1000)


def all_end(outcome: Outcome) -> Any:
    def script(leak: Leak) -> dict[int, Outcome]:
        return dict.fromkeys(leak.tasks, outcome)

    return script


def names(batch: Batch, **asked: Any) -> list[str]:
    found = batch.client.list_jobs(**asked)["jobSummaryList"]
    return [one["jobName"] for one in found]


def test_a_waiting_job_has_no_times_but_when_it_was_made(batch: Batch) -> None:
    told = batch.describe(batch.submit())
    assert told["status"] == "SUBMITTED"
    assert told["createdAt"] == START_MS
    assert not {"startedAt", "stoppedAt"} & told.keys()
    assert not {"exitCode", "reason", "logStreamName"} & told["container"].keys()
    assert told["attempts"] == []


def test_lists_that_the_service_always_tells_are_told_empty(batch: Batch) -> None:
    told = batch.describe(batch.submit())
    for name in ("attempts", "eksAttempts", "dependsOn", "platformCapabilities"):
        assert told[name] == []


def test_a_running_job_has_started_and_has_a_log(batch: Batch) -> None:
    batch.engine.at_once = False
    job_id = batch.submit()
    batch.turn()
    told = batch.describe(job_id)
    assert (told["status"], told["startedAt"]) == ("RUNNING", START_MS)
    assert "stoppedAt" not in told
    assert told["container"]["logStreamName"].startswith("plain/default/")


def test_a_finished_job_tells_its_attempt(batch: Batch) -> None:
    job_id = batch.submit()
    batch.turn()
    told = batch.describe(job_id)
    assert (told["status"], told["container"]["exitCode"]) == ("SUCCEEDED", 0)
    assert told["statusReason"] == "Essential container in task exited"
    assert told["stoppedAt"] == START_MS
    same = ("logStreamName", "taskArn", "containerInstanceArn")
    assert told["attempts"] == [
        {
            "container": {
                "exitCode": 0,
                "networkInterfaces": [],
                **{name: told["container"][name] for name in same},
            },
            "startedAt": START_MS,
            "stoppedAt": START_MS,
            "statusReason": "Essential container in task exited",
        }
    ]


@pytest.mark.parametrize(
    ("outcome", "status_reason", "reason"),
    [
        (Outcome(exit_code=3), "Essential container in task exited", None),
        (
            Outcome(Cause.TIMEOUT, 137, reason="Job attempt duration exceeded timeout: 60 s"),
            "Job attempt duration exceeded timeout",
            None,
        ),
        (
            Outcome(Cause.NOT_STARTED, 127, reason="no program x"),
            "Task failed to start",
            "CannotStartContainerError: no program x",
        ),
    ],
)
def test_a_failure_is_told_in_the_services_words(
    batch: Batch, outcome: Outcome, status_reason: str, reason: str | None
) -> None:
    batch.engine.script = all_end(outcome)
    job_id = batch.submit()
    batch.turn()
    told = batch.describe(job_id)
    assert (told["status"], told["statusReason"]) == ("FAILED", status_reason)
    assert told["container"]["exitCode"] == outcome.exit_code
    assert told["container"].get("reason") == reason


def test_a_kill_for_memory_is_told_as_such_and_so_is_the_bigger_try(batch: Batch) -> None:
    killed = Outcome(Cause.OUT_OF_MEMORY, 137)
    batch.engine.script = lambda leak: {} if leak.attempt > 1 else {0: killed}
    job_id = batch.submit()
    batch.turn()
    told = batch.describe(job_id)
    assert told["status"] == "SUCCEEDED"
    first = told["attempts"][0]["container"]
    assert first["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    assert int(told["tags"]["headgate:given-memory-mib"]) > 128
    assert told["tags"]["headgate:given-by"]


def test_a_job_that_got_what_it_asked_for_has_its_own_tags_only(batch: Batch) -> None:
    job_id = batch.submit(tags={"a": "b"}, containerOverrides={"vcpus": 1, "memory": 512})
    batch.turn()
    assert batch.describe(job_id)["tags"] == {"a": "b"}


def test_an_array_tells_how_many_children_stand_where(batch: Batch) -> None:
    batch.engine.at_once = False
    job_id = batch.submit(arrayProperties={"size": 3})
    assert batch.describe(job_id)["status"] == "SUBMITTED"
    batch.turn()
    batch.engine.finish(f"{job_id}-1", Tasks([1]), Outcome(exit_code=4))
    batch.turn()
    told = batch.describe(job_id)
    assert (told["status"], told["attempts"]) == ("PENDING", [])
    summary = told["arrayProperties"]["statusSummary"]
    assert (summary["RUNNING"], summary["FAILED"], summary["SUCCEEDED"]) == (2, 1, 0)
    assert told["arrayProperties"]["size"] == 3


def test_a_child_is_told_by_its_own_id(batch: Batch) -> None:
    batch.engine.script = lambda leak: {1: Outcome(exit_code=4)}
    job_id = batch.submit(arrayProperties={"size": 3})
    batch.turn()
    told = batch.describe(f"{job_id}:1")
    assert (told["jobId"], told["arrayProperties"]["index"]) == (f"{job_id}:1", 1)
    assert (told["status"], told["container"]["exitCode"]) == ("FAILED", 4)
    assert batch.describe(f"{job_id}:2")["status"] == "SUCCEEDED"
    assert batch.describe(job_id)["status"] == "FAILED"


def test_no_array_has_a_child_of_thousands_of_digits(batch: Batch) -> None:
    job_id = batch.submit(arrayProperties={"size": 3})
    wanted = [f"{job_id}:{'9' * 5000}", f"{job_id}:{'0' * 5000}1"]
    (told,) = batch.client.describe_jobs(jobs=[*wanted, f"{job_id}#{'9' * 5000}"])["jobs"]
    assert told["jobId"] == f"{job_id}:1"


def test_jobs_are_told_in_the_order_asked_and_unknown_ones_left_out(batch: Batch) -> None:
    first, second = batch.submit(), batch.submit(arrayProperties={"size": 2})
    asked = [second, "unknown", f"{second}:7", f"{first}:0", first, f"{second}:0", first]
    answer = batch.client.describe_jobs(jobs=asked)["jobs"]
    assert [one["jobId"] for one in answer] == [second, first, f"{second}:0"]


def test_the_command_is_told_as_it_runs(batch: Batch) -> None:
    job_id = batch.submit(
        containerOverrides={"command": ["run", "Ref::what"]}, parameters={"what": "this"}
    )
    told = batch.describe(job_id)
    assert told["container"]["command"] == ["run", "this"]
    assert told["parameters"] == {"what": "this"}


def test_a_retry_strategy_is_told_as_it_was_given(batch: Batch) -> None:
    rules = [
        {"action": "RETRY", "onStatusReason": "Host EC2*"},
        {"action": "EXIT", "onReason": "*"},
    ]
    job_id = batch.submit(retryStrategy={"attempts": 3, "evaluateOnExit": rules})
    told = batch.describe(job_id)["retryStrategy"]
    assert told["attempts"] == 3
    assert told["evaluateOnExit"][0] == {"onStatusReason": "Host EC2*", "action": "retry"}


def test_more_than_a_hundred_jobs_at_once_are_refused_in_awss_words(batch: Batch) -> None:
    with pytest.raises(ClientError, match="Maximum number of jobs supported is 100"):
        batch.client.describe_jobs(jobs=["x"] * 101)


def test_running_jobs_are_listed_unless_another_state_is_asked_for(batch: Batch) -> None:
    batch.submit(jobName="done")
    batch.turn()
    batch.engine.at_once = False
    batch.submit(jobName="runs")
    batch.turn()
    batch.submit(jobName="waits")
    assert names(batch, jobQueue="default") == ["runs"]
    assert names(batch, jobQueue="default", jobStatus="SUCCEEDED") == ["done"]
    assert names(batch, jobQueue="default", jobStatus="SUBMITTED") == ["waits"]
    assert names(batch, jobQueue="production") == []


def test_an_array_is_listed_as_pending_until_it_is_finished(batch: Batch) -> None:
    batch.engine.at_once = False
    job_id = batch.submit(jobName="array", arrayProperties={"size": 2})
    batch.turn()
    assert names(batch, jobQueue="default", jobStatus="PENDING") == ["array"]
    assert names(batch, jobQueue="default", jobStatus="RUNNING") == []
    batch.engine.finish(f"{job_id}-1")
    batch.turn()
    assert names(batch, jobQueue="default", jobStatus="SUCCEEDED") == ["array"]


def test_children_are_listed_by_state_and_in_pages(batch: Batch) -> None:
    batch.engine.script = lambda leak: {3: Outcome(exit_code=1)}
    job_id = batch.submit(arrayProperties={"size": 5})
    batch.turn()
    paginator = batch.client.get_paginator("list_jobs")
    pages = paginator.paginate(
        arrayJobId=job_id, jobStatus="SUCCEEDED", PaginationConfig={"PageSize": 2}
    )
    found = [one["arrayProperties"]["index"] for page in pages for one in page["jobSummaryList"]]
    assert found == [0, 1, 2, 4]
    failed = batch.client.list_jobs(arrayJobId=job_id, jobStatus="FAILED")["jobSummaryList"]
    assert [(one["jobId"], one["container"]["exitCode"]) for one in failed] == [(f"{job_id}:3", 1)]
    assert names(batch, arrayJobId=job_id) == []
    assert names(batch, arrayJobId="unknown") == []


def test_filters_look_at_jobs_in_any_state(batch: Batch) -> None:
    batch.define("other")
    batch.submit(jobName="alpha-1")
    batch.turn()
    batch.clock.now_s += 10
    batch.submit(jobName="Alpha-2", jobDefinition="other")
    batch.submit(jobName="beta")

    def filtered(name: str, value: str) -> list[str]:
        asked = [{"name": name, "values": [value]}]
        return names(batch, jobQueue="default", filters=asked)

    assert filtered("JOB_NAME", "alpha*") == ["Alpha-2", "alpha-1"]
    assert filtered("JOB_NAME", "ALPHA-1") == ["alpha-1"]
    assert filtered("JOB_NAME", "al%") == []
    assert filtered("JOB_DEFINITION", "other") == ["Alpha-2"]
    assert filtered("JOB_DEFINITION", "plain:1") == ["beta", "alpha-1"]
    assert filtered("JOB_DEFINITION", "oth*") == ["Alpha-2"]
    assert filtered("BEFORE_CREATED_AT", str(START_MS + 5_000)) == ["alpha-1"]
    assert filtered("AFTER_CREATED_AT", str(START_MS + 5_000)) == ["beta", "Alpha-2"]


def test_of_the_jobs_that_a_filter_looks_at_only_those_it_lets_through_are_read_further(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for share in ("A", "B", "B", "B"):
        batch.submit(jobName=f"of-{share}", shareIdentifier=share)
    tell, asked = SqlDescriber.standings, list[int]()

    def counted(self: SqlDescriber, wanted: Wanted) -> list[Standing]:
        asked.append(len(wanted))
        return tell(self, wanted)

    monkeypatch.setattr(SqlDescriber, "standings", counted)
    mine = [{"name": "SHARE_IDENTIFIER", "values": ["A"]}]

    assert names(batch, jobQueue="default", filters=mine) == ["of-A"]
    assert asked == [1]


def test_a_share_and_a_state_are_looked_for_together(batch: Batch) -> None:
    batch.submit(jobName="done", shareIdentifier="A")
    batch.turn()
    batch.submit(jobName="waits", shareIdentifier="A")
    batch.submit(jobName="others", shareIdentifier="B")
    asked = {"jobQueue": "default", "filters": [{"name": "SHARE_IDENTIFIER", "values": ["A"]}]}
    assert names(batch, **asked) == ["waits", "done"]
    assert names(batch, **asked, jobStatus="SUCCEEDED") == ["done"]
    listed = batch.client.list_jobs(**asked)["jobSummaryList"]
    assert {one["shareIdentifier"] for one in listed} == {"A"}


def test_lists_come_in_pages_newest_first(batch: Batch) -> None:
    for at in range(5):
        batch.submit(jobName=f"job-{at}")
    pages = list(
        batch.client.get_paginator("list_jobs").paginate(
            jobQueue="default", jobStatus="SUBMITTED", PaginationConfig={"PageSize": 2}
        )
    )
    assert len(pages) == 3
    found = [one["jobName"] for page in pages for one in page["jobSummaryList"]]
    assert found == [f"job-{at}" for at in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "one of jobQueue, arrayJobId, multiNodeJobId"),
        ({"jobQueue": "default", "arrayJobId": "x"}, "one of jobQueue, arrayJobId"),
        ({"jobQueue": "nowhere"}, "JobQueue nowhere not found."),
        ({"jobQueue": "default", "jobStatus": "DONE"}, "enum value set"),
        ({"jobQueue": "default", "filters": [{"name": "X", "values": ["y"]}]}, "JOB_NAME"),
        (
            {"jobQueue": "default", "filters": [{"name": "AFTER_CREATED_AT", "values": ["now"]}]},
            "milliseconds",
        ),
        ({"jobQueue": "default", "filters": [{"name": "JOB_NAME", "values": []}]}, "values"),
        (
            {"jobQueue": "default", "filters": [{"name": "JOB_NAME", "values": ["a", "b"]}]},
            "Exception : Filter cannot take more than one value., RequestId",
        ),
        (
            {"jobQueue": "default", "filters": [{"name": "JOB_NAME", "values": ["a"]}] * 2},
            "Exception : Only one filter key-value pair can be specified., RequestId",
        ),
        ({"jobQueue": "default", "nextToken": "zzz"}, "nextToken"),
        ({"jobQueue": "default", "nextToken": to_token(["another list's", 1])}, "nextToken"),
        ({"arrayJobId": "x", "nextToken": to_token(2**31)}, "nextToken"),
        ({"jobQueue": "default", "nextToken": to_token("no\0id")}, "nextToken"),
        ({"jobQueue": "default", "nextToken": to_token("no\ud800id")}, "nextToken"),
    ],
)
def test_a_bad_list_is_refused(batch: Batch, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(ClientError) as caught:
        batch.client.list_jobs(**asked)
    assert words in str(caught.value)


def test_a_snapshot_tells_the_front_of_a_queue_in_the_order_of_tiers_and_shares(
    batch: Batch,
) -> None:
    batch.engine.at_once = False
    big = {"containerOverrides": {"vcpus": 60, "memory": 512}}
    batch.submit(jobName="runs", shareIdentifier="A", **big)
    batch.turn()
    batch.submit(jobName="a-1", shareIdentifier="A", **big)
    batch.submit(jobName="a-2", shareIdentifier="A", schedulingPriorityOverride=9, **big)
    batch.submit(jobName="b-1", shareIdentifier="B", **big)
    batch.submit(jobName="urgent", tags={"headgate:tier": "production"}, **big)
    batch.turn()
    answer = batch.send("POST", "/v1/getjobqueuesnapshot", b'{"jobQueue": "default"}', {}).json()
    front = answer["frontOfQueue"]["jobs"]
    described = [batch.describe(one["jobArn"]) for one in front]
    assert [one["jobName"] for one in described] == ["urgent", "b-1", "a-2", "a-1"]
    assert [one["reason"] for one in front] == [one["statusReason"] for one in described]
    assert batch.client.get_job_queue_snapshot(jobQueue="default")["frontOfQueue"]["jobs"]
    assert batch.client.get_job_queue_snapshot(jobQueue="sweep")["frontOfQueue"]["jobs"] == []


def test_a_snapshot_goes_no_further_down_the_queue_than_it_tells(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch.engine.at_once = False
    for name in ("runs", "first", "second", "third"):
        batch.submit(jobName=name, containerOverrides={"vcpus": 60, "memory": 512})
    batch.turn()
    looked_at: list[str] = []

    def looking(wire: Wire) -> Iterator[Group]:
        for group in front(wire):
            looked_at.append(group.job.name)
            yield group

    monkeypatch.setattr(jobs, "front", looking)
    monkeypatch.setattr(jobs, "FRONT", 2)
    told = batch.client.get_job_queue_snapshot(jobQueue="default")["frontOfQueue"]["jobs"]

    assert len(told) == 2
    assert looked_at == ["first", "second"]
