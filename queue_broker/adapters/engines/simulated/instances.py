"""The instances of one simulated lane: who sits where, what runs, and what it has cost."""

from __future__ import annotations

from dataclasses import dataclass, field

from queue_broker.core.amounts import Amount


@dataclass(slots=True)
class Instance:
    """One machine. `ready_s` is when it has booted; `epoch` grows when it is replaced."""

    free: Amount
    ready_s: float = 0.0
    since_s: float = 0.0  #: paid for from here
    idle_s: float | None = None  #: empty since
    epoch: int = 0


@dataclass(slots=True)
class Pool:
    """Up to `limit` instances of one size; those that run are in `running` by number."""

    one: Amount
    limit: int
    price_usd_hour: float
    running: dict[int, Instance] = field(default_factory=dict)
    paid_s: float = 0.0  #: instance-seconds of those that were stopped
    epochs: int = 0
    roomy: set[int] = field(default_factory=set)  #: those with anything free

    def fill(self, now_s: float) -> None:
        """Start all of them at once, ready."""
        while self.start(now_s, now_s) is not None:
            pass

    def start(self, now_s: float, ready_s: float) -> int | None:
        """One more instance; None where the limit is reached."""
        if len(self.running) >= self.limit:
            return None
        number = next(number for number in range(self.limit) if number not in self.running)
        self.epochs += 1
        self.running[number] = Instance(self.one, ready_s, now_s, now_s, self.epochs)
        self.roomy.add(number)
        return number

    def place(self, need: Amount) -> int | None:
        """The fullest instance that still has room, as ECS's binpack does; None where there is
        none."""
        fitting = [
            (self.running[number].free, number)
            for number in self.roomy
            if need.within(self.running[number].free)
        ]
        if not fitting:
            return None
        free, number = min(fitting)
        instance = self.running[number]
        instance.free = free = free.plus(need, -1)
        instance.idle_s = None
        if free.mcpu <= 0 or free.mib <= 0:
            self.roomy.discard(number)
        return number

    @property
    def full(self) -> bool:
        """Whether nothing at all can be placed, nor started."""
        return not self.roomy and len(self.running) >= self.limit

    def has_room(self, need: Amount) -> bool:
        """Whether a task could be placed now, on what runs."""
        return any(need.within(self.running[number].free) for number in self.roomy)

    def can_start(self, need: Amount) -> bool:
        """Whether an instance that would hold the task may be started."""
        return len(self.running) < self.limit and need.within(self.one)

    def release(self, number: int, need: Amount, now_s: float) -> bool:
        """Give room back; whether the instance is empty now."""
        instance = self.running[number]
        instance.free = free = instance.free.plus(need)
        self.roomy.add(number)
        if free == self.one:
            instance.idle_s = now_s
            return True
        return False

    def stop(self, number: int, now_s: float) -> None:
        self.roomy.discard(number)
        self.paid_s += now_s - self.running.pop(number).since_s

    def cost_usd(self, now_s: float) -> float:
        """What the instances have cost so far, by the second."""
        running_s = sum(now_s - instance.since_s for instance in self.running.values())
        return (self.paid_s + running_s) * self.price_usd_hour / 3600
