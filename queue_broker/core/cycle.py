"""The heartbeat: one numbered pass from what the engine saw to what is leaked next.

Only the leader runs it. A pass that dies anywhere loses nothing: what it had written is durable,
what it had not is found again by the next pass, and engines take the same leak only once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from headgate.lifecycle import FINISHED, State
from headgate.tenancy import Tier
from queue_broker.core.consumables import Count, needed, uncounted
from queue_broker.core.in_flight import InFlight, age
from queue_broker.core.leak import Decision, is_news
from queue_broker.core.limits import Limits as LiveLimits
from queue_broker.core.observe import Observing
from queue_broker.core.offer import Offer
from queue_broker.core.policy import Policy, World
from queue_broker.core.predict import Estimating
from queue_broker.core.preempt import REASON, TAKEN_BACK
from queue_broker.core.recall import recall
from queue_broker.core.renew import Renewing
from queue_broker.core.revise import Revising
from queue_broker.core.whole import PART, dropped, is_part
from queue_broker.ports import Clock, Engine, Store
from queue_broker.records import Group, Lane, Leak, Tasks

log = logging.getLogger(__name__)

#: Tasks that will not come back to those that wait in RUNNABLE.
SETTLED = FINISHED | {State.RUNNABLE}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one pass takes on; what is beyond waits for the next."""

    events: int = 20_000
    estimates: int = 500
    sweeps: int = 50  #: of those with parameters, of each tier; of small ones fewer have their turn
    dependencies: int = 500
    groups_per_tenant: int = 50


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass did."""

    events: int
    estimated: int
    released: int
    leaked: int
    held: int  #: groups that wait for another reason than before

    @property
    def busy(self) -> bool:
        """Whether something moved, so that the next pass should follow at once."""
        return bool(self.events or self.estimated or self.released or self.leaked)


@dataclass(slots=True)
class Cycle:
    """The pass with its few memories: the policy's, and what it has asked engines to stop."""

    store: Store
    engine: Engine
    estimating: Estimating
    observing: Observing
    tiers: Sequence[Tier]
    clock: Clock
    limits: Limits = field(default_factory=Limits)
    policy: Policy = field(default_factory=Policy)
    stopping: dict[str, Tasks] = field(default_factory=dict)
    limits_now: LiveLimits | None = None  #: None: `tiers` for good
    stocks: Count = uncounted
    revising: Revising = field(init=False)
    renewing: Renewing = field(init=False)
    flight: InFlight = field(default_factory=InFlight)
    offer: Offer | None = None  #: what one instance has, as of the last pass

    def __post_init__(self) -> None:
        self.revising = Revising(self.store, self.estimating, self.clock)
        self.renewing = Renewing(self.estimating, self.clock)

    def take_over(self) -> None:
        """What a new leader does first: take up the work that runs already, and how long its kin
        took."""
        leaks = self.store.open_leaks()
        self.engine.adopt(leaks)
        recall(self.policy.ledger, leaks, self.store)

    def run_once(self) -> Pass:
        """One bounded pass."""
        world, lanes = self.world(), self.engine.lanes()
        self.offer = (self.offer or Offer()).renewed(lanes)
        self.flight.renew(self.store)
        leaks = self.flight.leaks
        # 1. Observe: what started and ended becomes state; retries are decided.
        seen = self.observing.run(leaks, self.offer.largest, self.limits.events)
        self.policy.learn(seen, leaks, world)
        # 2. Release what waited for others, and stop what was cancelled.
        released = self.store.settle_dependencies(self.limits.dependencies)
        self.stop_cancelled(self.flight.cancelling.values())
        # 3. Predict: what was submitted gets its shape; what ended teaches what still waits.
        estimated = self.estimating.run(self.limits.estimates, self.limits.sweeps, self.offer)
        in_flight = self.policy.ledger.jobs
        estimated += self.revising.run(seen.ended, leaks, self.offer, in_flight)
        self.renewing.listen(seen.ended, leaks, self.policy.ledger.entries)
        # 4. Decide: order, pack, windows; what comes up at the gate is estimated as of now.
        if seen.events:
            self.flight.renew(self.store)
        lanes = self.engine.lanes()  # once more: what was settled since is room no more twice
        decision = self.decide(lanes, world, self.offer)
        # 5. Leak: the intents first, then the hand-over; also what a crash left between the two.
        written = self.store.write_intents(decision.intents, self.clock())
        self.hand_over([*self.flight.unclear.values(), *written])
        # 6. Hold the rest, each with its reason; stop others where a promise would be missed.
        self.store.hold(decision.holds)
        self.give_up(decision.parts)
        self.preempt(leaks, self.policy.victims(decision, world))
        leaked = sum(len(leak.tasks) for leak in written)
        return Pass(seen.events, estimated, released, leaked, len(decision.holds))

    def run_observe(self) -> None:
        """Only the first step: what ended while the broker stopped is not left as running."""
        leaks = {leak.name: leak for leak in self.store.open_leaks()}
        self.observing.run(leaks, Offer.of(self.engine.lanes()).largest, self.limits.events)

    def decide(self, lanes: Sequence[Lane], world: World, offer: Offer) -> Decision:
        """What the policy says; of reasons to wait, those that are news."""
        groups = self.at_gate(offer)
        if any(lane.index_by_shim for lane in lanes):
            groups = [self.with_dropped(group) for group in groups]
        if names := needed(groups):
            world = replace(world, stocks=self.stocks(names))
        decision = self.policy.decide(groups, self.flight.changes(), lanes, world)
        told = {group.group_id: group.hold for group in groups}
        news = {at: why for at, why in decision.holds.items() if is_news(why, told.get(at))}
        return replace(decision, holds=news)

    def at_gate(self, offer: Offer) -> list[Group]:
        """The foremost of each tenant, with estimates as of now."""
        groups = self.store.eligible(self.limits.groups_per_tenant)
        if not self.renewing.run(groups, offer):
            return groups
        renewed = self.store.eligible(self.limits.groups_per_tenant)
        self.renewing.saw(groups, renewed)
        return renewed

    def with_dropped(self, group: Group) -> Group:
        """A part of an array that goes whole, with the children that go along to be stopped."""
        if not is_part(group):
            return group
        return replace(group, dropped=dropped(group, self.store.job(group.job_id)))

    def world(self) -> World:
        """What people set, as it is now: limits are live."""
        if self.limits_now is None:
            return World(self.tiers, self.store.tenants(), self.clock())
        now = self.limits_now.lately()
        return World(now.tiers, self.store.tenants(), self.clock(), now.windows.most_s)

    def hand_over(self, leaks: Sequence[Leak]) -> None:
        if leaks:
            self.store.handed_over(self.engine.hand_over(leaks), self.clock())

    def give_up(self, parts: Iterable[Group]) -> None:
        """Parts of arrays that go whole: once no other task can come back to them, they fail."""
        for group in parts:
            counts = self.store.job(group.job_id).counts
            if not any(n for state, n in counts.items() if state not in SETTLED):
                self.store.cancel(group.job_id, group.waiting, PART)

    def stop_cancelled(self, leaks: Iterable[Leak]) -> None:
        """Ask the engine once for each of their tasks that are cancelled; it comes back as an event
        when it is done."""
        for name in [name for name in self.stopping if name not in self.flight.leaks]:
            del self.stopping[name]
        for leak in leaks:
            asked = self.stopping.get(leak.name, Tasks())
            fresh = (leak.cancelling & leak.open) - asked
            if fresh:
                self.engine.stop(leak, fresh, interrupted=False)
                self.stopping[leak.name] = asked | fresh

    def preempt(self, leaks: Mapping[str, Leak], victims: Mapping[str, Tasks]) -> None:
        """Stop the victims; they come back as interrupted, and are requeued at no attempt lost."""
        told = self.observing.told
        for name in [name for name in told if name not in leaks]:
            del told[name]
        for leak in sorted((leaks[name] for name in victims), key=age):
            tasks = victims[leak.name]
            told[leak.name] = REASON if tasks & leak.running else TAKEN_BACK
            log.info(
                "%d tasks of %s: %s",
                len(tasks),
                leak.job_id,
                told[leak.name],
                extra={"action": "preempted", "job_id": leak.job_id, "tenant": leak.tenant},
            )
            self.engine.stop(leak, tasks, interrupted=True)
