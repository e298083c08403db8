"""What the notebooks show: a back-test of the latest jobs, as tables and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from predictor.history import from_table
from predictor.predictor import Predictor
from predictor.usage import measured
from training.dataset import build
from training.evaluate import estimate_tasks, score
from training.fit import fit
from training.split import by_time


@dataclass(frozen=True, slots=True)
class Backtest:
    """The held-out tasks with what was foretold of each (`tasks`), the score, and the bounds'
    coverage.
    """

    tasks: pd.DataFrame
    summary: pd.Series[Any]

    @property
    def calibration(self) -> pd.DataFrame:
        """The share of tasks below the median and below the 95 % bound of memory, by family."""
        known = self.tasks.dropna(subset=["memory_mib"])
        below = pd.DataFrame(
            {
                "family": known["family"],
                "tasks": 1,
                "below the median": known["memory_mib"] <= known["memory_mib_p50"],
                "below the 95 % bound": known["memory_mib"] <= known["memory_mib_p95"],
            }
        )
        shares = below.groupby("family").mean()
        return shares.assign(tasks=below.groupby("family")["tasks"].sum())

    def scatter(self, target: str) -> Any:
        """Predicted (across) against measured (up), both in log; on the line they are equal."""
        import plotly.express as px

        shown, predicted = self.tasks.dropna(subset=[target]), f"{target}_p50"
        labels = {target: f"{target}, measured", predicted: f"{target}, predicted median"}
        axes = {"log_x": True, "log_y": True, "color": "family", "opacity": 0.5, "labels": labels}
        figure = px.scatter(shown, x=predicted, y=target, **axes)
        ends = [shown[[target, predicted]].min().min(), shown[[target, predicted]].max().max()]
        line = {"color": "grey", "dash": "dot", "width": 1}
        figure.add_scatter(x=ends, y=ends, mode="lines", line=line, showlegend=False)
        return figure


def backtest(history: pa.Table, held_out: float) -> Backtest:
    """Fit on the earlier part, foretell the rest, learning nothing from it."""
    observations = sorted(from_table(history), key=lambda item: item.finished_at_s)
    earlier, later = by_time(len(observations), held_out)
    past = [observations[place] for place in earlier]
    future = [observations[place] for place in later]
    predictor = Predictor(fit(build(past)))
    predictor.observe(past)
    rows = []
    for item, estimate in zip(future, estimate_tasks(predictor, future), strict=True):
        actual = {target: value for target, value, censored in measured(item) if not censored}
        row: dict[str, object] = {"family": estimate.family}
        for target, bounds in (
            ("memory_mib", estimate.memory_mib),
            ("runtime_s", estimate.runtime_s),
        ):
            row |= {
                target: actual.get(target, np.nan),
                f"{target}_p50": bounds.p50,
                f"{target}_p95": bounds.p95,
            }
        rows.append(row)
    summary = score(predictor, future)
    return Backtest(
        pd.DataFrame(rows),
        pd.Series({name: getattr(summary, name) for name in FIGURES}, dtype=object),
    )


FIGURES = (
    "jobs", "cost_gbh", "wasted_gbh", "failures", "coverage", "memory_error", "runtime_error",
)  # fmt: skip
