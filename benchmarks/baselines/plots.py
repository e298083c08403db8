"""The benchmarks' pictures, as PNG files in benchmarks/results/."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt

matplotlib.use("Agg")

RESULTS = Path(__file__).parents[1] / "results"
Vector = npt.NDArray[np.float64]


def picture(name: str) -> Path:
    """Where a picture lies, whatever a table calls what it shows."""
    return RESULTS / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', name)}.png"


def bars(path: Path, title: str, values: Mapping[str, float], unit: str = "GBh wasted") -> None:
    """One bar a method, the least at the top."""
    from matplotlib import pyplot

    ordered = sorted(values.items(), key=lambda pair: -pair[1])
    figure, axes = pyplot.subplots(figsize=(7, 3.5), layout="constrained")
    colours = ["#1b7f5c" if name == "headgate" else "#9aa5b1" for name, _ in ordered]
    axes.barh([name for name, _ in ordered], [value for _, value in ordered], color=colours)
    axes.set(title=title, xlabel=f"{unit} (log)", xscale="log")
    save(path, figure)


def scatter(path: Path, title: str, predicted: Vector, actual: Vector) -> None:
    """Predicted against actual, both in log, with the line where they agree."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 5), layout="constrained")
    axes.scatter(actual, predicted, s=4, alpha=0.3, color="#1b7f5c", linewidths=0)
    ends = [float(min(actual.min(), predicted.min())), float(max(actual.max(), predicted.max()))]
    axes.plot(ends, ends, color="#333333", linewidth=0.8)
    axes.set(title=title, xlabel="actual", ylabel="predicted", xscale="log", yscale="log")
    save(path, figure)


def calibration(path: Path, title: str, stated: Vector, covered: Mapping[str, Vector]) -> None:
    """The share of later tasks below each stated bound; honest bounds lie on the diagonal."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 5), layout="constrained")
    axes.plot([0, 1], [0, 1], color="#333333", linewidth=0.8)
    for name, shares in covered.items():
        axes.plot(stated, shares, marker="o", markersize=3, label=name)
    axes.legend()
    axes.set(title=title, xlabel="stated", ylabel="covered")
    save(path, figure)


def save(path: Path, figure: object) -> None:
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    pyplot.gcf().savefig(path, dpi=120)
    pyplot.close("all")
