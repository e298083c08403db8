from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from headgate.job import Job
from queue_broker.adapters.engines.instant import Outcome
from queue_broker.records import Tasks
from queue_broker.wire import log_streams
from queue_broker.wire.log_groups import GROUP, group_of
from tests.unit.queue_broker.wire.batch import Batch, refusal


def running(batch: Batch) -> tuple[str, str, Any]:
    """A job that runs: its id, its log stream, and a function that writes to its log."""
    batch.engine.at_once = False
    job_id = batch.submit()
    batch.turn()
    run = batch.engine.world.runs[f"{job_id}-1"]

    def write(text: bytes) -> None:
        run.logs[0] = run.logs.get(0, b"") + text

    return job_id, batch.describe(job_id)["container"]["logStreamName"], write


def read(batch: Batch, stream: str, **more: Any) -> dict[str, Any]:
    asked = {"logGroupName": GROUP, "logStreamName": stream} | more
    return dict(batch.speak("logs").get_log_events(**asked))


def lines(answer: dict[str, Any]) -> list[str]:
    return [one["message"] for one in answer["events"]]


def test_a_log_is_followed_line_by_line_to_its_end(batch: Batch) -> None:
    job_id, stream, write = running(batch)
    write(b"one\ntwo\nthr")
    first = read(batch, stream, startFromHead=True)
    assert lines(first) == ["one", "two"]
    write(b"ee\n")
    second = read(batch, stream, nextToken=first["nextForwardToken"])
    assert lines(second) == ["three"]
    third = read(batch, stream, nextToken=second["nextForwardToken"])
    assert lines(third) == []
    assert third["nextForwardToken"] == second["nextForwardToken"]
    write(b"the end")
    batch.engine.finish(f"{job_id}-1")
    last = read(batch, stream, nextToken=third["nextForwardToken"])
    assert lines(last) == ["the end"]


def test_a_limit_is_kept_and_nothing_is_lost(batch: Batch) -> None:
    _, stream, write = running(batch)
    write("".join(f"Zeile {at} ü\n" for at in range(10)).encode())
    found: list[str] = []
    answer = read(batch, stream, startFromHead=True, limit=4)
    while lines(answer):
        assert len(lines(answer)) <= 4
        found += lines(answer)
        answer = read(batch, stream, nextToken=answer["nextForwardToken"], limit=4)
    assert found == [f"Zeile {at} ü" for at in range(10)]


def test_without_a_direction_the_last_lines_are_told_and_those_before(batch: Batch) -> None:
    _, stream, write = running(batch)
    write(b"".join(b"line %d\n" % at for at in range(10)))
    last = read(batch, stream, limit=3)
    assert lines(last) == ["line 7", "line 8", "line 9"]
    before = read(batch, stream, limit=3, nextToken=last["nextBackwardToken"])
    assert lines(before) == ["line 4", "line 5", "line 6"]


def test_a_log_that_was_not_written_yet_is_empty(batch: Batch) -> None:
    _, stream, _ = running(batch)
    assert lines(read(batch, stream, startFromHead=True)) == []
    assert lines(read(batch, stream)) == []


def test_bytes_that_are_no_text_do_not_stop_the_reader(batch: Batch) -> None:
    job_id, stream, write = running(batch)
    write(b"\xff\xfe\nfine\n")
    batch.engine.finish(f"{job_id}-1")
    assert lines(read(batch, stream, startFromHead=True))[-1] == "fine"


def test_the_first_try_of_a_single_job_has_a_stream_named_by_the_job(batch: Batch) -> None:
    batch.engine.at_once = False
    job_id = batch.submit(retryStrategy={"attempts": 2})
    batch.turn()
    batch.engine.world.runs[f"{job_id}-1"].logs[0] = b"once\n"
    batch.engine.finish(f"{job_id}-1", outcome=Outcome(exit_code=1))
    batch.turn()
    assert lines(read(batch, f"plain/default/{job_id}")) == ["once"]
    newest = batch.describe(job_id)["container"]["logStreamName"]
    assert newest == f"plain/default/{job_id}-2-0"
    with pytest.raises(ClientError):
        read(batch, f"other/default/{job_id}")


def test_a_childs_log_has_a_stream_of_its_own(batch: Batch) -> None:
    job_id = batch.submit(arrayProperties={"size": 2})
    batch.turn()
    batch.engine.world.runs[f"{job_id}-1"].logs[1] = b"child 1\n"
    stream = batch.describe(f"{job_id}:1")["container"]["logStreamName"]
    assert lines(read(batch, stream, startFromHead=True)) == ["child 1"]


def test_streams_are_found_by_their_beginning(batch: Batch) -> None:
    batch.define("other")
    batch.submit(jobDefinition="other")
    _, stream, _ = running(batch)

    def found(prefix: str) -> list[str]:
        answer = batch.speak("logs").describe_log_streams(
            logGroupName=GROUP, logStreamNamePrefix=prefix
        )
        return [one["logStreamName"] for one in answer["logStreams"]]

    assert found(stream) == [stream]
    assert found("plain/") == [stream]
    assert len(found("other/default/")) == 1
    groups = batch.speak("logs").describe_log_groups()["logGroups"]
    assert [one["logGroupName"] for one in groups] == [GROUP]


def test_streams_come_in_pages_by_name_or_by_time(batch: Batch) -> None:
    logs = batch.speak("logs")
    for name in ("b", "a", "c"):
        batch.define(name)
        batch.submit(jobDefinition=name)
        batch.turn()
        batch.clock.now_s += 1.0

    def found(**more: Any) -> str:
        asked = {"logGroupName": GROUP, "PaginationConfig": {"PageSize": 2}} | more
        pages = list(logs.get_paginator("describe_log_streams").paginate(**asked))
        assert [len(page["logStreams"]) for page in pages] == [2, 1]
        return "".join(one["logStreamName"][0] for page in pages for one in page["logStreams"])

    assert found() == "abc"
    assert found(descending=True) == "cba"
    assert found(orderBy="LastEventTime") == "bac"
    assert found(orderBy="LastEventTime", descending=True) == "cab"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"orderBy": "LastEventTime", "logStreamNamePrefix": "a"}, "Cannot order by LastEventTime"),
        ({"nextToken": "nonsense!"}, "nextToken"),
        ({"limit": 51}, "limit"),
    ],
)
def test_what_cannot_be_listed_is_an_invalid_parameter(
    batch: Batch, more: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClientError, match=words) as caught:
        batch.speak("logs").describe_log_streams(logGroupName=GROUP, **more)
    assert refusal(caught.value)[0] == "InvalidParameterException"


@pytest.mark.parametrize(
    ("group", "stream"),
    [
        ("/aws/lambda", "plain/default/x-1-0"),
        (GROUP, "none"),
        (GROUP, "plain/default/x-1-0"),
        (GROUP, "plain/default/x-1-99999999999999999999"),
    ],
)
def test_what_does_not_exist_is_told(batch: Batch, group: str, stream: str) -> None:
    with pytest.raises(ClientError) as caught:
        batch.speak("logs").get_log_events(logGroupName=group, logStreamName=stream)
    assert refusal(caught.value)[0] == "ResourceNotFoundException"


def test_no_client_writes_into_a_log(batch: Batch) -> None:
    with pytest.raises(ClientError) as caught:
        batch.speak("logs").create_log_stream(logGroupName=GROUP, logStreamName="mine")
    assert refusal(caught.value)[0] == "UnknownOperationException"


def test_events_of_a_stream_are_told_by_time(batch: Batch) -> None:
    """From a time on, and before another."""
    _, stream, write = running(batch)
    start_ms = int(batch.clock.now_s * 1000)
    for at in range(4):
        write(b"%d\n" % at)
        batch.clock.now_s += 1.0
        read(batch, stream)
    forward = {"startFromHead": True, "startTime": start_ms + 2000}
    assert lines(read(batch, stream, **forward)) == ["1", "2", "3"]
    assert lines(read(batch, stream, **forward, endTime=start_ms + 3000)) == ["1"]
    assert lines(read(batch, stream, endTime=start_ms + 3000, limit=1)) == ["1"]
    times = [one["timestamp"] - start_ms for one in read(batch, stream)["events"]]
    assert times == [1000, 2000, 3000, 4000]


def test_a_token_that_was_never_given_is_refused(batch: Batch) -> None:
    _, stream, _ = running(batch)
    with pytest.raises(ClientError, match=r"The specified nextToken is invalid\.") as caught:
        read(batch, stream, nextToken="f/x")
    assert refusal(caught.value)[0] == "InvalidParameterException"


def test_the_group_is_found_by_a_part_of_its_name(batch: Batch) -> None:
    logs = batch.speak("logs")

    def found(**asked: Any) -> list[str]:
        return [one["logGroupName"] for one in logs.describe_log_groups(**asked)["logGroups"]]

    assert found(logGroupNamePrefix="/aws/batch") == [GROUP]
    assert found(logGroupNamePattern="batch") == [GROUP]
    assert found(logGroupNamePattern="lambda") == []
    assert found(logGroupIdentifiers=[GROUP]) == [GROUP]
    assert found(logGroupIdentifiers=["other"]) == []
    assert found(logGroupClass="DELIVERY") == []
    with pytest.raises(ClientError, match="mutually exclusive"):
        found(logGroupNamePrefix="/aws", logGroupNamePattern="batch")


def test_a_stream_tells_when_it_was_last_written_to(batch: Batch) -> None:
    job_id, stream, write = running(batch)
    write(b"a\n")
    start_ms = int(batch.clock.now_s * 1000)
    batch.clock.now_s += 5.0

    def told() -> dict[str, Any]:
        asked = {"logGroupName": GROUP, "logStreamNamePrefix": stream}
        return dict(batch.speak("logs").describe_log_streams(**asked)["logStreams"][0])

    assert told()["firstEventTimestamp"] == start_ms
    assert told()["lastEventTimestamp"] == start_ms + 5000
    batch.engine.finish(f"{job_id}-1")
    batch.turn()
    batch.clock.now_s += 5.0
    assert told()["lastIngestionTime"] == start_ms + 5000


def test_children_of_arrays_have_streams_too_and_the_running_ones_come_first(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch.engine.at_once = False
    job_id = batch.submit(arrayProperties={"size": 4})
    batch.turn()
    batch.engine.finish(f"{job_id}-1", Tasks([0, 2]))
    batch.turn()
    logs = batch.speak("logs")

    def found() -> list[str]:
        told = logs.describe_log_streams(logGroupName=GROUP)["logStreams"]
        return [one["logStreamName"].rpartition("-")[2] for one in told]

    assert found() == ["0", "1", "2", "3"]
    monkeypatch.setattr(log_streams, "MOST_CHILDREN", 3)
    assert found() == ["0", "1", "3"]


def define_logging(batch: Batch, name: str, driver: str = "awslogs", **options: str) -> None:
    """Register a definition that says where its jobs' logs are to be."""
    said = {f"awslogs-{key.replace('_', '-')}": value for key, value in options.items()}
    container = {"image": "i", "vcpus": 1, "memory": 64, "command": ["x"]}
    log = {"logDriver": driver, "options": said}
    batch.define(name, containerProperties=container | {"logConfiguration": log})


def test_a_log_is_in_the_group_that_its_definition_names_and_in_batchs_own(batch: Batch) -> None:
    batch.engine.at_once = False
    define_logging(batch, "ours", group="/ours", stream_prefix="us")
    job_id, other = batch.submit(jobDefinition="ours"), batch.submit()
    batch.turn()
    batch.engine.world.runs[f"{job_id}-1"].logs[0] = b"hello\n"
    stream = batch.describe(job_id)["container"]["logStreamName"]
    assert stream == f"us/default/{job_id}"
    for group in ("/ours", GROUP):
        assert lines(read(batch, stream, logGroupName=group)) == ["hello"]
        logs = batch.speak("logs")
        listed = logs.describe_log_streams(logGroupName=group)["logStreams"]
        names = {one["logStreamName"] for one in listed}
        assert (f"plain/default/{other}" in names) is (group == GROUP)
        assert all(f":log-group:{group}:" in one["arn"] for one in listed)
        found = logs.filter_log_events(logGroupName=group)["events"]
        assert [one["message"] for one in found] == ["hello"]


def test_named_groups_are_told_beside_batchs_own(batch: Batch) -> None:
    for name, more in (("a", {"group": "/b"}), ("c", {"stream_prefix": "p"}), ("d", {})):
        define_logging(batch, name, **more)
        batch.submit(jobDefinition=name)
    define_logging(batch, "e", driver="json-file", group="/none")
    batch.submit(jobDefinition="e")
    logs = batch.speak("logs")

    def found(**asked: Any) -> list[str]:
        return [one["logGroupName"] for one in logs.describe_log_groups(**asked)["logGroups"]]

    assert found() == [GROUP, "/b"]
    assert found(logGroupNamePrefix="/b") == ["/b"]
    assert found(logGroupIdentifiers=["/b"]) == ["/b"]
    assert found(limit=1) == [GROUP]


def test_a_client_makes_a_group_and_jobs_log_into_it(batch: Batch) -> None:
    logs = batch.speak("logs")
    logs.create_log_group(logGroupName="/ours", tags={"a": "b"})
    (told,) = logs.describe_log_groups(logGroupNamePrefix="/ours")["logGroups"]
    assert told["creationTime"] == int(batch.clock.now_s * 1000)
    assert logs.describe_log_streams(logGroupName="/ours")["logStreams"] == []
    assert logs.filter_log_events(logGroupName="/ours")["events"] == []
    define_logging(batch, "ours", group="/ours")
    batch.submit(jobDefinition="ours")
    batch.turn()
    assert len(logs.describe_log_streams(logGroupName="/ours")["logStreams"]) == 1
    assert len(logs.describe_log_groups(logGroupNamePrefix="/ours")["logGroups"]) == 1
    with pytest.raises(ClientError, match="got a group that jobs have logs in"):
        logs.delete_log_group(logGroupName="/ours")


@pytest.mark.parametrize("name", [GROUP, "/made", "/named"])
def test_a_group_that_is_there_is_not_made_again(batch: Batch, name: str) -> None:
    logs = batch.speak("logs")
    logs.create_log_group(logGroupName="/made")
    define_logging(batch, "ours", group="/named")
    batch.submit(jobDefinition="ours")
    with pytest.raises(ClientError) as caught:
        logs.create_log_group(logGroupName=name)
    told = "The specified log group already exists"
    assert refusal(caught.value) == ("ResourceAlreadyExistsException", 400, told)


def test_a_group_is_gone_once_it_is_deleted(batch: Batch) -> None:
    logs = batch.speak("logs")
    logs.create_log_group(logGroupName="/made")
    logs.delete_log_group(logGroupName="/made")
    assert logs.describe_log_groups(logGroupNamePrefix="/made")["logGroups"] == []
    with pytest.raises(ClientError, match="The specified log group does not exist"):
        logs.delete_log_group(logGroupName="/made")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"kmsKeyId": "arn:of:a:key"}, "kmsKeyId: got 'arn:of:a:key'; allowed: none"),
        ({"logGroupClass": "DELIVERY"}, "logGroupClass: got 'DELIVERY'; allowed: STANDARD"),
        ({"logGroupName": "a b"}, "at 'logGroupName' failed to satisfy constraint"),
        ({"tags": {"a": "#"}}, "is not a valid value for TagValue"),
    ],
)
def test_a_group_that_logs_are_not_kept_in_is_refused(
    batch: Batch, more: dict[str, Any], words: str
) -> None:
    asked = {"logGroupName": "/made"} | more
    with pytest.raises(ClientError, match=words) as caught:
        batch.speak("logs").create_log_group(**asked)
    assert refusal(caught.value)[0] == "InvalidParameterException"


def test_a_stream_is_not_in_a_group_that_others_name(batch: Batch) -> None:
    define_logging(batch, "ours", group="/ours")
    batch.submit(jobDefinition="ours")
    _, stream, _ = running(batch)
    with pytest.raises(ClientError) as caught:
        read(batch, stream, logGroupName="/ours")
    assert refusal(caught.value)[2] == "The specified log stream does not exist."
    with pytest.raises(ClientError) as caught:
        batch.speak("logs").describe_log_streams(logGroupName="/theirs")
    assert refusal(caught.value)[2] == "The specified log group does not exist."


def test_a_job_of_the_native_api_logs_as_its_definition_says(batch: Batch) -> None:
    define_logging(batch, "ours", group="/ours")
    answer = batch.send("POST", "/jobs", b'{"name": "n", "definition": "ours"}', {})
    assert answer.is_success, answer.text
    groups = batch.speak("logs").describe_log_groups(logGroupNamePrefix="/ours")["logGroups"]
    assert len(groups) == 1


@pytest.mark.parametrize("given", [None, [], {"options": 1}, {"options": {"awslogs-group": 1}}])
def test_nonsense_in_a_jobs_own_words_names_no_group(given: Any) -> None:
    assert group_of(Job(name="n", command=["x"], batch={"logConfiguration": given})) == GROUP
