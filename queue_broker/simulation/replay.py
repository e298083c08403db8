"""A trace replayed in virtual time under the very cycle that serves."""

from __future__ import annotations

import gc
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import Protocol, cast

import numpy as np

from headgate.job import Job
from headgate.resources import ResourceRequest, Resources
from headgate.tenancy import DEFAULT_TIERS, Tenant, Tier
from queue_broker.adapters.engines.simulated.engine import SimulatedEngine
from queue_broker.adapters.engines.simulated.fleet import Run
from queue_broker.adapters.engines.simulated.model import Fate, FleetModel
from queue_broker.core.bucket import TokenBucket
from queue_broker.core.cycle import Cycle, Limits
from queue_broker.core.forecast import Forecaster
from queue_broker.core.observe import Observing
from queue_broker.core.policy import Policy
from queue_broker.core.predict import Estimating
from queue_broker.ports import Store
from queue_broker.records import JobId, Leak, Submission
from queue_broker.simulation.foresight import Foresight
from queue_broker.simulation.outcome import Account, Outcome
from queue_broker.simulation.store import MemoryStore
from queue_broker.simulation.trace import Trace

#: Traces begin at 0, the broker's clock at a Monday midnight, so that weekdays mean something.
EPOCH_S = 1_699_833_600.0
NOT_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")


class Progress(Protocol):
    """Told how many of the tasks have ended."""

    def __call__(self, done: int, of: int) -> None: ...


def quiet(done: int, of: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What is replayed against: the fleet, and what people set."""

    model: FleetModel
    tiers: Sequence[Tier] = DEFAULT_TIERS
    tenants: Sequence[Tenant] = ()
    period_s: float = 10.0  #: between two passes
    #: What the first tier submits is seen within so long, as are ends while it waits: wake-ups.
    wake_s: float = 1.0
    groups_per_tenant: int = 20
    policy: Callable[[], Policy] = Policy
    forecaster: Callable[[], Foresight | Forecaster] = Foresight

    @property
    def total(self) -> Resources:
        return sum((lane.shape * lane.instances for lane in self.model.lanes), Resources())


class Replay:
    """One replay: the clock, the arrivals, and the broker's own parts."""

    def __init__(self, trace: Trace, setting: Setting) -> None:
        self.trace = trace
        self.setting = setting
        self.clock_s = EPOCH_S + float(trace.submit_s[0])
        self.account = Account(len(trace))
        self.arrivals, self.rows = submissions(trace)
        self.top = min(setting.tiers, key=lambda tier: tier.rank).name
        self.urgent = deque(one.submitted_at_s for one in self.arrivals if one.tier == self.top)
        self.runtime_s: list[float] = trace.runtime_s.tolist()
        self.used_vcpu: list[float] = trace.vcpu_used.tolist()
        self.used_mib: list[int] = trace.memory_used_mib.tolist()
        self.engine = SimulatedEngine(setting.model, self.fate)
        self.tell_engine = self.engine.fleet.told
        self.engine.fleet.told = self.told
        self.store = MemoryStore(setting.tenants)
        self.cycle = self.wire()
        self.passes = 0

    def wire(self) -> Cycle:
        """The cycle as the broker wires it, on the parts of the simulation."""
        forecaster = cast(Forecaster, self.setting.forecaster())
        store = cast(Store, self.store)
        modes = {tier.name: tier.mode for tier in self.setting.tiers}
        return Cycle(
            store=store,
            engine=self.engine,
            estimating=Estimating(store, forecaster, lambda group: (), lambda: modes, most=inf),
            observing=Observing(
                store,
                self.engine,
                forecaster,
                lambda leak, task: {},
                4,
                lambda: modes,
                forecaster.observe,
            ),
            tiers=self.setting.tiers,
            clock=lambda: self.clock_s,
            limits=Limits(
                events=1_000_000,
                estimates=1_000_000,
                sweeps=1_000_000,
                groups_per_tenant=self.setting.groups_per_tenant,
            ),
            policy=self.policy(),
        )

    def policy(self) -> Policy:
        """With as many calls as SubmitJob takes between two passes."""
        policy, rate = self.setting.policy(), self.setting.model.submits_per_s
        policy.bucket = TokenBucket(rate, burst=rate * self.setting.period_s)
        return policy

    def run(self, progress: Progress = quiet) -> Outcome:
        """Until all has ended, or what is left can never run."""
        began = time.perf_counter()
        with no_collection():
            self._run(progress)
        return self.outcome(time.perf_counter() - began)

    def _run(self, progress: Progress) -> None:
        self.engine.fleet.begin(self.clock_s)
        coming = deque(self.arrivals)
        while coming or self.store.unfinished:
            while coming and coming[0].submitted_at_s <= self.clock_s:
                self.store.add([coming.popleft()])
            busy = self.cycle.run_once().busy
            self.passes += 1
            if self.passes % 500 == 0:
                progress(self.store.succeeded + self.store.failed, len(self.trace))
            next_s = self.next_moment(coming, busy=busy)
            if next_s is None:
                break
            self.clock_s = next_s
            self.engine.fleet.advance(self.clock_s)
        progress(len(self.trace), len(self.trace))

    def next_moment(self, coming: Sequence[Submission], *, busy: bool) -> float | None:
        """The next pass: after the period, or when something happens if that is later; sooner
        where the first tier waits for it.
        """
        soonest = self.clock_s + self.setting.period_s
        while self.urgent and self.urgent[0] <= self.clock_s:
            self.urgent.popleft()
        urgent = list(islice(self.urgent, 1))
        event_s, ended = self.engine.fleet.next_s(), bool(self.engine.poll(1))
        told_s = self.clock_s if ended else event_s
        if told_s is not None and self.store.waits(self.top):
            urgent.append(told_s)
        if urgent and min(urgent) < soonest:
            return max(min(urgent), self.clock_s + self.setting.wake_s)
        happens = [event_s, coming[0].submitted_at_s if coming else None]
        moments = [moment for moment in happens if moment is not None]
        if busy or ended:
            return soonest
        return max(soonest, min(moments)) if moments else None

    def fate(self, leak: Leak, task: int) -> Fate:
        """A task that keeps more cores busy than it is given takes so much longer."""
        row = self.rows[leak.job_id][task]
        busy = self.used_vcpu[row]
        slowed = max(1.0, busy / leak.allocation.vcpu)
        return Fate(self.runtime_s[row] * slowed, self.used_mib[row], 0, row, busy / slowed)

    def told(self, started: Sequence[Run], ended: Sequence[Run]) -> None:
        """Keep the account, and let the engine know."""
        self.account.take(started, ended, EPOCH_S)
        self.tell_engine(started, ended)

    def outcome(self, seconds: float) -> Outcome:
        return Outcome(
            policy="headgate",
            trace=self.trace,
            total=self.setting.total,
            account=self.account,
            cost_usd=self.engine.fleet.cost_usd(),
            passes=self.passes,
            calls=self.engine.calls,
            seconds=seconds,
        )


@contextmanager
def no_collection() -> Iterator[None]:
    """Without the cyclic garbage collector: a replay makes millions of records and no cycles, and
    to look for some among them took half of its time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def submissions(trace: Trace) -> tuple[list[Submission], dict[str, Sequence[int]]]:
    """The jobs of a trace in the order of their submission, and the rows that their tasks are."""
    starts = np.flatnonzero(np.diff(trace.job, prepend=-1))
    stops = np.append(starts[1:], len(trace))
    made: list[Submission] = []
    rows: dict[str, Sequence[int]] = {}
    jobs: dict[tuple[object, ...], Job] = {}
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        job_id = JobId(f"t{start}")
        rows[job_id] = range(start, stop)
        made.append(
            Submission(
                job_id=job_id,
                job=job_of(trace, start, jobs),
                tenant=trace.tenant[start],
                tier=trace.tier[start],
                submitted_at_s=EPOCH_S + float(trace.submit_s[start]),
                digest=job_id,
                size=stop - start,
                array=stop - start > 1,
            )
        )
    return made, rows


def job_of(trace: Trace, row: int, known: dict[tuple[object, ...], Job]) -> Job:
    """The job of a row; rows that ask alike share one, and are of one kind to the predictor: each
    owner has a program of its own. (By names alone, `user1` and `user2` would be of one kind.)"""
    key = (
        trace.tenant[row],
        trace.tier[row],
        float(trace.vcpu[row]),
        int(trace.memory_mib[row]),
        int(trace.gpus[row]),
        int(trace.priority[row]),
    )
    job = known.get(key)
    if job is None:
        tenant, _, vcpu, memory_mib, gpus, priority = key
        job = known[key] = Job(
            name=NOT_A_NAME.sub("-", str(tenant))[:100] or "job",
            command=("run", str(tenant)),
            priority=min(max(priority, 0), 9999),
            resources=ResourceRequest(vcpu=vcpu, memory_mib=memory_mib, gpus=gpus),
        )
    return job
