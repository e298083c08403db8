"""How well the estimates did, and what they saved: running sums over the attempts that ended.

Memory stays bounded whatever the number of tasks: sums, a seeded sample of points, and a time line
whose buckets widen. The same attempts in the same order give the same board.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from headgate.estimate import Estimate, Quantiles, Source
from headgate.lifecycle import Cause
from headgate.resources import Resources
from headgate.usage import Observation
from predictor.usage import measured
from queue_broker.records import Lane

TARGETS = ("memory_mib", "vcpu", "runtime_s", "gpu_memory_mib")
#: Points kept of each target and source: 2,000 a target, since the eye sees no more. By source, so
#: that a million predictions of the model do not crowd out the few that a family's history made.
MOST_POINTS = 500
#: Buckets kept of the time line; beyond, two become one.
MOST_BUCKETS = 240
FIRST_BUCKET_S = 5.0


class Point(NamedTuple):
    """One measured task beside what was foretold of it."""

    predicted: float
    actual: float
    family: str
    source: str


class Accuracy(NamedTuple):
    """How the estimates of one target by one source did."""

    target: str
    source: str
    tasks: int
    coverage: float  #: share of tasks within the stated 95 % bound
    mape: float  #: mean absolute percentage error of the median, as a fraction


class Moment(NamedTuple):
    """GiB-hours up to a time (Unix seconds)."""

    at_s: float
    asked: float
    given: float
    used: float


@dataclass(slots=True)
class Sample:
    """A uniform sample of a stream: Vitter's algorithm R (1985), seeded."""

    most: int = MOST_POINTS
    seen: int = 0
    points: list[Point] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(0))

    def add(self, point: Point) -> None:
        self.seen += 1
        if len(self.points) < self.most:
            self.points.append(point)
            return
        place = int(self._random.random() * self.seen)
        if place < self.most:
            self.points[place] = point


@dataclass(slots=True)
class Sums:
    """GiB-hours of memory, and dollars where the lanes have a price."""

    asked: float = 0.0
    given: float = 0.0
    used: float = 0.0
    asked_usd: float = 0.0
    given_usd: float = 0.0

    def __iadd__(self, other: Sums) -> Sums:
        self.asked += other.asked
        self.given += other.given
        self.used += other.used
        self.asked_usd += other.asked_usd
        self.given_usd += other.given_usd
        return self

    @property
    def saved(self) -> float:
        """GiB-hours; negative when the estimates cost more than the requests would have."""
        return self.asked - self.given

    @property
    def saved_usd(self) -> float:
        return self.asked_usd - self.given_usd


@dataclass(slots=True)
class Timeline:
    """Sums by time in at most `MOST_BUCKETS` buckets; their width doubles as the span grows."""

    width_s: float = FIRST_BUCKET_S
    buckets: dict[int, Sums] = field(default_factory=dict)

    def add(self, at_s: float, sums: Sums) -> None:
        self._bucket(int(at_s // self.width_s)).__iadd__(sums)
        while len(self.buckets) > MOST_BUCKETS:
            self._widen()

    def cumulative(self) -> list[Moment]:
        """The sums at the start and end of every stretch of buckets, and at each end between."""
        total, moments = Sums(), []
        for number in sorted(self.buckets):
            if number - 1 not in self.buckets:  # so that an idle night is drawn flat, not as a ramp
                moments.append(self._moment(number, total))
            total += self.buckets[number]
            moments.append(self._moment(number + 1, total))
        return moments

    def _moment(self, number: int, total: Sums) -> Moment:
        return Moment(number * self.width_s, total.asked, total.given, total.used)

    def _bucket(self, number: int) -> Sums:
        return self.buckets.setdefault(number, Sums())

    def _widen(self) -> None:
        narrow, self.buckets = self.buckets, {}
        self.width_s *= 2
        for number, sums in narrow.items():
            self._bucket(number // 2).__iadd__(sums)


@dataclass(slots=True)
class Tally:
    """Sums behind one `Accuracy`."""

    tasks: int = 0
    covered: int = 0
    error: float = 0.0

    def add(self, foretold: Quantiles, actual: float) -> None:
        self.tasks += 1
        self.covered += actual <= foretold.p95
        self.error += abs(foretold.p50 - actual) / actual


@dataclass(slots=True)
class Scoreboard:
    """The running figures. `add` is called with every attempt once, in the store's order."""

    attempts: int = 0
    unasked: int = 0  #: successes that asked for no memory, or for less than they needed
    kills: int = 0  #: attempts that were killed for memory
    recovered: int = 0  #: tasks that succeeded after such a kill, with more memory
    lost_gibh: float = 0.0  #: what the killed attempts had held
    causes: Counter[str] = field(default_factory=Counter)
    sums: Sums = field(default_factory=Sums)
    timeline: Timeline = field(default_factory=Timeline)
    samples: dict[tuple[str, str], Sample] = field(default_factory=lambda: defaultdict(Sample))
    tallies: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))

    def add(self, observations: Iterable[Observation], lanes: Sequence[Lane] = ()) -> None:
        """Count attempts that ended; `lanes` give the prices."""
        priced = [lane for lane in lanes if lane.price_usd_hour]
        for item in observations:
            self.attempts += 1
            self.causes[item.cause.value] += 1
            self._score(item)
            self._weigh(item, priced)

    def accuracy(self) -> list[Accuracy]:
        """By target, then from the best informed source to the least."""
        return [
            Accuracy(target, source, t.tasks, t.covered / t.tasks, t.error / t.tasks)
            for (target, source), t in sorted(self.tallies.items(), key=lambda pair: rank(*pair[0]))
        ]

    def points(self, target: str) -> list[Point]:
        """The sampled points of a target, in the order of `accuracy`."""
        keys = sorted((key for key in self.samples if key[0] == target), key=lambda key: rank(*key))
        return [point for key in keys for point in self.samples[key].points]

    def _score(self, item: Observation) -> None:
        """Every task that succeeded counts once, by what it needed in the end."""
        if item.estimate is None:
            return
        source = item.estimate.source.value
        for target, actual, censored in measured(item):
            foretold = bounds(item.estimate, target)
            if censored or foretold is None:
                continue
            self.tallies[target, source].add(foretold, actual)
            point = Point(foretold.p50, actual, item.estimate.family, source)
            self.samples[target, source].add(point)

    def _weigh(self, item: Observation, lanes: Sequence[Lane]) -> None:
        if item.allocation is None:
            return
        sums = weigh(item, lanes)
        self.sums += sums
        self.timeline.add(item.finished_at_s, sums)
        succeeded = item.cause is Cause.EXITED and item.exit_code == 0
        if item.cause is Cause.OUT_OF_MEMORY:
            self.kills += 1
            self.lost_gibh += sums.given
        asked_mib = item.job.resources.memory_mib or 0
        if succeeded and (not asked_mib or asked_mib < (item.usage.peak_memory_mib or 0)):
            self.unasked += 1
        if succeeded and item.estimate is not None and item.estimate.memory_kills > 0:
            self.recovered += 1


def rank(target: str, source: str) -> tuple[int, int]:
    """The order in which targets and sources are told."""
    return TARGETS.index(target), list(Source).index(Source(source))


def bounds(estimate: Estimate, target: str) -> Quantiles | None:
    """What the estimate foretold of one target."""
    found: Quantiles | None = getattr(estimate, target)
    return found


def weigh(item: Observation, lanes: Sequence[Lane]) -> Sums:
    """What one attempt held and used, and what the request would have held.

    Where something is not known, nothing is claimed: a task that asked for nothing, or for less
    than it needed, counts as asked = given, an unmeasured one as used = given, and a kill for
    memory is charged to what was given alone.
    """
    given = item.allocation or Resources()
    hours = max(0.0, item.usage.runtime_s) / 3600
    peak_mib = item.usage.peak_memory_mib
    used_mib = given.memory_mib if peak_mib is None else min(peak_mib, given.memory_mib)
    given_usd = price_usd_hour(given, lanes) or 0.0
    lost = Sums(given=given.memory_mib / 1024 * hours, given_usd=given_usd * hours)
    if item.cause is Cause.OUT_OF_MEMORY:
        return lost
    asked = as_asked(item, given)
    asked_usd = price_usd_hour(asked, lanes)
    return Sums(
        asked=asked.memory_mib / 1024 * hours,
        given=lost.given,
        used=used_mib / 1024 * hours,
        asked_usd=(given_usd if asked_usd is None else asked_usd) * hours,
        given_usd=lost.given_usd,
    )


def as_asked(item: Observation, given: Resources) -> Resources:
    """The allocation that the user's request would have made.

    What was not asked for is as given; so is memory where the request was below the need, since
    then the task could not have run as asked.
    """
    asked = item.job.resources
    enough = asked.memory_mib is not None and asked.memory_mib >= (item.usage.peak_memory_mib or 0)
    return Resources(
        vcpu=asked.vcpu if asked.vcpu is not None else given.vcpu,
        memory_mib=(asked.memory_mib or 0) if enough else given.memory_mib,
        gpus=asked.gpus if asked.gpus is not None else given.gpus,
    )


def price_usd_hour(held: Resources, lanes: Sequence[Lane]) -> float | None:
    """The share of an instance that is held, at the cheapest lane with room for it; None: none."""
    shares = [
        held.dominant_share(lane.shape) * lane.price_usd_hour
        for lane in lanes
        if held.fits(lane.shape)
    ]
    return min(shares, default=None)
