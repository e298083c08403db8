from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from threading import Barrier, Event, get_ident

import pytest

from headgate.errors import Conflict, NotFound, Throttled, Unavailable
from queue_broker.core import group_commit
from queue_broker.core.group_commit import GroupCommit, Prepare
from queue_broker.records import Accepted, Submission
from tests.factories import a_submission

PATIENCE_S = 10.0


class Intake:
    """Accepts everything, in batches that it remembers; waits at a gate where there is one."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.threads: set[int] = set()
        self.gate: Event | None = None
        self.entered = Event()
        self.answer: Callable[[Submission], Accepted | Exception] = lambda one: Accepted(one.job_id)

    def add(self, submissions: Sequence[Submission]) -> list[Accepted | Exception]:
        self.entered.set()
        if self.gate is not None:
            assert self.gate.wait(PATIENCE_S)
        self.threads.add(get_ident())
        self.batches.append([one.job_id for one in submissions])
        return [self.answer(one) for one in submissions]


@pytest.fixture
def intake() -> Intake:
    return Intake()


def commit_of(
    intake: Intake,
    committed: Callable[[], None] = lambda: None,
    prepare: Prepare = lambda submissions: submissions,
    abreast: int = 1,
) -> GroupCommit:
    return GroupCommit(intake, committed, prepare, abreast)  # type: ignore[arg-type]  # the part that is used


def test_a_lone_submission_does_not_wait_for_company(intake: Intake) -> None:
    async def use() -> Accepted:
        commit = commit_of(intake)
        accepted = await commit.add(a_submission("a"))
        await commit.close()
        return accepted

    assert asyncio.run(use()) == Accepted(a_submission("a").job_id)
    assert intake.batches == [["a"]]


def test_what_arrives_during_a_commit_shares_the_next_in_order(intake: Intake) -> None:
    async def use() -> None:
        commit = commit_of(intake)
        intake.gate = Event()
        first = asyncio.create_task(commit.add(a_submission("first")))
        await asyncio.to_thread(intake.entered.wait, PATIENCE_S)
        later = [asyncio.create_task(commit.add(a_submission(f"{at}"))) for at in range(20)]
        await asyncio.sleep(0)
        intake.gate.set()
        await asyncio.gather(first, *later)
        await commit.close()

    asyncio.run(use())

    assert intake.batches == [["first"], [f"{at}" for at in range(20)]]
    assert len(intake.threads) == 1


def test_a_commit_begins_while_another_is_under_way(intake: Intake) -> None:
    both = Barrier(2, timeout=PATIENCE_S)

    def meet(one: Submission) -> Accepted:
        both.wait()
        return Accepted(one.job_id)

    async def use() -> list[Accepted]:
        commit = commit_of(intake, abreast=2)
        intake.answer = meet
        first = asyncio.create_task(commit.add(a_submission("first")))
        await asyncio.to_thread(intake.entered.wait, PATIENCE_S)
        answers = await asyncio.gather(first, commit.add(a_submission("second")))
        await commit.close()
        return list(answers)

    assert [one.job_id for one in asyncio.run(use())] == ["first", "second"]


def test_a_batch_is_bounded(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "MOST_AT_ONCE", 8)

    async def use() -> None:
        commit = commit_of(intake)
        await asyncio.gather(*(commit.add(a_submission(f"{at}")) for at in range(20)))
        await commit.close()

    asyncio.run(use())

    assert [len(batch) for batch in intake.batches] == [8, 8, 4]


def test_each_gets_the_answer_to_its_own(intake: Intake) -> None:
    intake.answer = lambda one: Conflict("taken") if one.job_id == "b" else Accepted(one.job_id)

    async def use() -> list[Accepted | BaseException]:
        commit = commit_of(intake)
        each = (commit.add(a_submission(name)) for name in "abc")
        answers = await asyncio.gather(*each, return_exceptions=True)
        await commit.close()
        return answers

    a, b, c = asyncio.run(use())

    assert (a, c) == (Accepted(a_submission("a").job_id), Accepted(a_submission("c").job_id))
    assert isinstance(b, Conflict)


def test_what_is_prepared_is_what_is_committed(intake: Intake) -> None:
    async def use() -> None:
        commit = commit_of(intake, prepare=lambda batch: [a_submission("prepared") for _ in batch])
        await commit.add(a_submission("a"))
        await commit.close()

    asyncio.run(use())

    assert intake.batches == [["prepared"]]


def test_what_cannot_be_prepared_is_committed_as_it_is(
    intake: Intake, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(batch: Sequence[Submission]) -> Sequence[Submission]:
        raise ValueError("a bug")

    async def use() -> Accepted:
        commit = commit_of(intake, prepare=broken)
        accepted = await commit.add(a_submission("a"))
        await commit.close()
        return accepted

    assert asyncio.run(use()) == Accepted(a_submission("a").job_id)
    assert "come in as they are" in caplog.text


class Choking(Intake):
    """A database that fails the whole batch for one of its rows."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def add(self, submissions: Sequence[Submission]) -> list[Accepted | Exception]:
        if any(one.job_id == "poison" for one in submissions):
            raise self.error
        return super().add(submissions)


def answers_of(intake: Intake, *names: str) -> list[Accepted | BaseException]:
    async def use() -> list[Accepted | BaseException]:
        commit = commit_of(intake)
        each = (commit.add(a_submission(name)) for name in names)
        answers = await asyncio.gather(*each, return_exceptions=True)
        await commit.close()
        return answers

    return asyncio.run(use())


def test_one_that_the_database_chokes_on_does_not_fail_its_neighbours() -> None:
    a, poison, c = answers_of(Choking(ValueError("a NUL")), "a", "poison", "c")

    assert isinstance(a, Accepted)
    assert isinstance(poison, ValueError)
    assert isinstance(c, Accepted)


def test_a_database_that_is_away_fails_all_of_the_batch_at_once() -> None:
    intake = Choking(Unavailable("away"))

    answers = answers_of(intake, "a", "poison", "c")

    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert intake.batches == []


def test_the_cycle_hears_of_what_is_new_and_of_nothing_else(intake: Intake) -> None:
    heard: list[int] = []

    async def use() -> None:
        commit = commit_of(intake, lambda: heard.append(len(intake.batches)))
        await commit.add(a_submission("new"))
        intake.answer = lambda one: Accepted(one.job_id, known=True)
        await commit.add(a_submission("known"))
        intake.answer = lambda one: NotFound("no such dependency")
        with pytest.raises(NotFound):
            await commit.add(a_submission("wrong"))
        await commit.close()

    asyncio.run(use())

    assert heard == [1]


def test_a_caller_who_hangs_up_loses_the_answer_and_not_the_job(intake: Intake) -> None:
    async def use() -> None:
        commit = commit_of(intake)
        intake.gate = Event()
        gone = asyncio.create_task(commit.add(a_submission("gone")))
        await asyncio.to_thread(intake.entered.wait, PATIENCE_S)
        gone.cancel()
        stays = asyncio.create_task(commit.add(a_submission("stays")))
        await asyncio.sleep(0)
        intake.gate.set()
        await stays
        await commit.close()

    asyncio.run(use())

    assert intake.batches == [["gone"], ["stays"]]


def test_stopping_finishes_what_was_taken_and_takes_nothing_more(intake: Intake) -> None:
    async def use() -> None:
        commit = commit_of(intake)
        intake.gate = Event()
        taken = [asyncio.create_task(commit.add(a_submission(name))) for name in "ab"]
        await asyncio.to_thread(intake.entered.wait, PATIENCE_S)
        closing = asyncio.create_task(commit.close())
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="stopping"):
            await commit.add(a_submission("late"))
        intake.gate.set()
        await closing
        assert [accepted.job_id for accepted in await asyncio.gather(*taken)] == ["a", "b"]

    asyncio.run(use())


def test_too_many_waiting_are_asked_to_come_back(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MOST_WAITING", 1)

    async def use() -> None:
        commit = commit_of(intake)
        intake.gate = Event()
        first = asyncio.create_task(commit.add(a_submission("a")))
        await asyncio.to_thread(intake.entered.wait, PATIENCE_S)
        second = asyncio.create_task(commit.add(a_submission("b")))
        await asyncio.sleep(0)
        with pytest.raises(Throttled) as caught:
            await commit.add(a_submission("c"))
        assert caught.value.retry_after_s == 1
        intake.gate.set()
        await asyncio.gather(first, second)
        await commit.close()

    asyncio.run(use())
