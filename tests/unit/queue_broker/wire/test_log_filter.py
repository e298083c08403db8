from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from queue_broker.wire import log_filter
from queue_broker.wire.log_groups import GROUP
from tests.factories import START_S
from tests.unit.queue_broker.wire.batch import Batch, refusal

START_MS = int(START_S * 1000)
STREAMS = {"red": "red/default", "blue": "blue/default"}


class Two:
    """Two jobs that run, and write what a test says."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.logs = batch.speak("logs")
        batch.engine.at_once = False
        self.ids = {}
        for name in STREAMS:
            batch.define(name)
            self.ids[name] = batch.submit(jobDefinition=name)
        batch.turn()

    def stream(self, name: str) -> str:
        return f"{STREAMS[name]}/{self.ids[name]}"

    def write(self, name: str, *lines: str) -> None:
        logs = self.batch.engine.world.runs[f"{self.ids[name]}-1"].logs
        logs[0] = logs.get(0, b"") + "".join(f"{one}\n" for one in lines).encode()

    def asked(self, **asked: Any) -> dict[str, Any]:
        return dict(self.logs.filter_log_events(logGroupName=GROUP, **asked))

    def told(self, **asked: Any) -> list[str]:
        return [one["message"] for one in self.asked(**asked)["events"]]

    def after(self, seconds: float) -> None:
        """Time passes, and somebody looks."""
        self.batch.clock.now_s += seconds
        self.asked()


@pytest.fixture
def two(batch: Batch) -> Two:
    return Two(batch)


def test_events_of_several_streams_come_by_time(two: Two) -> None:
    for at in range(3):
        two.write("red", f"red {at}")
        two.after(1.0)
        two.write("blue", f"blue {at}")
        two.after(1.0)
    assert two.told() == ["red 0", "blue 0", "red 1", "blue 1", "red 2", "blue 2"]
    event = two.asked()["events"][1]
    assert event["logStreamName"] == two.stream("blue")
    assert event["timestamp"] == START_MS + 2000
    assert len({one["eventId"] for one in two.asked()["events"]}) == 6


def test_streams_are_chosen_by_name_or_by_how_they_begin(two: Two) -> None:
    two.write("red", "red")
    two.write("blue", "blue")
    assert two.told(logStreamNames=[two.stream("red")]) == ["red"]
    assert two.told(logStreamNamePrefix="blue/") == ["blue"]
    assert two.told(logStreamNamePrefix="green/") == []
    assert sorted(two.told(logStreamNames=[two.stream(one) for one in STREAMS])) == ["blue", "red"]


def test_a_range_of_time_has_both_its_ends(two: Two) -> None:
    for at in range(5):
        two.write("red", f"{at}")
        two.after(1.0)
    asked = {"startTime": START_MS + 2000, "endTime": START_MS + 4000}
    assert two.told(**asked) == ["1", "2", "3"]
    assert two.told(startTime=START_MS + 100_000) == []
    assert two.told(endTime=1) == []


def test_only_what_matches_the_pattern_is_told(two: Two) -> None:
    two.write("red", "ERROR 1", "fine", "ERROR 2 again")
    assert two.told(filterPattern="ERROR -again") == ["ERROR 1"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_pages_have_every_event_once_and_end(two: Two, size: int) -> None:
    for at in range(4):
        two.write("red", f"red {at}", f"RED {at}")
        two.write("blue", f"blue {at}")
        two.after(1.0)
    paginator = two.logs.get_paginator("filter_log_events")
    pages = list(paginator.paginate(logGroupName=GROUP, PaginationConfig={"PageSize": size}))
    assert all(len(page["events"]) <= size for page in pages)
    told = [one["message"] for page in pages for one in page["events"]]
    assert told == two.told()
    assert len(set(told)) == 12


def test_the_newest_come_first_where_that_is_asked_for(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_filter, "BACKWARD_SINCE_MS", START_MS)
    for at in range(4):
        two.write("red", f"red {at}")
        two.write("blue", f"blue {at}")
        two.after(1.0)
    asked = {"startFromHead": False, "startTime": START_MS}
    backward = two.told(**asked)
    assert backward == two.told()[::-1]
    first = two.asked(**asked, limit=3)
    rest = two.asked(nextToken=first["nextToken"], startTime=START_MS)
    both = [one["message"] for page in (first, rest) for one in page["events"]]
    assert both == backward


def test_who_follows_by_time_misses_no_line_of_any_stream(two: Two) -> None:
    """As `aws logs tail --follow` does: from the newest time on, without those seen before."""
    seen: dict[str, str] = {}
    newest = 0
    for at in range(6):
        two.write("red" if at % 2 else "blue", f"{at} a", f"{at} b")
        two.batch.clock.now_s += 0.5
        for event in two.asked(startTime=newest)["events"]:
            seen.setdefault(event["eventId"], event["message"])
            newest = max(newest, event["timestamp"])
    assert list(seen.values()) == [f"{at} {one}" for at in range(6) for one in "ab"]


def test_a_token_that_is_asked_again_tells_what_was_written_since(two: Two) -> None:
    """As `awslogs get --watch` does."""
    two.write("red", "one", "two")
    token = two.asked(limit=1)["nextToken"]
    assert two.told(nextToken=token) == ["two"]
    two.batch.clock.now_s += 1.0
    two.write("red", "three")
    assert two.told(nextToken=token) == ["two", "three"]


def test_a_page_in_which_nothing_matched_leads_on(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_filter, "MOST_SCANNED", 10)
    two.write("red", *(f"line {at}" for at in range(25)), "the needle")
    paginator = two.logs.get_paginator("filter_log_events")
    pages = list(paginator.paginate(logGroupName=GROUP, filterPattern="needle"))
    assert [len(page["events"]) for page in pages] == [0, 0, 1]


def test_a_page_holds_no_more_than_it_may_weigh(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_filter, "MOST_BYTES", 100)
    two.write("red", *("x" * 50 for _ in range(5)))
    paginator = two.logs.get_paginator("filter_log_events")
    pages = list(paginator.paginate(logGroupName=GROUP))
    assert [len(page["events"]) for page in pages] == [2, 2, 1]


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        ({"limit": 10_001}, "InvalidParameterException", "less than or equal to 10000"),
        ({"nextToken": "x"}, "InvalidParameterException", "The specified nextToken is invalid."),
        ({"nextToken": "W10="}, "InvalidParameterException", "The specified nextToken is invalid."),
        ({"filterPattern": "{ $.a = 1 }"}, "InvalidParameterException", "JSON pattern"),
        ({"startFromHead": False}, "InvalidParameterException", "startTime"),
        (
            {"logStreamNames": ["a"], "logStreamNamePrefix": "a"},
            "InvalidParameterException",
            "one of them",
        ),
        ({"logStreamNames": ["a"]}, "ResourceNotFoundException", "log stream does not exist"),
        (
            {"logGroupIdentifier": GROUP},
            "ValidationException",
            "LogGroup name and LogGroup ARN are mutually exclusive parameters.",
        ),
    ],
)
def test_what_cannot_be_searched_is_told_in_cloudwatchs_words(
    two: Two, asked: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(ClientError, match=words) as caught:
        two.asked(**asked)
    assert refusal(caught.value)[0] == code


def test_another_group_does_not_exist(two: Two) -> None:
    with pytest.raises(ClientError, match="log group does not exist"):
        two.logs.filter_log_events(logGroupName="/aws/lambda/x")
