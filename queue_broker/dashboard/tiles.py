"""The headline numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headgate.estimate import Source
from queue_broker.core.scoreboard import Accuracy, Scoreboard
from queue_broker.dashboard import wording
from queue_broker.dashboard.modelfacts import ModelFacts

#: Of a model's version, which is told whole further down.
SHORT = 8
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


def tiles(
    board: Scoreboard,
    accuracy: Sequence[Accuracy],
    running: int,
    waiting: int,
    model: ModelFacts,
) -> list[Tile]:
    return [
        saved_tile(board),
        *bound_tiles(accuracy),
        kills_tile(board),
        running_tile(running, waiting),
        Tile(
            "Model in use",
            (model.version or "none")[:SHORT],
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
        Tile("Memory error", wording.error(error), f"mean, of the median {whose}"),
    ]


def kills_tile(board: Scoreboard) -> Tile:
    if not board.kills:
        return Tile("Kills for memory", "0", f"in {wording.attempts(board.attempts)}")
    detail = f"{wording.tasks(board.recovered)} then succeeded with more"
    return Tile("Kills for memory", wording.count(board.kills), detail)


def running_tile(running: int, waiting: int) -> Tile:
    return Tile("Running", wording.count(running), f"{wording.count(waiting)} wait at the gate")
