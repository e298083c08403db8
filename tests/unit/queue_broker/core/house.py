"""A pass on a real store and an engine whose tasks end at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headgate.lifecycle import State
from headgate.resources import ResourceRequest, Resources
from headgate.tenancy import DEFAULT_TIERS
from predictor.predictor import Predictor
from queue_broker.adapters.engines.instant import InstantEngine, Script, all_succeed
from queue_broker.adapters.registry import FolderRegistry
from queue_broker.adapters.store.store import SqlStore
from queue_broker.core.cycle import Cycle
from queue_broker.core.forecast import Forecaster
from queue_broker.core.observe import Observing
from queue_broker.core.parameters import Parameters
from queue_broker.core.predict import Estimating
from queue_broker.records import JobId, Lane, Submission
from tests.factories import START_S

LANE = Lane(name="here", shape=Resources(8, 8192))
MODES = {"production": "safe", "sweep": "cost"}
ASKED = ResourceRequest(vcpu=1, memory_mib=1024)


@dataclass
class House:
    """A cycle with its store and engine, and a clock that the test turns."""

    folder: Path
    script: Script = all_succeed
    at_once: bool = True
    now_s: float = START_S
    forecaster: Forecaster | None = None
    lane: Lane = LANE

    def __post_init__(self) -> None:
        self.store = SqlStore(f"sqlite:///{self.folder / 'headgate.db'}", self.clock)
        self.engine = InstantEngine(
            [self.lane], self.clock, script=self.script, at_once=self.at_once
        )
        self.cycle = self.new_cycle()

    def clock(self) -> float:
        return self.now_s

    def new_forecaster(self) -> Forecaster:
        return Forecaster(Predictor(), FolderRegistry(self.folder / "models"))

    def new_cycle(self) -> Cycle:
        parameters = Parameters(self.store)
        forecaster = self.forecaster or self.new_forecaster()
        estimating = Estimating(self.store, forecaster, parameters.bands, MODES.copy)
        observing = Observing(
            self.store,
            self.engine,
            forecaster,
            parameters.of,
            4,
            MODES.copy,
            forecaster.observe,
        )
        return Cycle(self.store, self.engine, estimating, observing, DEFAULT_TIERS, self.clock)

    def submit(self, submission: Submission) -> JobId:
        (accepted,) = self.store.add([submission])
        assert not isinstance(accepted, Exception)
        return accepted.job_id

    def run(self, passes: int = 50) -> None:
        """Passes until nothing moves."""
        for _ in range(passes):
            self.now_s += 1
            if not self.cycle.run_once().busy:
                return

    def counts(self, job_id: JobId) -> Mapping[State, int]:
        return {state: n for state, n in self.store.job(job_id).counts.items() if n}
