"""The model in use, as its card tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.views import Training
from queue_broker.dashboard import wording


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The model as its card tells, and what the last training came to."""

    version: str | None
    problem: str | None
    trained_at_s: float | None = None
    rows: int | None = None
    learnt_to_s: float | None = None  #: when the last attempt ended that it knows
    metrics: Sequence[tuple[str, str]] = ()
    last: Training | None = None


def model_facts(
    version: str | None,
    problem: str | None,
    card: Mapping[str, Any],
    trainings: Sequence[Training] = (),
) -> ModelFacts:
    """What a card tells; cards differ by the program that wrote them, so nothing is relied on.

    A model that was published by hand has no training on record. `trainings`: newest first.
    """
    promoted = [one.at_s for one in trainings if version and one.version == version]
    metrics = card.get("metrics") or {}
    return ModelFacts(
        version=version,
        problem=problem,
        trained_at_s=next(iter(promoted), card.get("trained_at_s")),
        rows=card.get("rows"),
        learnt_to_s=card.get("to_s"),
        metrics=[
            (name, show(metrics[key])) for key, (name, show) in METRICS.items() if key in metrics
        ],
        last=next(iter(trainings), None),
    )


#: A back-test's figures that a person can use, with how each is written.
METRICS = {
    "coverage": ("Back-test: within the bound", wording.percent),
    "memory_error": ("Back-test: memory error", wording.error),
    "runtime_error": ("Back-test: runtime error", wording.error),
    "wasted_gbh": ("Back-test: wasted GB-h", wording.number),
}
