"""SUBMITTED -> PENDING or RUNNABLE: every group gets its shape; sweeps are split into a few.

Single jobs get theirs on arrival where that holds nobody up; those are never SUBMITTED.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from headgate.estimate import Estimate
from predictor.few import united
from queue_broker.core.aside import Aside
from queue_broker.core.forecast import Forecaster
from queue_broker.core.offer import Offer
from queue_broker.core.parameters import Band
from queue_broker.core.whole import spared
from queue_broker.ports import CycleStore
from queue_broker.records import Group, Split, Submission, Table, Tasks

#: From so many tasks with parameters on, a sweep is estimated beside the cycle: a model takes
#: seconds for a million rows, and production must not wait for that.
LARGE = 50_000
#: Of sweeps with parameters a pass estimates so many tasks, each counting as `LEAST` at least: a
#: tenth of a second or so. Thousands of small ones that come together would else be a pass of half
#: a minute.
MOST, LEAST = 10_000, 1_000
#: A shape that differs by no more is the same to what waits.
NEARLY = 0.1
#: Tasks by shape.
Parts = Sequence[tuple[Tasks, Estimate]]
#: The mode of a tier that nobody knows any more.
COST = "cost"
#: A sweep's own parameters, some tasks at a time.
Bands = Callable[[Group], Iterable[Band]]
#: What the estimates of each tier lean to, now; the first tier first.
Modes = Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Estimating:
    """Gives estimates to what was submitted."""

    store: CycleStore
    forecaster: Forecaster
    bands: Bands
    modes: Modes
    most: float = MOST
    aside: Aside[Parts] = field(default_factory=Aside)

    def run(self, limit: int, sweeps: int, offer: Offer) -> int:
        """One bounded pass; returns how many groups were estimated.

        `offer` is what one instance has.
        """
        groups = self.store.submitted(limit, sweeps)
        alike = [group for group in groups if group.parameters is Table.NONE]
        done = self.store.estimated(self._alike(alike, offer)) if alike else []
        others = [group for group in groups if group.parameters is not Table.NONE]
        done += self.store.estimated(list(self._sweeps(others, offer)))
        return sum(done)

    def _sweeps(self, groups: Sequence[Group], offer: Offer) -> Iterator[tuple[Group, list[Split]]]:
        """The first tier's first; what is left has its turn in the next pass."""
        left, place = self.most, {tier: at for at, tier in enumerate(self.modes())}
        for group in sorted(groups, key=lambda group: place.get(group.tier, len(place))):
            splits = self._splits(group, offer)
            if splits is not None:
                yield group, splits
                left -= work_of(group)
            if left <= 0:
                return

    def on_arrival(self, submissions: Sequence[Submission], offer: Offer) -> Sequence[Submission]:
        """The submissions, single jobs with their estimates: a row written once costs half of one
        written, read and written again. While the predictor learns they are left to `run`, as
        sweeps are, and what waits for others.
        """
        simple = [one for one in submissions if not one.array and not one.job.depends_on]
        modes = self._modes(simple)
        estimates = self.forecaster.estimate_if_free([one.job for one in simple], modes)
        if estimates is None:
            return submissions
        given = {
            one.job_id: offer.fit(estimate, one.job, mode != COST)
            for one, estimate, mode in zip(simple, estimates, modes, strict=True)
        }
        return [replace(one, estimate=given.get(one.job_id)) for one in submissions]

    def revise(self, groups: Sequence[Group], offer: Offer, *, lower: bool) -> int | None:
        """Estimate again what waits at the gate of one sweep. What comes out bigger is changed, so
        that a few kills teach the rest; what comes out smaller where `lower`, but in no tier where
        a lost attempt is dear: those that have ended may be the small ones.

        Returns how many groups changed; None while that is being found out.
        """
        whole = replace(groups[0], waiting=Tasks.union(*(group.waiting for group in groups)))
        splits = self._splits(whole, offer)
        if splits is None:
            return None
        lower = lower and self._modes([whole]) == [COST]
        told = [(group, revised(group, splits, lower=lower)) for group in groups]
        answers = [(group, given) for group, given in told if given]
        return sum(self.store.estimated(answers)) if answers else 0

    def renew(self, groups: Sequence[Group], offer: Offer) -> int:
        """Estimate single jobs that wait at the gate again, as `revise` does sweeps.

        Returns how many have another shape.
        """
        told = [
            (group, revised(group, splits, lower=mode == COST))
            for (group, splits), mode in zip(
                self._alike(groups, offer), self._modes(groups), strict=True
            )
        ]
        answers = [(group, given) for group, given in told if given]
        return sum(self.store.estimated(answers)) if answers else 0

    def _alike(self, groups: Sequence[Group], offer: Offer) -> list[tuple[Group, list[Split]]]:
        """Single jobs, and sweeps of which one task is like another: all asked about at once."""
        modes = self._modes(groups)
        estimates = self.forecaster.estimate([group.job for group in groups], modes)
        told = zip(groups, estimates, modes, strict=True)
        return [(g, [self._split(g, g.waiting, e, mode, offer)]) for g, e, mode in told]

    def _modes(self, of: Sequence[Group | Submission]) -> list[str]:
        known = self.modes()
        return [mode_of(known, one.tier) for one in of]

    def _splits(self, group: Group, offer: Offer) -> list[Split] | None:
        """The group's tasks by shape; None while that is being found out."""
        shapes = self._shapes(group)
        if shapes is None:
            return None
        [mode] = self._modes([group])
        return [
            self._split(group, tasks, estimate, mode, offer)
            for tasks, estimate in sorted(shapes, key=runs_long)
            if tasks
        ]

    def _split(
        self, group: Group, tasks: Tasks, estimate: Estimate, mode: str, offer: Offer
    ) -> Split:
        return Split(tasks, offer.fit(spared(estimate, group), group.job, mode != COST))

    def _shapes(self, group: Group) -> list[tuple[Tasks, Estimate]] | None:
        """Those of its waiting tasks that are alike, with their estimate."""
        if group.parameters is Table.NONE:  # all: 10^8 indexes, one by one, would be 400 MB
            [mode] = self._modes([group])
            [(_, estimate)] = self.forecaster.estimate_sweep(group.job, None, 1, mode)
            return [(group.waiting, estimate)]
        if group.size < LARGE:
            parts: Parts | None = self._parts(group)
        else:
            parts = self.aside.ask(group.group_id, lambda: self._parts(group))
        if parts is None:
            return None
        return [(tasks & group.waiting, estimate) for tasks, estimate in parts]

    def _parts(self, group: Group) -> Parts:
        """Band by band, so that a sweep's parameters are never in memory as a whole."""
        bands = [self._of_band(group, band) for band in self.bands(group)]
        return bands[0] if len(bands) == 1 else merged(list(chain.from_iterable(bands)))

    def _of_band(self, group: Group, band: Band) -> Parts:
        [mode] = self._modes([group])
        job, columns = group.job, band.columns
        shapes = self.forecaster.estimate_sweep(job, columns, band.size, mode)
        return [(Tasks(indexes + band.first), estimate) for indexes, estimate in shapes]


def work_of(group: Group) -> int:
    """What it takes to estimate a sweep, in tasks."""
    return max(LEAST, 0 if group.parameters is Table.NONE else group.size)


def runs_long(part: tuple[Tasks, Estimate]) -> float:
    """The order of a sweep's shapes: what runs longest goes first, so that the sweep does not end
    with that alone (Graham, 1969: within 4/3 of the shortest schedule).
    """
    return -part[1].runtime_s.p50


def merged(parts: Parts) -> Parts:
    """Those of one shape together."""
    groups = united([estimate for _, estimate in parts], [len(tasks) for tasks, _ in parts])
    return [(Tasks.union(*(parts[at][0] for at in places)), one) for places, one in groups]


def mode_of(modes: Mapping[str, str], tier: str) -> str:
    return modes.get(tier, COST)


def revised(group: Group, splits: Sequence[Split], *, lower: bool) -> Sequence[Split]:
    """A group's other shapes; none where those of its tasks are hardly worth the change.

    They are all of its sweep's: tasks of another of its groups may have come to it meanwhile.
    """
    old = group.estimate
    mine = [split.estimate for split in splits if split.tasks & group.waiting]
    if old is None or not any(is_other(new, old, lower=lower) for new in mine):
        return ()
    return splits if lower else [Split(one.tasks, at_least(one.estimate, old)) for one in splits]


def is_other(new: Estimate, old: Estimate, *, lower: bool) -> bool:
    if not lower:
        return is_bigger(new, old)
    return any(abs(a - b) > NEARLY * b for a, b in zip(sizes(new), sizes(old), strict=True))


def sizes(estimate: Estimate) -> tuple[float, ...]:
    given = estimate.allocation
    return given.memory_mib, given.vcpu, given.gpus, estimate.least_gpu_mib or 0


def is_bigger(new: Estimate, old: Estimate) -> bool:
    return new.allocation.memory_mib > old.allocation.memory_mib


def at_least(new: Estimate, old: Estimate) -> Estimate:
    """The new estimate, with no less memory than the old one gave."""
    return new if is_bigger(new, old) else old
