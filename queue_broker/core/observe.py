"""What the engine saw becomes state, remembered attempts, and lessons for the predictor."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from headgate.lifecycle import Cause
from headgate.resources import Resources
from headgate.usage import Observation, Usage
from queue_broker.core.forecast import Forecaster
from queue_broker.core.predict import Modes, mode_of
from queue_broker.core.retry import Grow, at_last, verdict
from queue_broker.events import Ended, Reported
from queue_broker.ports import CycleStore, Engine
from queue_broker.records import Leak
from queue_broker.verdicts import Judged

log = logging.getLogger(__name__)

#: The parameters of one task of a leak.
ParametersOf = Callable[[Leak, int], Mapping[str, object]]
#: Takes what ended, to learn from it at once or a little later.
Learn = Callable[[Sequence[Observation]], None]
#: Of one batch and one leak the predictor hears at most so many; more of the same teaches no more.
MOST_LEARNT = 64


@dataclass(frozen=True, slots=True)
class Observing:
    """Takes events from the engine to the store, and only then lets the engine forget them."""

    store: CycleStore
    engine: Engine
    forecaster: Forecaster
    parameters: ParametersOf
    memory_attempts: int
    modes: Modes
    learn: Learn
    #: Why the broker itself interrupted tasks of a leak, for their owners to read.
    told: dict[str, str] = field(default_factory=dict)

    def run(self, leaks: Mapping[str, Leak], largest: Resources, limit: int) -> Reported:
        """One bounded pass; returns what was seen.

        A crash before `acknowledge` brings the same events again; the store knows them by then.
        """
        events = self.engine.poll(limit)
        seen = Reported.of(events)
        if not events:
            return seen
        self.store.started(seen.started)
        grow = partial(self._grow, largest)
        known = [event for event in seen.ended if event.leak in leaks]
        judged = [self._judge(leaks[event.leak], event, grow) for event in known]
        fresh = self.store.settle(judged) if judged else []
        self.engine.acknowledge(events)
        self._learn(leaks, fresh)
        return seen

    def _judge(self, leak: Leak, ended: Ended, grow: Grow) -> Judged:
        if ended.cause is Cause.INTERRUPTED and leak.name in self.told:
            ended = replace(ended, reason=self.told[leak.name])
        return Judged(ended, verdict(leak, ended, grow, self.memory_attempts))

    def _grow(self, largest: Resources, leak: Leak, ended: Ended) -> Resources | None:
        mode = mode_of(self.modes(), leak.tier)
        bigger = self.forecaster.retry(self._observation(leak, ended), largest, mode)
        bigger = at_last(bigger, leak, largest, self.memory_attempts)
        return bigger if bigger.memory_mib > leak.allocation.memory_mib else None

    def _learn(self, leaks: Mapping[str, Leak], fresh: Sequence[Judged]) -> None:
        heard: dict[str, int] = {}
        lessons = []
        for judged in fresh:
            name = judged.ended.leak
            heard[name] = heard.get(name, 0) + 1
            if heard[name] <= MOST_LEARNT:
                lessons.append(self._observation(leaks[name], judged.ended))
        try:
            self.learn(lessons)
        except Exception:  # costs foresight, never a pass; the lake has them for the next training
            log.exception("what ended was not learnt from", extra={"action": "not_learnt"})

    def _observation(self, leak: Leak, ended: Ended) -> Observation:
        return to_observation(leak, ended, self.parameters(leak, ended.task))


def to_observation(leak: Leak, ended: Ended, parameters: Mapping[str, object]) -> Observation:
    started_s = ended.started_at_s if ended.started_at_s is not None else leak.created_at_s
    return Observation(
        job=leak.job,
        usage=ended.usage or Usage(runtime_s=max(0.0, ended.at_s - started_s)),
        cause=ended.cause,
        exit_code=ended.exit_code,
        attempt=leak.attempt,
        finished_at_s=ended.at_s,
        allocation=leak.allocation,
        estimate=leak.estimate,
        parameters=dict(parameters),
    )
