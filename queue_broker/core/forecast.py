"""The one predictor of the process, shared by cycle and API, its model kept fresh."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock, get_ident
from typing import Any

import numpy.typing as npt

from headgate.errors import BadArtifact
from headgate.estimate import Estimate
from headgate.job import Job
from headgate.resources import Resources
from headgate.usage import Observation
from predictor.predictor import Explanation, Indexes, Predictor
from predictor.turns import LEARNT, Turn
from queue_broker.ports import ModelRegistry

log = logging.getLogger(__name__)


#: A lock goes to who asks first, and who has just had it asks at once: others get it meanwhile.
PAUSE_S = 0.001


@dataclass(frozen=True, slots=True)
class Shared:
    """A lock that tells whether somebody waits for it."""

    lock: Lock = field(default_factory=Lock)
    waiting: set[int] = field(default_factory=set)  #: threads

    def __enter__(self) -> None:
        self.waiting.add(get_ident())
        self.lock.acquire()
        self.waiting.discard(get_ident())

    def __exit__(self, *error: object) -> None:
        self.lock.release()


@dataclass(frozen=True, slots=True)
class Turns:
    """The lock for who needs it again and again: those who wait get it between two turns."""

    shared: Shared

    def __enter__(self) -> None:
        self.shared.lock.acquire()

    def __exit__(self, *error: object) -> None:
        self.shared.lock.release()
        if self.shared.waiting:
            time.sleep(PAUSE_S)


class Forecaster:
    """A lock around the predictor: learning, asking and a change of model come from any thread."""

    def __init__(self, predictor: Predictor, registry: ModelRegistry) -> None:
        self._predictor = predictor
        self._registry = registry
        self._lock = Shared()
        self._refused: str | None = None
        self.problem: str | None = None  #: why the published model is not in use

    @property
    def version(self) -> str | None:
        return self._predictor.version

    def estimate(self, jobs: Sequence[Job], modes: Sequence[str]) -> list[Estimate]:
        with self._lock:
            return self._predictor.estimate(jobs, modes)

    def estimate_if_free(self, jobs: Sequence[Job], modes: Sequence[str]) -> list[Estimate] | None:
        """As `estimate`; None where others have the predictor, which may learn for seconds."""
        if not self._lock.lock.acquire(blocking=False):
            return None
        try:
            return self._predictor.estimate(jobs, modes)
        finally:
            self._lock.lock.release()

    def estimate_sweep(
        self, job: Job, columns: dict[str, npt.NDArray[Any]] | None, size: int, mode: str
    ) -> list[tuple[Indexes, Estimate]]:
        """The lock is had for moments alone: a model takes minutes for a million rows."""
        return self._predictor.estimate_sweep(job, columns, size, mode, self._lock)

    def observe(self, observations: Sequence[Observation]) -> None:
        turn: Turn = Turns(self._lock) if len(observations) > LEARNT else self._lock
        self._predictor.observe(observations, turn)

    def retry(self, failed: Observation, largest: Resources, mode: str) -> Resources:
        with self._lock:
            return self._predictor.retry(failed, largest, mode)

    def explain(self, job: Job, mode: str) -> Explanation:
        with self._lock:
            return self._predictor.explain(job, mode)

    def refresh(self) -> bool:
        """Take up a newly published model; True if it changed. A bad one is named and left."""
        version = self._registry.current_version()
        if version in (self.version, self._refused):
            return False
        try:
            model = self._registry.load(version)
        except BadArtifact as error:
            self._refused = version
            self.problem = (
                f"model {version} is not used, {self.version or 'history alone'} is: {error}"
            )
            log.error(self.problem, extra={"action": "model_refused", "version": version})
            return False
        with self._lock:
            self._predictor = self._predictor.with_model(model)
        self._refused, self.problem = None, None
        log.info("model %s is in use", version, extra={"action": "model_loaded"})
        return True
