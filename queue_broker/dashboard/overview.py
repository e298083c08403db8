"""The overview page as values: what is said, in which order, and how much of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from headgate.lifecycle import IN_FLIGHT, WAITING, State
from headgate.resources import Resources
from headgate.views import BacklogView, Held, JobList, JobView
from queue_broker.core.scoreboard import Accuracy, Scoreboard
from queue_broker.dashboard.board import Board
from queue_broker.dashboard.modelfacts import ModelFacts, model_facts
from queue_broker.dashboard.tiles import Tile, tiles
from queue_broker.records import Lane, Leak

#: Rows that a wall screen can show; what is beyond is counted in words.
MOST_JOBS, MOST_HELD, MOST_QUEUES, MOST_LANES = 15, 12, 12, 8
#: States of unfinished tasks, in the order of their life.
UNFINISHED = tuple(state for state in State if state in WAITING | IN_FLIGHT)


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A tenant's unfinished tasks in a tier; `length` is of its bar, 0 to 1."""

    tier: str
    tenant: str
    counts: Sequence[tuple[State, int]]
    waiting: int
    starting: int
    running: int
    length: float

    @property
    def tasks(self) -> int:
        return self.waiting + self.starting + self.running


@dataclass(frozen=True, slots=True)
class LaneRow:
    """What a lane holds of what it has."""

    name: str
    used: Resources
    total: Resources
    running: int
    starting: int
    closed: str | None


@dataclass(frozen=True, slots=True)
class Overview:
    """All that the page says."""

    now_s: float
    address: str
    board: Scoreboard
    accuracy: Sequence[Accuracy]
    tiles: Sequence[Tile]
    queue: Sequence[QueueRow]
    lanes: Sequence[LaneRow]
    held: Sequence[Held]
    jobs: Sequence[JobView]
    model: ModelFacts
    problems: Sequence[str] = ()
    queue_left: int = 0
    lanes_left: int = 0
    held_more: bool = False
    jobs_more: bool = False
    shown: int = 0
    measured: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of the broker, at one time."""

    now_s: float
    lanes: Sequence[Lane]
    leaks: Sequence[Leak]
    backlog: Sequence[BacklogView]
    held: Sequence[Held]
    jobs: JobList
    model: ModelFacts
    tiers: Sequence[str] = field(default_factory=tuple)


def read(board: Board) -> Reading:
    """Ask the insights, each question once."""
    insights = board.insights
    queue = insights.queue(MOST_HELD + 1)
    tiers = sorted(insights.tiers(), key=lambda tier: (tier.rank, tier.name))
    return Reading(
        now_s=board.clock(),
        lanes=insights.engine.lanes(),
        leaks=insights.store.open_leaks(),
        backlog=queue.backlog,
        held=queue.held,
        jobs=insights.jobs(limit=MOST_JOBS),
        model=model_facts(
            board.forecaster.version, board.forecaster.problem, board.card(), board.trainings()
        ),
        tiers=[tier.name for tier in tiers],
    )


def overview(reading: Reading, board: Scoreboard, behind: bool, address: str) -> Overview:
    """Decide what is said. Pure."""
    queue, lanes = (
        queue_rows(reading.backlog, reading.tiers),
        lane_rows(reading.lanes, reading.leaks),
    )
    accuracy = board.accuracy()
    samples = board.samples.values()
    return Overview(
        now_s=reading.now_s,
        address=address,
        board=board,
        accuracy=accuracy,
        tiles=tiles(
            board,
            accuracy,
            running=sum(row.running for row in queue),
            waiting=sum(row.waiting for row in queue),
            model=reading.model,
        ),
        queue=queue[:MOST_QUEUES],
        lanes=lanes[:MOST_LANES],
        held=reading.held[:MOST_HELD],
        jobs=reading.jobs.jobs,
        model=reading.model,
        problems=problems(reading.model, behind, board.attempts),
        queue_left=max(0, len(queue) - MOST_QUEUES),
        lanes_left=max(0, len(lanes) - MOST_LANES),
        jobs_more=reading.jobs.next is not None,
        held_more=len(reading.held) > MOST_HELD,
        shown=sum(len(sample.points) for sample in samples),
        measured=sum(sample.seen for sample in samples),
    )


def problems(model: ModelFacts, behind: bool, attempts: int) -> list[str]:
    found = [model.problem] if model.problem else []
    if behind:
        found.append(f"Reading the history: {attempts:,} attempts so far; the sums still grow.")
    return found


def queue_rows(backlog: Sequence[BacklogView], tiers: Sequence[str]) -> list[QueueRow]:
    """By the tiers' rank, then the fullest tenant first; bars are to the scale of the fullest."""
    sizes = {id(one): sum(one.counts.values()) for one in backlog}
    most = max(sizes.values(), default=0)
    place = {tier: rank for rank, tier in enumerate(tiers)}
    order = sorted(
        (one for one in backlog if sizes[id(one)]),
        key=lambda one: (place.get(one.tier, len(tiers)), -sizes[id(one)], one.tenant),
    )
    return [queue_row(one, sizes[id(one)] / most) for one in order]


def queue_row(one: BacklogView, length: float) -> QueueRow:
    counts = [(state, one.counts.get(state, 0)) for state in UNFINISHED]
    return QueueRow(
        tier=one.tier,
        tenant=one.tenant,
        counts=counts,
        waiting=sum(tasks for state, tasks in counts if state in WAITING),
        starting=one.counts.get(State.STARTING, 0),
        running=one.counts.get(State.RUNNING, 0),
        length=length,
    )


def lane_rows(lanes: Sequence[Lane], leaks: Sequence[Leak]) -> list[LaneRow]:
    """What the open leaks hold of each lane, the busiest first."""
    by_lane: dict[str, list[Leak]] = defaultdict(list)
    for leak in leaks:
        by_lane[leak.lane].append(leak)
    rows = [lane_row(lane, by_lane[lane.name]) for lane in lanes]
    return sorted(rows, key=lambda row: (-row.used.dominant_share(row.total), row.name))


def lane_row(lane: Lane, leaks: Sequence[Leak]) -> LaneRow:
    running = sum(len(leak.running) for leak in leaks)
    return LaneRow(
        name=lane.name,
        used=sum((leak.allocation * len(leak.open) for leak in leaks), Resources()),
        total=lane.shape * lane.instances,
        running=running,
        starting=sum(len(leak.open) for leak in leaks) - running,
        closed=lane.closed,
    )
