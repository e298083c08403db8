"""What ends in great numbers is learnt beside the cycle, and not all of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from headgate.estimate import Estimate
from headgate.job import Job
from headgate.usage import Observation
from predictor.predictor import Predictor
from queue_broker.adapters.registry import FolderRegistry
from queue_broker.core.forecast import Forecaster
from queue_broker.core.lessons import A_RUN, AT_ONCE, MOST, MOST_OF_A_KIND, Lessons
from tests.unit.predictor.examples import job, killed, ran


class Pupil(Predictor):
    """Remembers what it was taught."""

    def __init__(self) -> None:
        super().__init__()
        self.taught: list[Observation] = []
        self.asked: list[tuple[str, str]] = []

    def observe(self, observations: Sequence[Observation], *turn: object) -> None:
        del turn
        self.taught += observations

    def estimate(self, jobs: Sequence[Job], modes: Sequence[str] | str = "") -> list[Estimate]:
        self.asked += [(job.name, mode) for job, mode in zip(jobs, modes, strict=True)]
        return []


@pytest.fixture
def pupil() -> Pupil:
    return Pupil()


@pytest.fixture
def lessons(pupil: Pupil, tmp_path: Path) -> Lessons:
    return Lessons(Forecaster(pupil, FolderRegistry(tmp_path)), lambda: {"gold": "safe"})


def of_kinds(number: int) -> list[Observation]:
    return [ran(job(name_of(kind)), 100.0) for kind in range(number)]


def name_of(kind: int) -> str:
    """Without digits, which make no kind."""
    return "job-" + "".join(chr(ord("a") + int(digit)) for digit in str(kind))


def test_what_ended_is_learnt_beside_the_pass_in_its_order(pupil: Pupil, lessons: Lessons) -> None:
    ended = of_kinds(A_RUN + 1)

    lessons.put(ended)
    assert pupil.taught == []

    assert lessons.run()
    assert pupil.taught == ended[:A_RUN]
    assert not lessons.run()
    assert pupil.taught == ended


def test_whose_attempt_was_learnt_is_looked_at_anew_there_and_not_by_a_pass(
    pupil: Pupil, lessons: Lessons
) -> None:
    lessons.put([ran(job("fit", tier="gold"), 100.0), ran(job("plot"), 100.0)])

    lessons.run()

    assert pupil.asked == [("fit", "safe"), ("plot", "cost")]


def test_kills_for_memory_are_learnt_at_once(pupil: Pupil, lessons: Lessons) -> None:
    kills = [killed(job(), 512) for _ in range(AT_ONCE + 1)]
    done = ran(job(), 100.0)

    lessons.put([done, *kills])

    assert pupil.taught == kills[:AT_ONCE]
    lessons.run()
    assert pupil.taught == [*kills[:AT_ONCE], done, kills[-1]]


def test_a_kind_that_ends_in_great_numbers_crowds_out_no_other(
    pupil: Pupil, lessons: Lessons
) -> None:
    rare = ran(job("rare"), 100.0)

    lessons.put([ran(job(f"many-{number}"), 100.0) for number in range(MOST)])
    lessons.put([rare])
    while lessons.run():
        pass

    assert len(pupil.taught) == MOST_OF_A_KIND + 1
    assert pupil.taught[-1] is rare


def test_no_more_wait_than_can_be_learnt_in_a_while(lessons: Lessons) -> None:
    lessons.put(of_kinds(MOST + 5))

    assert len(lessons.waiting) == MOST


def test_a_kind_that_was_learnt_may_wait_again(pupil: Pupil, lessons: Lessons) -> None:
    many = [ran(job(f"many-{number}"), 100.0) for number in range(MOST_OF_A_KIND)]
    for _ in range(2):
        lessons.put(many)
        while lessons.run():
            pass

    assert pupil.taught == [*many, *many]
