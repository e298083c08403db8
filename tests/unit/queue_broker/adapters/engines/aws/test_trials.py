"""What is concluded from the log of a container that ended without a report."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from headgate.lifecycle import Cause
from queue_broker.adapters.engines.aws.cargo import BEGAN
from queue_broker.adapters.engines.aws.trials import PAUSE_S, SURE_S
from queue_broker.events import Ended
from queue_broker.records import Leak
from tests.unit.queue_broker.adapters.engines.aws.batch import error
from tests.unit.queue_broker.adapters.engines.aws.leaks import a_leak
from tests.unit.queue_broker.adapters.engines.aws.scene import Scene

NO_SHELL = (
    "CannotStartContainerError: Error response from daemon: failed to create task: exec: "
    '"/bin/sh": stat /bin/sh: no such file or directory: unknown'
)


class NoSuchLog(Exception):
    """As boto3's ResourceNotFoundException."""


@dataclass
class Logs:
    """CloudWatch Logs of one stream; None: there is none."""

    lines: list[str] | None = field(default_factory=list)
    reads: int = 0

    class exceptions:  # noqa: N801 - as boto3's clients have them
        ResourceNotFoundException = NoSuchLog

    def filter_log_events(self, **_: Any) -> dict[str, Any]:
        return {"events": []}

    def get_log_events(self, **_: Any) -> dict[str, Any]:
        self.reads += 1
        if self.lines is None:
            raise NoSuchLog
        return {"events": [{"message": line} for line in self.lines]}


class Trial:
    """A job that has run and ended without the shim's report."""

    def __init__(self, lines: list[str] | None = None, **told: Any) -> None:
        self.scene = Scene(report_wait_s=10.0, first_look_s=0.0)
        self.logs = Logs(lines)
        self.scene.others["logs"] = self.logs
        self.scene.engine = self.scene.live()
        self.scene.hand_over(a_leak(array=False))
        (self.job,) = self.scene.batch.jobs.values()
        command = self.job["asked"]["containerOverrides"]["command"]
        box = {"exitCode": 0, "command": command, "logStreamName": "s"}
        now_ms = 1000 * self.scene.now_s
        over = {"status": "SUCCEEDED", "startedAt": now_ms, "stoppedAt": now_ms}
        self.job |= over | {"container": box} | told

    def after(self, *pauses_s: float) -> list[Ended]:
        return [end for pause_s in pauses_s for end in self.scene.later(pause_s)]


def test_a_log_without_the_shim_s_word_means_that_it_never_ran() -> None:
    trial = Trial(["usage: train.py [-h]"])

    assert trial.after(0, 10, 20) == []  # logs lag
    (end,) = trial.after(SURE_S)

    assert (end.misread, end.cause, end.exit_code) == (True, Cause.NOT_STARTED, 0)
    assert "ENTRYPOINT" in (end.reason or "")


def test_an_empty_log_means_that_too() -> None:
    trial = Trial([])
    assert [end.misread for end in trial.after(0, 10, SURE_S)] == [True]


def test_the_shim_s_word_behind_an_image_s_own_banner_means_that_the_report_was_lost() -> None:
    trial = Trial(["== CUDA ==", BEGAN, "hello"])
    (end,) = trial.after(0, 10)
    assert (end.misread, end.cause) == (False, Cause.EXITED)


def test_of_a_log_that_is_elsewhere_nothing_is_concluded_nor_asked_again() -> None:
    trial = Trial(None)
    assert [end.misread for end in trial.after(0, 10)] == [False]
    assert trial.scene.engine._submitting.definitions.runs(a_leak().job) is True


def test_a_container_that_was_not_told_to_say_a_word_is_not_blamed_for_its_silence() -> None:
    trial = Trial([])
    trial.job["container"]["command"] = ["/bin/sh", "-c", "..."]
    assert [end.misread for end in trial.after(0, 10)] == [False]
    assert trial.logs.reads == 0


def test_without_the_right_to_read_logs_ends_go_on_a_little_later() -> None:
    trial = Trial([])
    trial.logs.get_log_events = denied  # type: ignore[method-assign]
    (end,) = trial.after(0, 10, SURE_S)
    assert not end.misread
    assert any("GetLogEvents" in one for one in trial.scene.engine.troubles())


def denied(**_: Any) -> dict[str, Any]:
    raise error("AccessDeniedException", status=403)


def test_a_task_whose_definition_is_gone_meanwhile_holds_nothing_up() -> None:
    trial = Trial([])
    trial.scene.engine._submitting.definitions.forget("all sources")
    trial.scene.settings = trial.scene.settings.model_copy(update={"image": None})
    trial.scene.engine = trial.scene.live()
    trial.scene.engine.adopt([with_id(trial)])
    assert [end.misread for end in trial.after(0, 10, SURE_S)] == [False]


def with_id(trial: Trial) -> Leak:
    return replace(a_leak(array=False), engine_id=trial.job["jobId"])


def test_one_look_settles_all_tasks_of_an_image() -> None:
    trial = Trial(["usage"])
    scene = trial.scene
    scene.hand_over(*(replace(a_leak(array=False), name=f"job-{n}") for n in range(2, 12)))
    for job in scene.batch.jobs.values():
        job |= {name: trial.job[name] for name in ("status", "startedAt", "stoppedAt", "container")}

    ends = trial.after(0, SURE_S, PAUSE_S, 10)

    assert [end.misread for end in ends] == [True] * 11
    assert trial.logs.reads <= 3


@pytest.mark.parametrize("reason", [NO_SHELL, NO_SHELL.replace("task", "shim task")])
def test_an_image_without_a_shell_is_tried_without_the_shim_at_once(reason: str) -> None:
    box = {"reason": reason}
    trial = Trial([], status="FAILED", statusReason="Task failed to start", container=box)
    del trial.job["startedAt"]

    (end,) = trial.after(0)

    assert (end.misread, end.reason) == (True, "the image has no /bin/sh for the usage shim")
    assert trial.scene.engine._submitting.definitions.runs(a_leak().job) is False
