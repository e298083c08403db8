"""Single submissions made durable together: what arrives during one commit shares the next.

A commit costs the same for one row as for hundreds, so that the rate grows with the load, and a
lone submission never waits for company. While a database that takes several works on one commit,
the next is prepared and begun.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, cast

from headgate.errors import HeadgateError, Throttled, Unavailable
from queue_broker.records import Accepted, Submission

if TYPE_CHECKING:
    from queue_broker.ports import Intake

log = logging.getLogger(__name__)

Waiter = tuple[Submission, asyncio.Future[Accepted]]
Answer = Accepted | Exception

#: Submissions in one transaction. More would make the first of them wait for the last.
MOST_AT_ONCE = 512
#: The same where one transaction is prepared while another is under way: fewer, so that there is
#: mostly a next one.
MOST_ABREAST = 128
#: Submissions that may wait; beyond, callers are asked to come back.
MOST_WAITING = 50_000
#: What is done to submissions just before they are made durable.
Prepare = Callable[[list[Submission]], Sequence[Submission]]


class GroupCommit:
    """Hands submissions to the store in batches, `abreast` of them at a time, from threads. Belongs
    to one event loop.
    """

    def __init__(
        self,
        intake: Intake,
        committed: Callable[[], None] = lambda: None,
        prepare: Prepare = lambda submissions: submissions,
        abreast: int = 1,
    ) -> None:
        self._intake = intake
        self._committed = committed
        self._prepare = prepare
        self._waiting: deque[Waiter] = deque()
        self._threads = ThreadPoolExecutor(abreast, thread_name_prefix="group-commit")
        self._abreast = abreast
        self._preparing = Lock()
        self._flushing: set[asyncio.Task[None]] = set()
        self._closed = False

    async def add(self, submission: Submission) -> Accepted:
        """Durable when it returns. Raises what the store answers, `Throttled`, `Unavailable`."""
        if self._closed:
            raise Unavailable("the broker is stopping", retry_after_s=5)
        if len(self._waiting) >= MOST_WAITING:
            raise Throttled(f"{MOST_WAITING:,} submissions are waiting already", retry_after_s=1)
        future: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        self._waiting.append((submission, future))
        if len(self._flushing) < self._abreast:
            self._flushing.add(asyncio.create_task(self._flush()))
        return await future

    async def close(self) -> None:
        """Take nothing more, and finish what was taken."""
        self._closed = True
        while self._flushing:
            await asyncio.wait(self._flushing)
        self._threads.shutdown()

    async def _flush(self) -> None:
        try:
            while self._waiting:
                await self._flush_some()
        finally:  # now, and not when the task is over: what comes between must start another
            self._flushing.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _flush_some(self) -> None:
        most = MOST_ABREAST if self._abreast > 1 else MOST_AT_ONCE
        batch = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        submissions = [submission for submission, _ in batch]
        loop = asyncio.get_running_loop()
        answers = await loop.run_in_executor(self._threads, self._commit, submissions)
        for (_, future), answer in zip(batch, answers, strict=True):
            _resolve(future, answer)

    def _commit(self, submissions: list[Submission]) -> list[Answer]:
        answers = self._answers(self._prepared(submissions))
        if any(isinstance(answer, Accepted) and not answer.known for answer in answers):
            self._committed()
        return answers

    def _prepared(self, submissions: list[Submission]) -> Sequence[Submission]:
        try:
            with self._preparing:  # by the one predictor, which takes one question at a time
                return self._prepare(submissions)
        except Exception:  # whatever it could not do, the cycle does, and says what is wrong
            log.exception("submissions come in as they are", extra={"action": "prepare_failed"})
            return submissions

    def _answers(self, submissions: Sequence[Submission]) -> list[Answer]:
        try:
            return list(self._intake.add(submissions))
        except HeadgateError as error:
            return [error] * len(submissions)
        except Exception as error:
            if len(submissions) == 1:
                return [error]
        # One that the database chokes on (a NUL in a text) must not fail its neighbours. The
        # transaction was rolled back, so that each can be tried by itself.
        log.exception("a group commit failed", extra={"action": "group_commit_failed"})
        return [answer for one in submissions for answer in self._answers([one])]


def _resolve(future: asyncio.Future[Accepted], answer: Answer) -> None:
    if future.done():  # its caller hung up; the job is in all the same, as its client token says
        return
    if isinstance(answer, Accepted):
        future.set_result(answer)
    else:
        future.set_exception(answer)
