from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from headgate.errors import Unavailable
from queue_broker.adapters.engines.aws.fleet import Fleet
from queue_broker.adapters.engines.aws.notices import MOST_RECEIVED, Notices
from tests.unit.queue_broker.adapters.engines.aws.batch import FakeBatch, a_queue, error

QUEUE = "arn:aws:batch:eu-central-1:123456789012:job-queue/lane"


class Sqs:
    """A queue that gives ten messages a call, and remembers which were deleted."""

    def __init__(self, *bodies: str) -> None:
        self.bodies, self.deleted, self.receipts = list(bodies), list[str](), 0

    def receive_message(self, **given: Any) -> dict[str, Any]:
        assert given == {"QueueUrl": "url", "MaxNumberOfMessages": 10}
        self.receipts += 1
        some, self.bodies = self.bodies[:10], self.bodies[10:]
        return {"Messages": [{"Body": one, "ReceiptHandle": one} for one in some]} if some else {}

    def delete_message_batch(self, **given: Any) -> None:
        entries = given["Entries"]
        assert len({one["Id"] for one in entries}) == len(entries) <= 10
        self.deleted += [one["ReceiptHandle"] for one in entries]


class Ears:
    """What was heard, and the lanes."""

    def __init__(self, *bodies: str) -> None:
        self.heard: list[Mapping[str, Any]] = []
        self.sqs = Sqs(*bodies)
        batch: Any = FakeBatch(queues={"lane": a_queue()})
        self.fleet = Fleet(batch, "headgate", lambda: 0.0)
        self.notices = Notices(self.sqs, "url", self.heard.append, self.fleet)  # type: ignore[arg-type]


def change(job_id: str) -> str:
    detail = {"jobId": job_id, "status": "RUNNING"}
    return json.dumps({"detail-type": "Batch Job State Change", "detail": detail})


def test_all_that_is_there_is_heard_ten_a_call_and_deleted() -> None:
    bodies = [change(f"id-{n}") for n in range(25)]
    ears = Ears(*bodies)

    assert ears.notices.read() == 25

    assert [one["jobId"] for one in ears.heard] == [f"id-{n}" for n in range(25)]
    assert ears.sqs.deleted == bodies
    assert ears.sqs.receipts == 4


def test_a_flood_is_heard_a_bounded_part_at_a_time() -> None:
    ears = Ears(*(change(f"id-{n}") for n in range(10 * MOST_RECEIVED + 7)))

    assert ears.notices.read() == 10 * MOST_RECEIVED
    assert ears.notices.read() == 7


def test_nothing_is_deleted_that_was_not_heard() -> None:
    ears = Ears(change("id-1"))

    def deaf(detail: Mapping[str, Any]) -> None:
        raise RuntimeError

    ears.notices.hear = deaf
    with pytest.raises(RuntimeError):
        ears.notices.read()

    assert ears.sqs.deleted == []


@pytest.mark.parametrize("body", ["{", "[]", "3", '{"detail-type": "x"}', '{"detail": {}}'])
def test_what_is_no_event_is_said_and_dropped(body: str, caplog: pytest.LogCaptureFixture) -> None:
    ears = Ears(body, change("id-1"))

    with caplog.at_level(logging.WARNING):
        assert ears.notices.read() == 2

    assert [one["jobId"] for one in ears.heard] == ["id-1"]
    assert "not an event" in caplog.text


def test_events_of_other_kinds_change_nothing() -> None:
    ears = Ears(json.dumps({"detail-type": "EC2 Instance State Change", "detail": {}}))

    ears.notices.read()

    assert ears.heard == []
    assert [lane.closed for lane in ears.fleet.lanes()] == [None]


def test_a_blocked_queue_shuts_its_lane_with_the_reason() -> None:
    why = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity"
    event = {"detail-type": "Batch Job Queue Blocked", "resources": ["arn:x", QUEUE]}
    ears = Ears(json.dumps(event | {"detail": {"statusReason": why}}))

    ears.notices.read()

    assert [lane.closed for lane in ears.fleet.lanes()] == [why]


def test_a_queue_of_events_that_is_away_is_named() -> None:
    ears = Ears()

    def away(**_: Any) -> dict[str, Any]:
        raise error("AWS.SimpleQueueService.NonExistentQueue", "gone")

    ears.sqs.receive_message = away  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="sqs:ReceiveMessage"):
        ears.notices.read()
