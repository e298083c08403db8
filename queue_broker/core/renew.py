"""Single jobs that wait are estimated again as others of their kind end, as if they came now.

A script that submits one job for each country has as many single jobs as a sweep has tasks, and all
of them were estimated before the first had run. What nobody will look at for hours is left alone:
only what comes up at the gate is estimated again, once for each time that its kind has news.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from headgate.job import Job
from predictor.features import name_pattern
from queue_broker.core.ledger import Entry
from queue_broker.core.offer import Offer
from queue_broker.core.predict import Estimating
from queue_broker.core.revise import REVISE_S, Tally, is_fresh, tally_of
from queue_broker.events import Ended
from queue_broker.ports import Clock
from queue_broker.records import Group, GroupId, Leak

#: Kinds that are counted.
MOST_KINDS = 10_000
#: Jobs of one pass: a batch of so many takes tens of milliseconds.
MOST_RENEWED = 500
#: Jobs of one definition and one pattern of names.
Kind = tuple[str | None, str]


@dataclass(slots=True)
class Renewing:
    """Keeps count by kind. A new leader counts anew, and so renews a little later."""

    estimating: Estimating
    clock: Clock
    tallies: dict[Kind, Tally] = field(default_factory=dict)
    told: dict[GroupId, float] = field(default_factory=dict)  #: by what waits, as of which
    kinds: dict[GroupId, Kind] = field(default_factory=dict)  #: of what is at the gate

    def listen(
        self, ended: Iterable[Ended], leaks: Mapping[str, Leak], entries: Mapping[str, Entry]
    ) -> None:
        """Which kinds have news. What ended just now counts from the next pass on: it is learnt
        from beside the cycle."""
        self._tell(entries)
        for event in ended:
            leak = leaks.get(event.leak)
            if leak is not None and not leak.array:
                tally_of(kind_of(leak.job), self.tallies, MOST_KINDS).hear(event)

    def run(self, groups: Sequence[Group], offer: Offer) -> bool:
        """Whether any of what waits at the gate has another shape now."""
        if not any(tally.news_s for tally in self.tallies.values()):
            return False
        singles = {one.group_id: one for one in groups if may_change(one)}
        known = self.kinds
        self.kinds = {at: known.get(at) or kind_of(one.job) for at, one in singles.items()}
        older = {at: one for at, one in singles.items() if self._news_of(one)}
        self.told = {at: self.told[at] for at in older.keys() & self.told.keys()}
        due = [one for at, one in older.items() if self.told.get(at, 0.0) < self._news_of(one)]
        self.told |= {one.group_id: self._news_of(one) for one in due[:MOST_RENEWED]}
        return bool(due) and self.estimating.renew(due[:MOST_RENEWED], offer) > 0

    def saw(self, before: Sequence[Group], now: Sequence[Group]) -> None:
        """What has another shape is another group, whose estimate is new."""
        known = {one.group_id for one in before}
        fresh = [one for one in now if one.group_id not in known and may_change(one)]
        self.told |= {one.group_id: self._news_of(one) for one in fresh}

    def _news_of(self, group: Group) -> float:
        """When there was news of its kind since it was queued, with the estimate of that time; 0:
        never."""
        kind = self.kinds.get(group.group_id) or kind_of(group.job)
        tally = self.tallies.get(kind)
        return tally.news_s if tally and tally.news_s > group.queued_at_s else 0.0

    def _tell(self, entries: Mapping[str, Entry]) -> None:
        """How many of a kind run is counted for few kinds, and not in every pass."""
        now_s = self.clock()
        due = {kind: one for kind, one in self.tallies.items() if may_tell(one, now_s)}
        if not due:
            return
        running = dict.fromkeys(due, 0)
        for entry in entries.values():
            if not entry.leak.array and (kind := kind_of(entry.leak.job)) in running:
                running[kind] += 1
        for kind, tally in due.items():
            told = tally.is_told(running[kind])
            if told or tally.killed:
                tally.news_s = now_s
            tally.note(now_s, told=told)


def kind_of(job: Job) -> Kind:
    return job.definition, name_pattern(job.name)


def may_change(group: Group) -> bool:
    return not group.array and group.estimate is not None and is_fresh(group)


def may_tell(tally: Tally, now_s: float) -> bool:
    """Whether it is worth counting how many of the kind run."""
    return (tally.killed or tally.is_told(0)) and now_s - tally.revised_s >= REVISE_S
