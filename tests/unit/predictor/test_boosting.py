from __future__ import annotations

import subprocess
import sys

ALONE = """
import sys
from predictor.boosting import lgb
assert lgb.train, lgb
assert "sklearn" not in sys.modules, "65 MiB that no broker uses"
from sklearn.linear_model import LinearRegression
"""
BESIDE = """
import sklearn
from predictor.boosting import lgb
assert lgb.LGBMRegressor().get_params()
"""


def test_lightgbm_comes_without_scikit_learn_which_can_be_had_later() -> None:
    subprocess.run([sys.executable, "-c", ALONE], check=True)


def test_who_uses_scikit_learn_already_keeps_it_beside_lightgbm() -> None:
    subprocess.run([sys.executable, "-c", BESIDE], check=True)
