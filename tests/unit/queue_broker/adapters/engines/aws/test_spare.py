"""Events, logs and news of lanes are away, and tasks run all the same."""

from __future__ import annotations

from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest

from headgate.errors import Unavailable
from tests.unit.queue_broker.adapters.engines.aws.batch import FakeBatch, a_queue, error
from tests.unit.queue_broker.adapters.engines.aws.leaks import a_leak
from tests.unit.queue_broker.adapters.engines.aws.scene import Scene


class Away:
    """A service that forbids all, until it is mended."""

    exceptions = SimpleNamespace(ResourceNotFoundException=KeyError)

    def __init__(self) -> None:
        self.asked, self.mended = 0, False

    def receive_message(self, **_: Any) -> dict[str, Any]:
        return self._answer({})

    def filter_log_events(self, **_: Any) -> dict[str, Any]:
        return self._answer({"events": []})

    def _answer(self, answer: dict[str, Any]) -> dict[str, Any]:
        self.asked += 1
        if not self.mended:
            raise error("AccessDeniedException", "no")
        return answer


SERVICES: dict[str, tuple[dict[str, Any], str]] = {
    "sqs": ({"events_queue_url": "url"}, "sqs:ReceiveMessage is not permitted: no"),
    "logs": ({"report_wait_s": 10.0}, "logs:FilterLogEvents is not permitted: no"),
}


@pytest.mark.parametrize("service", SERVICES)
def test_tasks_end_while_events_or_logs_are_away_and_that_is_told_once(
    service: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings, problem = SERVICES[service]
    away, scene = Away(), Scene(**settings)
    scene.others = {service: away}
    scene.engine = scene.live()
    scene.hand_over(a_leak(array=False))
    scene.batch.jobs["id-1"] |= {"status": "SUCCEEDED", "startedAt": 1, "stoppedAt": 2}

    ends = [end.task for _ in range(12) for end in scene.later(10)]

    assert ends == [0]
    assert away.asked < 6
    assert scene.engine.troubles()[0].startswith(problem)
    assert len([one for one in caplog.messages if one.startswith(problem)]) == 1


def test_what_is_there_again_is_no_trouble() -> None:
    away, scene = Away(), Scene(events_queue_url="url")
    scene.others = {"sqs": away}
    scene.engine = scene.live()
    scene.later(1)
    assert scene.engine.troubles()

    away.mended = True
    scene.later(1)
    assert scene.engine.troubles()  # it is not asked again at once
    scene.later(100)

    assert scene.engine.troubles() == []


def test_lanes_are_known_while_batch_does_not_tell_of_them() -> None:
    scene = Scene()
    before = scene.engine.lanes()
    scene.batch.errors["describe_job_queues"] = [error("AccessDeniedException", "no")] * 2

    scene.later(10)
    scene.batch.queues["second"] = a_queue("second")
    scene.later(10)  # it is not asked at once

    assert scene.engine.lanes() == before
    (problem,) = scene.engine.troubles()
    assert problem.startswith("batch:DescribeJobQueues is not permitted: no")
    scene.later(30)
    scene.later(40)
    assert [lane.name for lane in scene.engine.lanes()] == ["lane", "second"]
    assert scene.engine.troubles() == []


def test_lanes_that_were_never_told_are_not_made_up() -> None:
    scene = Scene()
    scene.batch.errors["describe_job_queues"] = [error("AccessDeniedException", "no")] * 2

    for _ in range(2):
        with pytest.raises(Unavailable, match="batch:DescribeJobQueues is not permitted: no"):
            scene.engine.lanes()
    assert len(scene.engine.lanes()) == 1


def test_nobody_waits_for_another_who_asks_for_the_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, asked, answer = Scene(), Event(), Event()
    before = scene.engine.lanes()
    paginate = FakeBatch.paginate

    def slow(batch: FakeBatch) -> list[dict[str, Any]]:
        asked.set()
        assert answer.wait(10)
        return paginate(batch)

    monkeypatch.setattr(FakeBatch, "paginate", slow)
    other = Thread(target=scene.engine.lanes)
    other.start()
    assert asked.wait(10)

    assert scene.engine.lanes() == before

    answer.set()
    other.join(10)
    assert not other.is_alive()
