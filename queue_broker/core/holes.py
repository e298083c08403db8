"""What each instance of a lane has free, where it is known who runs on which. Pure.

The policy counts the sum of a lane, and Batch places each task on one instance: beside others than
its like a task may find enough in the sum, and all of it in scraps, the cores here and the memory
there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from queue_broker.core.amounts import UNBOUNDED, Amount, amount
from queue_broker.core.ledger import Entry, LaneUse
from queue_broker.core.runs import NOBODY, Runs
from queue_broker.records import Lane, Leak, Tasks

NOWHERE: Mapping[int, str] = {}


@dataclass(slots=True)
class Holes:
    """By instance, what is free. `shut`: who is next in the lane's queue finds no instance."""

    free: dict[str, Amount]
    shut: bool = False
    _held: dict[Amount, int] = field(default_factory=dict, compare=False)  #: until one is seated

    def holds(self, each: Amount) -> int:
        """How many more tasks find an instance."""
        if self.shut:
            return 0
        found = self._held.get(each)
        if found is None:
            found = sum(each.times_into(left, UNBOUNDED) for left in self.free.values())
            self._held[each] = found
        return found

    def seat(self, each: Amount, tasks: int) -> None:
        """The fullest instance with room gets the next task, as with ECS's binpack. First come,
        first served: once one finds none, all others wait behind it."""
        self._held.clear()
        while tasks > 0 and not self.shut:
            name = fullest(self.free, each)
            if name is None:
                self.shut = True
                return
            seated = each.times_into(self.free[name], tasks)
            self.free[name] = self.free[name].plus(each, -seated)
            tasks -= seated

    def seat_starting(self, entries: Iterable[Entry], runs: Runs) -> None:
        """Seats for what has been handed over and has not started, in the order of the leaks."""
        waiting = [entry for entry in entries if entry.open > entry.running]
        for entry in sorted(waiting, key=lambda entry: entry.leak.leak_id):
            leak = entry.leak
            starting = leak.open - leak.running - runs.being_stopped(leak)
            self.seat(entry.bare, len(starting))


def fullest(free: Mapping[str, Amount], each: Amount) -> str | None:
    """The instance with the least room that is enough."""
    fitting = [(left, name) for name, left in free.items() if each.within(left)]
    return min(fitting)[1] if fitting else None


def nobody(leak: Leak) -> Tasks:
    """What is being stopped still holds its room."""
    del leak
    return NOBODY


def holes_in(
    lane: Lane, entries: Iterable[Entry], runs: Runs, gone: Callable[[Leak], Tasks] = nobody
) -> Holes | None:
    """Beside what runs, without the tasks that are `gone`; None where it is not known of every task
    on which instance it runs."""
    one = amount(lane.shape)
    free: dict[str, Amount] = {}
    for entry in entries:
        where, running = runs.instances.get(entry.leak.name, NOWHERE), entry.leak.running
        going = gone(entry.leak)
        staying = Counter(map(where.get, running - going))
        for name, tasks in (*staying.items(), *((where.get(task), 0) for task in running & going)):
            if name is None:
                return None
            free[name] = free.get(name, one).plus(entry.bare, -tasks)
    idle = (lane.running or 0) - len(free)
    return Holes(free | {f"idle {number}": one for number in range(idle)})


def may_scatter(each: Amount, lane: Lane, held: Mapping[Amount, int]) -> bool:
    """Whether a lane's room for such a task may be all in scraps. What holds as much as the task
    leaves room for it, and where more can be started Batch does so."""
    several = lane.instances > 1 and lane.running == lane.instances
    return several and any(n > 0 and one != each for one, n in held.items())


@dataclass(slots=True)
class Seating:
    """The holes of lanes as a decision goes on, by place: looked at where somebody asks, since each
    look is at all that runs there."""

    lanes: Sequence[Lane]
    uses: Sequence[LaneUse | None]
    runs: Runs
    holes: dict[int, Holes | None] = field(default_factory=dict)

    def at(self, place: int, put: Callable[[], Mapping[Amount, int]]) -> Holes | None:
        """With seats for what is starting, and for what this decision has `put` there so far."""
        if place not in self.holes:
            use = self.uses[place]
            entries = list(use.entries.values()) if use else []
            holes = self.holes[place] = holes_in(self.lanes[place], entries, self.runs)
            if holes is not None:
                holes.seat_starting(entries, self.runs)
                for each, tasks in put().items():
                    holes.seat(each, tasks)
        return self.holes[place]

    def put(self, each: Amount, seats: Mapping[int, int]) -> None:
        """So many tasks go to each of some places."""
        for place in self.holes.keys() & seats.keys():
            holes = self.holes[place]
            if holes is not None:
                holes.seat(each, seats[place])

    def places(self, each: Amount) -> list[int]:
        """Where the sum may not be what it seems."""
        return [
            place
            for place, (lane, use) in enumerate(zip(self.lanes, self.uses, strict=True))
            if use and may_scatter(each, lane, use.alike)
        ]
