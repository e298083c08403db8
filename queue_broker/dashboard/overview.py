"""The overview page as values: what is said, in which order, and how much of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headgate.estimate import Source
from headgate.lifecycle import IN_FLIGHT, WAITING, State
from headgate.resources import Resources
from headgate.views import BacklogView, Held, JobView
from queue_broker.core.scoreboard import Accuracy, Scoreboard
from queue_broker.dashboard import wording
from queue_broker.dashboard.board import Board
from queue_broker.records import Lane, Leak

#: Rows that a wall screen can show; what is beyond is counted in words.
MOST_JOBS, MOST_HELD, MOST_QUEUES, MOST_LANES = 15, 12, 12, 8
#: States of unfinished tasks, in the order of their life.
UNFINISHED = tuple(state for state in State if state in WAITING | IN_FLIGHT)

#: The sources that predict; the others pass on what they were told.
PREDICTED = frozenset({Source.MODEL.value, Source.FAMILY.value})


@dataclass(frozen=True, slots=True)
class Tile:
    """One headline number."""

    name: str
    value: str
    detail: str
    unit: str = ""
    tone: str = ""


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
class ModelFacts:
    """The model as its card tells; `decision` is what the last training said."""

    version: str | None
    problem: str | None
    trained_at_s: float | None = None
    rows: int | None = None
    metrics: Sequence[tuple[str, str]] = ()
    decision: str | None = None


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
    jobs: Sequence[JobView]
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
        jobs=insights.jobs(limit=MOST_JOBS).jobs,
        model=model_facts(board.forecaster.version, board.forecaster.problem, board.card()),
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
        tiles=tiles(board, accuracy, queue, reading.model),
        queue=queue[:MOST_QUEUES],
        lanes=lanes[:MOST_LANES],
        held=reading.held[:MOST_HELD],
        jobs=reading.jobs,
        model=reading.model,
        problems=problems(reading.model, behind, board.attempts),
        queue_left=max(0, len(queue) - MOST_QUEUES),
        lanes_left=max(0, len(lanes) - MOST_LANES),
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


def tiles(
    board: Scoreboard,
    accuracy: Sequence[Accuracy],
    queue: Sequence[QueueRow],
    model: ModelFacts,
) -> list[Tile]:
    return [
        saved_tile(board),
        *bound_tiles(accuracy),
        kills_tile(board),
        running_tile(queue),
        Tile(
            "Model in use",
            model.version or "none",
            f"trained on {wording.attempts(model.rows)}"
            if model.rows
            else "history and requests speak",
        ),
    ]


def saved_tile(board: Scoreboard) -> Tile:
    sums = board.sums
    if not sums.asked and not sums.given:
        return Tile("Memory saved", wording.NOTHING, "once the first task has ended")
    share = sums.saved / sums.asked if sums.asked else 0.0
    detail = f"{wording.percent(share)} of what was asked for"
    if sums.asked_usd:
        detail += f"; {wording.usd(sums.saved_usd)}"
    tone = "gain" if sums.saved > 0 else "loss" if sums.saved < 0 else ""
    value, unit = wording.memory_hours(sums.saved)
    return Tile("Memory saved", value, detail, unit, tone)


def bound_tiles(accuracy: Sequence[Accuracy]) -> list[Tile]:
    """Coverage and error of memory: of the predictions, and of requests while there are none."""
    rows = [row for row in accuracy if row.target == "memory_mib"]
    predicted = [row for row in rows if row.source in PREDICTED]
    tasks = sum(row.tasks for row in predicted or rows)
    if not tasks:
        nothing = "no measured task yet"
        return [
            Tile("Within the 95 % bound", wording.NOTHING, nothing),
            Tile("Memory error", wording.NOTHING, nothing),
        ]
    covered = sum(row.coverage * row.tasks for row in predicted or rows) / tasks
    error = sum(row.mape * row.tasks for row in predicted or rows) / tasks
    whose = "predicted" if predicted else "as requested"
    return [
        Tile(
            "Within the 95 % bound",
            wording.percent(covered),
            f"memory of {wording.tasks(tasks)}, {whose}",
        ),
        Tile("Memory error", wording.percent(error), f"mean, of the median {whose}"),
    ]


def kills_tile(board: Scoreboard) -> Tile:
    if not board.kills:
        return Tile("Kills for memory", "0", f"in {wording.attempts(board.attempts)}")
    detail = f"{wording.tasks(board.recovered)} then succeeded with more"
    return Tile("Kills for memory", wording.count(board.kills), detail)


def running_tile(queue: Sequence[QueueRow]) -> Tile:
    running = sum(row.running for row in queue)
    waiting = sum(row.waiting for row in queue)
    return Tile("Running", wording.count(running), f"{wording.count(waiting)} wait at the gate")


def model_facts(version: str | None, problem: str | None, card: Mapping[str, Any]) -> ModelFacts:
    """What a card tells; cards differ by the program that wrote them, so nothing is relied on."""
    metrics = card.get("metrics") or {}
    return ModelFacts(
        version=version,
        problem=problem,
        trained_at_s=card.get("trained_at_s") or card.get("to_s"),
        rows=card.get("rows"),
        metrics=[
            (name, show(metrics[key])) for key, (name, show) in METRICS.items() if key in metrics
        ],
        decision=card.get("decision"),
    )


#: A back-test's figures that a person can use, with how each is written.
METRICS = {
    "coverage": ("Back-test: within the bound", wording.percent),
    "memory_error": ("Back-test: memory error", wording.percent),
    "runtime_error": ("Back-test: runtime error", wording.percent),
    "wasted_gbh": ("Back-test: wasted GB-h", wording.number),
}
