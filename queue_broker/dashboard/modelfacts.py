"""The model in use, as its card tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from queue_broker.dashboard import wording


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The model as its card tells; `decision` is what the last training said."""

    version: str | None
    problem: str | None
    trained_at_s: float | None = None
    rows: int | None = None
    metrics: Sequence[tuple[str, str]] = ()
    decision: str | None = None


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
