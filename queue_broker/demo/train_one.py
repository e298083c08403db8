"""One model training of the demo: a real fit whose memory, cores and time truly differ.

    python -m queue_broker.demo.train_one --algorithm naive_bayes --size 4 --seed 1

`size` says how much is trained on the handwritten digits that ship with scikit-learn: for the
linear families 25 x 2^size copies of them (so that the memory doubles with each step), for the
others depth, trees or rounds. Prints one line of JSON with the accuracy on a held-out part.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

Array = npt.NDArray[np.float64]
Fit = Callable[[Array, npt.NDArray[Any], float, int], Any]


def naive_bayes(x: Array, y: npt.NDArray[Any], size: float, seed: int) -> Any:
    from sklearn.naive_bayes import GaussianNB

    return GaussianNB(var_smoothing=1e-2).fit(*copies(x, y, size, seed))


def ridge(x: Array, y: npt.NDArray[Any], size: float, seed: int) -> Any:
    from sklearn.linear_model import RidgeClassifier

    return RidgeClassifier(solver="cholesky").fit(*copies(x, y, size, seed))


def centroid(x: Array, y: npt.NDArray[Any], size: float, seed: int) -> Any:
    from sklearn.neighbors import NearestCentroid

    return NearestCentroid().fit(*copies(x, y, size, seed))


def tree(x: Array, y: npt.NDArray[Any], size: float, seed: int) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=round(4 + size), random_state=seed).fit(x, y)


def forest(x: Array, y: npt.NDArray[Any], size: float, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=round(20 * 2**size), random_state=seed).fit(x, y)


def boosting(x: Array, y: npt.NDArray[Any], size: float, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(max_iter=round(2 + 2 * size), early_stopping=False)
    return model.set_params(random_state=seed).fit(x, y)


ALGORITHMS: dict[str, Fit] = {
    fit.__name__: fit for fit in (naive_bayes, ridge, centroid, tree, forest, boosting)
}


def copies(x: Array, y: npt.NDArray[Any], size: float, seed: int) -> tuple[Array, npt.NDArray[Any]]:
    """The data 25 x 2^size times over, with a little noise so that no two rows are alike."""
    times = round(25 * 2**size)
    big = np.tile(x, (times, 1))
    rng = np.random.default_rng(seed)
    big += rng.normal(scale=0.1, size=big.shape[1])
    return big, np.tile(y, times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algorithm", choices=sorted(ALGORITHMS), required=True)
    parser.add_argument("--size", type=float, required=True, metavar="0..6")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(given.seed).permutation(len(x))
    train, test = order[300:], order[:300]
    model = ALGORITHMS[given.algorithm](x[train], y[train], given.size, given.seed)
    accuracy = float(model.score(x[test], y[test]))
    print(json.dumps({**vars(given), "accuracy": round(accuracy, 4)}))


if __name__ == "__main__":
    main()
