from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from queue_broker.records import Tasks
from tests.unit.queue_broker.wire.batch import Batch


def test_a_waiting_job_is_cancelled_at_once_with_the_reason_given(batch: Batch) -> None:
    job_id = batch.submit()
    batch.client.cancel_job(jobId=job_id, reason="not needed")
    told = batch.describe(job_id)
    assert (told["status"], told["statusReason"]) == ("FAILED", "not needed")
    assert told["isCancelled"] is True
    assert "startedAt" not in told
    (listed,) = batch.client.list_jobs(jobQueue="default", jobStatus="FAILED")["jobSummaryList"]
    assert listed["isCancelled"] is True


def test_what_waited_for_a_job_that_was_cancelled_was_not_cancelled_itself(batch: Batch) -> None:
    first = batch.submit()
    waits = batch.submit(dependsOn=[{"jobId": first}])
    batch.client.cancel_job(jobId=first, reason="not needed")
    batch.turn()
    told = batch.describe(waits)
    assert (told["status"], told["statusReason"]) == ("FAILED", f"dependency failed: {first}")
    assert "isCancelled" not in told


def test_children_each_tell_what_they_were_cancelled_for(batch: Batch) -> None:
    job_id = batch.submit(arrayProperties={"size": 3})
    batch.client.cancel_job(jobId=f"{job_id}:0", reason="a typo")
    batch.client.cancel_job(jobId=f"{job_id}:1", reason="no more")
    told = [batch.describe(f"{job_id}:{child}") for child in (0, 1)]
    assert [one["statusReason"] for one in told] == ["a typo", "no more"]
    assert all(one["isCancelled"] for one in told)


def test_a_running_job_is_not_cancelled_but_terminated(batch: Batch) -> None:
    batch.engine.at_once = False
    job_id = batch.submit()
    batch.turn()
    batch.client.cancel_job(jobId=job_id, reason="not needed")
    batch.turn()
    assert batch.describe(job_id)["status"] == "RUNNING"
    batch.client.terminate_job(jobId=job_id, reason="enough")
    batch.turn()
    told = batch.describe(job_id)
    assert (told["status"], told["statusReason"]) == ("FAILED", "enough")
    assert told["isTerminated"] is True
    assert told["attempts"][0]["statusReason"] == "enough"


def test_terminating_an_array_ends_all_of_its_children(batch: Batch) -> None:
    batch.engine.at_once = False
    job_id = batch.submit(arrayProperties={"size": 4})
    batch.turn()
    batch.engine.finish(f"{job_id}-1", Tasks([0]))
    batch.turn()
    batch.client.terminate_job(jobId=job_id, reason="enough")
    batch.turn()
    summary = batch.describe(job_id)["arrayProperties"]["statusSummary"]
    assert (summary["SUCCEEDED"], summary["FAILED"]) == (1, 3)
    assert batch.describe(f"{job_id}:2")["statusReason"] == "enough"


def test_one_child_is_terminated_alone(batch: Batch) -> None:
    batch.engine.at_once = False
    job_id = batch.submit(arrayProperties={"size": 2})
    batch.turn()
    batch.client.terminate_job(jobId=f"{job_id}:1", reason="this one")
    batch.turn()
    assert batch.describe(f"{job_id}:0")["status"] == "RUNNING"
    assert batch.describe(f"{job_id}:1")["status"] == "FAILED"


def test_cancelling_an_array_leaves_what_runs(batch: Batch) -> None:
    batch.engine.at_once = False
    job_id = batch.submit(
        arrayProperties={"size": 3}, containerOverrides={"vcpus": 30, "memory": 512}
    )
    batch.turn()
    batch.client.cancel_job(jobId=job_id, reason="no more")
    batch.turn()
    summary = batch.describe(job_id)["arrayProperties"]["statusSummary"]
    assert (summary["RUNNING"], summary["FAILED"]) == (2, 1)


def test_an_unknown_job_is_no_error_as_with_aws(batch: Batch) -> None:
    batch.client.terminate_job(jobId="unknown", reason="x")
    batch.client.cancel_job(jobId="unknown", reason="x")


def test_a_finished_job_stays_as_it_is(batch: Batch) -> None:
    job_id = batch.submit()
    batch.turn()
    batch.client.terminate_job(jobId=job_id, reason="late")
    assert batch.describe(job_id)["status"] == "SUCCEEDED"


def test_several_are_stopped_in_one_call(batch: Batch) -> None:
    jobs = [batch.submit(), batch.submit()]
    answer = batch.client.cancel_jobs(jobs=[*jobs, "unknown"], reason="all")
    assert (answer["successful"], answer["errors"]) == ([*jobs, "unknown"], [])
    assert {batch.describe(one)["status"] for one in jobs} == {"FAILED"}


def test_a_queue_that_is_deleted_takes_its_jobs_with_it(batch: Batch) -> None:
    client = batch.client
    order = [{"order": 1, "computeEnvironment": "headgate"}]
    client.create_job_queue(jobQueueName="q", priority=1, computeEnvironmentOrder=order)
    jobs = [batch.submit(jobQueue="q"), batch.submit(jobQueue="q", arrayProperties={"size": 3})]
    other = batch.submit()
    client.update_job_queue(jobQueue="q", state="DISABLED")
    client.delete_job_queue(jobQueue="q")
    told = [batch.describe(one) for one in jobs]
    assert [(one["status"], one["statusReason"]) for one in told] == [
        ("FAILED", "the job queue was deleted")
    ] * 2
    assert batch.describe(other)["status"] != "FAILED"


def test_more_than_fifty_in_one_call_are_refused(batch: Batch) -> None:
    for stop in (batch.client.cancel_jobs, batch.client.terminate_jobs):
        assert len(stop(jobs=["unknown"] * 50, reason="all")["successful"]) == 50
        with pytest.raises(ClientError, match="length less than or equal to 50"):
            stop(jobs=["unknown"] * 51, reason="all")


@pytest.mark.parametrize("given", [{"jobId": "", "reason": "x"}, {"jobId": "x", "reason": ""}])
def test_an_empty_id_or_reason_is_refused(batch: Batch, given: dict[str, str]) -> None:
    for stop in (batch.client.cancel_job, batch.client.terminate_job):
        with pytest.raises(ClientError, match="length greater than or equal to 1"):
            stop(**given)
