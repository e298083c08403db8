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
                "p50": known["memory_mib"] <= known["memory_mib_p50"],
                "p95": known["memory_mib"] <= known["memory_mib_p95"],
            }
        )
        return below.groupby("family").agg(["mean", "count"])

    def scatter(self, target: str) -> Any:
        """Predicted against actual, both in log."""
        import plotly.express as px

        shown = self.tasks.dropna(subset=[target])
        axes = {"log_x": True, "log_y": True, "color": "family", "opacity": 0.5}
        return px.scatter(shown, x=target, y=f"{target}_p50", **axes)


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
        pd.DataFrame(rows), pd.Series({name: getattr(summary, name) for name in FIGURES})
    )


FIGURES = (
    "jobs", "cost_gbh", "wasted_gbh", "failures", "coverage", "memory_error", "runtime_error",
)  # fmt: skip
