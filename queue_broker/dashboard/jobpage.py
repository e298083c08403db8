"""The page of one job as values: its states, one of its tasks, and why the estimate is as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headgate.job import Job
from headgate.lifecycle import State
from headgate.views import JobView, Shape, TaskView
from predictor.explanation import Explanation
from queue_broker.core.insights import Insights
from queue_broker.dashboard.board import Board
from queue_broker.records import JobId

#: Failed tasks that the page links to, shapes that it lists, reasons and ways that it draws.
MOST_FAILED, MOST_SHAPES, MOST_REASONS, MOST_WAYS = 8, 12, 8, 5
#: Characters of a log that the page keeps, and pages of it that one visit reads on.
TAIL_CHARACTERS, MOST_LOG_PAGES = 16_000, 64


@dataclass(frozen=True, slots=True)
class JobPage:
    """A job with one of its tasks looked at."""

    now_s: float
    job: JobView
    shapes: Sequence[Shape]
    shapes_left: int
    failed: Sequence[int]
    failed_left: int  #: beyond those
    task: TaskView


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a log. `cursor` reads on; `fresh`: it replaces what was shown before."""

    text: str
    cursor: str
    fresh: bool
    ended: bool


@dataclass(frozen=True, slots=True)
class Share:
    """One feature's push on the predicted memory; `width` is of its bar, 0 to 1."""

    name: str
    factor: float  #: by which the prediction is multiplied
    width: float


def read(board: Board, job_id: JobId, index: int) -> JobPage:
    """`NotFound` when there is no such job or task."""
    insights = board.insights
    job = insights.job(job_id)
    shapes = insights.shapes(job_id)
    failed = insights.tasks(job_id, State.FAILED, -1, MOST_FAILED).tasks
    return JobPage(
        now_s=board.clock(),
        job=job,
        shapes=shapes[:MOST_SHAPES],
        shapes_left=max(0, len(shapes) - MOST_SHAPES),
        failed=[row.index for row in failed] if job.array else [],
        failed_left=max(0, job.counts.get(State.FAILED, 0) - len(failed)),
        task=insights.task(job_id, index),
    )


def explanation(board: Board, page: JobPage) -> Explanation:
    """What the predictor would say of this task now, and why."""
    job = Job.model_validate(page.job.job).model_copy(update={"parameters": page.task.parameters})
    mode = board.insights.limits.modes().get(page.job.tier, "cost")
    return board.forecaster.explain(job, mode)


def shares(explained: Explanation) -> list[Share]:
    """The contributions that matter most, the strongest first; they add up in the logarithm."""
    order = sorted(explained.contributions.items(), key=lambda pair: (-abs(pair[1]), pair[0]))
    most = abs(order[0][1]) if order else 1.0
    return [Share(name, math.exp(push), abs(push) / most) for name, push in order[:MOST_REASONS]]


def prices(explained: Explanation) -> list[tuple[str, float]]:
    """The cheapest ways of predicting first."""
    return sorted(explained.prices.items(), key=lambda pair: (pair[1], pair[0]))[:MOST_WAYS]


def tail(insights: Insights, task: TaskView, cursor: str | None) -> Tail:
    """What the last attempt wrote since `cursor`, or its end.

    Engines page forward only, so a long log is read to its end over several visits.
    """
    tries, _, after = (cursor or "").partition("|")
    fresh = tries != str(len(task.attempts))
    place = None if fresh else after or None
    text, ended = "", False
    for _ in range(MOST_LOG_PAGES):
        page = insights.logs(JobId(task.job_id), task.index, place, None)
        text = (text + page.text)[-TAIL_CHARACTERS:]
        place, ended = page.next, page.ended
        if ended or not page.text:
            break
    return Tail(text, f"{len(task.attempts)}|{place or ''}", fresh, ended)
