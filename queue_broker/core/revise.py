"""What still waits of a sweep is estimated again as its own tasks end: most is known of it then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from headgate.lifecycle import Cause, State
from queue_broker.core.offer import Offer
from queue_broker.core.predict import Estimating, work_of
from queue_broker.events import Ended
from queue_broker.ports import Clock, Store
from queue_broker.records import Group, JobId, Leak

#: Estimating a sweep of 10^6 tasks again takes a second or so; this keeps it a small part.
REVISE_S = 10.0
#: So many tasks have to end well, at least, before the rest is given less.
ENOUGH_ENDED = 8
#: Sweeps that are counted.
MOST_TALLIES = 1_000
Key = TypeVar("Key")


@dataclass(slots=True)
class Tally:
    """What has become of the tasks of a sweep, or of a kind, since this broker leads."""

    ended: int = 0  #: well
    revised: int = 0  #: how many had, when the rest could last be given less
    killed: bool = False  #: whether one was for memory, since the rest was estimated last
    revised_s: float = 0.0
    news_s: float = 0.0  #: when there last was anything that others should hear of

    def hear(self, event: Ended) -> None:
        self.ended += event.cause is Cause.EXITED and event.exit_code == 0
        self.killed |= event.cause is Cause.OUT_OF_MEMORY

    def is_told(self, in_flight: int) -> bool:
        """Whether enough have ended. Of many that began together the first to end are the short
        ones, which may need less: as many must have ended as run still. Then with every doubling.
        """
        return self.ended >= max(ENOUGH_ENDED, in_flight, 2 * self.revised)

    def is_alarmed(self, now_s: float) -> bool:
        return self.killed and now_s - self.revised_s >= REVISE_S

    def note(self, now_s: float, *, told: bool) -> None:
        """The rest was estimated again."""
        self.killed, self.revised_s = False, now_s
        if told:
            self.revised = self.ended


@dataclass(slots=True)
class Revising:
    """Keeps count by sweep. A new leader counts anew, and so revises a little later."""

    store: Store
    estimating: Estimating
    clock: Clock
    tallies: dict[JobId, Tally] = field(default_factory=dict)

    def run(
        self,
        ended: Iterable[Ended],
        leaks: Mapping[str, Leak],
        offer: Offer,
        in_flight: Mapping[JobId, int],
    ) -> int:
        """One bounded pass; returns how many groups have another shape.

        Kills are learnt in the pass that sees them, and what comes out bigger is changed at once.
        Other ends are learnt from beside the cycle: those of earlier passes count.
        """
        tallies = self.tallies
        told = {job for job, one in tallies.items() if one.is_told(in_flight.get(job, 0))}
        self._count(ended, leaks)
        now_s, done, left = self.clock(), 0, self.estimating.most
        alarmed = {job for job, one in tallies.items() if one.is_alarmed(now_s)}
        for job in [*sorted(alarmed), *sorted((told - alarmed) & tallies.keys())]:
            groups = [group for group in self.store.groups(job) if is_fresh(group)]
            changed = self.estimating.revise(groups, offer, lower=job in told) if groups else 0
            if changed is not None:
                tallies[job].note(now_s, told=job in told)
            done += changed or 0
            left -= work_of(groups[0]) if groups else 0
            if left <= 0:
                break
        return done

    def _count(self, ended: Iterable[Ended], leaks: Mapping[str, Leak]) -> None:
        for event in ended:
            leak = leaks.get(event.leak)
            if leak is not None and leak.array:
                tally_of(leak.job_id, self.tallies, MOST_TALLIES).hear(event)


def tally_of(key: Key, tallies: dict[Key, Tally], most: int) -> Tally:
    """Beyond so many, the one that began first is counted anew."""
    found = tallies.get(key)
    if found is None:
        found = tallies[key] = Tally()
        if len(tallies) > most:
            del tallies[next(iter(tallies))]
    return found


def is_fresh(group: Group) -> bool:
    """Whether it waits at the gate for its first attempt: a retry is sized by its own kill."""
    return group.state is State.RUNNABLE and bool(group.waiting) and group.attempt == 1
