"""The threads of a broker: each repeats one bounded pass, and none dies of an error."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event, Thread

from headgate.errors import Unavailable

log = logging.getLogger(__name__)


class Loop:
    """Repeats `work` until stopped. `work` returns True when it should be called again at once.

    After an error the next try waits, twice as long each time, up to `MOST_S`. Between two passes
    lie at least `REST_S`: what wakes the loop needs the interpreter too, and the next pass takes
    all that came meanwhile. After a pass with nothing to do the loop rests `IDLE_RESTS` times as
    long as that took, up to `MOST_REST_S`: a thousand submissions a second that all wait would
    wake it again and again.
    """

    MOST_S = 10.0
    REST_S = 0.02
    IDLE_RESTS = 4
    MOST_REST_S = 0.1

    def __init__(self, name: str, work: Callable[[], bool], period_s: float) -> None:
        self.problem: str | None = None  #: what the last pass died of; None when it did not
        self._work = work
        self._period_s = period_s
        self._wake = Event()
        self._stopped = False
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Run a pass now rather than at the period's end. Cheap, from any thread."""
        self._wake.set()

    def stop(self, timeout_s: float = 30.0) -> None:
        self._stopped = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        pause_s = self._period_s
        while not self._stopped:
            began_s = time.thread_time()
            again = self._pass()
            took_s = time.thread_time() - began_s
            pause_s = min(self.MOST_S, pause_s * 2) if self.problem else self._period_s
            if not again:
                self._wake.wait(pause_s)
            if not self._stopped:
                time.sleep(self.REST_S if again else self._rest_s(took_s))
            self._wake.clear()

    def _rest_s(self, took_s: float) -> float:
        return max(self.REST_S, min(self.MOST_REST_S, self.IDLE_RESTS * took_s))

    def _pass(self) -> bool:
        try:
            again = self._work()
        except (Unavailable, OSError) as error:  # what is away, or full, says so itself
            self._note(f"{self._thread.name}: {error}")
            return False
        except Exception as error:
            self._note(f"{self._thread.name}: {error!r}", bug=True)
            return False
        self.problem = None
        return again

    def _note(self, problem: str, *, bug: bool = False) -> None:
        """Once for as long as it stays; a bug with where it happened."""
        if problem != self.problem:
            level = logging.ERROR if bug else logging.WARNING
            log.log(level, problem, exc_info=bug or None, extra={"action": "pass_failed"})
        self.problem = problem
