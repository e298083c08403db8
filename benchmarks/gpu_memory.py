"""GPU memory of model trainings: ours beside a plain LightGBM's mean, 5-fold.

    python -m benchmarks.gpu_memory gpumemnet_mlp.parquet

PATH is GPUMemNet's table of MLP trainings (github.com/itu-rad/GPUMemNet). Too little is a crash
in the middle of a training, so the bound is given, not the median: under-predicted at most 1 %,
at 15 % over-ask in the mean.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.baselines.plots import picture, scatter
from benchmarks.baselines.tables import Columns, foretell, mape, shuffled_folds
from benchmarks.baselines.traces import load
from benchmarks.report import Options, Result, main
from headgate.estimate import Quantiles
from predictor.boosting import lgb
from training.dataset import Vector

TARGET = "Max GPU Memory (MiB)"
NUMBERS = ("Depth", "Total Activations", "Total Parameters", "Batch Size", "n_layers_total",
           "Batch Normalization Layers", "Dropout Layers")  # fmt: skip
COLUMNS = Columns("mlp", NUMBERS, gpu_memory_mib=TARGET, words=("Activation Function",))
NEEDED = (TARGET, *NUMBERS, *COLUMNS.words)


def measure(options: Options) -> Iterator[Result]:
    frame = load(options.path, NEEDED) if options.path else drawn(options.seed)
    frame = frame.iloc[::4].reset_index(drop=True) if options.quick else frame
    actual = frame[TARGET].to_numpy(dtype=np.float64)
    began = time.perf_counter()
    plain = np.empty(len(frame))
    folds = shuffled_folds(len(frame), options.seed)
    found = foretell(frame, COLUMNS, folds)
    bounds = [found[place].gpu_memory_mib or Quantiles(0, 0) for place in range(len(frame))]
    middle, given = np.array([[bound.p50, bound.p95] for bound in bounds]).T
    for train, test in folds:
        plain[test] = theirs(frame.iloc[train], frame.iloc[test])
    seconds = time.perf_counter() - began
    scatter(picture("gpu_memory"), "GPU memory of MLPs (MiB)", middle, actual)
    for name, value, peer, target in (
        ("MAPE of the median", mape(middle, actual), mape(plain, actual), None),
        ("under-predicted", low(given, actual), low(plain, actual), "<= 0.01"),
        ("mean over-ask", over(given, actual), over(plain, actual), "<= 0.15"),
    ):
        against = {"plain LightGBM": peer}
        yield Result(f"GPU memory: {name}", value, "", len(frame), seconds, against, None, target)


def theirs(train: pd.DataFrame, test: pd.DataFrame) -> Vector:
    """LightGBM as it comes, on the same features."""
    names = list(NUMBERS)
    data = lgb.Dataset(train[names].to_numpy(), train[TARGET])
    booster = lgb.train({"verbosity": -1, "num_threads": 1}, data, num_boost_round=100)
    return np.asarray(booster.predict(test[names].to_numpy()), dtype=np.float64)


def low(given: Vector, actual: Vector) -> float:
    return float(np.mean(given < actual))


def over(given: Vector, actual: Vector) -> float:
    return float(np.mean(np.maximum(given / actual - 1, 0)))


def drawn(seed: int) -> pd.DataFrame:
    """Trainings drawn by the textbook: weights, gradients and Adam's two moments,
    activations, a context.
    """
    rng = np.random.default_rng(seed)
    size = 1200
    weights, acts = rng.lognormal(14, 2, size), rng.lognormal(8, 1.5, size)
    batch = rng.integers(4, 1024, size)
    need = 1440 + (16 * weights + 8 * acts * batch) / 2**20
    table: dict[str, Vector] = {name: np.zeros(size) for name in NUMBERS}
    table |= {
        "Total Parameters": weights,
        "Total Activations": acts,
        "Batch Size": batch.astype(float),
    }
    noisy = need * rng.lognormal(0, 0.01, size)
    return pd.DataFrame(table | {TARGET: noisy, "Activation Function": "ReLU"})


if __name__ == "__main__":
    main(measure, __doc__)
