"""How likely tasks still run after so long, by what was foretold of their run times. Pure.

Median and bound are taken as those of a Weibull distribution: of tasks that scatter widely, one
that runs already runs on the longer, the longer it has; of those that hardly do it ends soon.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from headgate.estimate import Quantiles
from queue_broker.core.yard import Floats

#: The spans looked at: a quarter of a minute to two days, each two fifths longer than the one
#: before. `AFTER_S` is about their middles.
_EDGES_S = np.geomspace(15.0, 172_800.0, 28)
SPAN_S: Floats = np.diff(_EDGES_S, prepend=0.0)
AFTER_S: Floats = np.append(_EDGES_S[0] / 2, np.sqrt(_EDGES_S[1:] * _EDGES_S[:-1]))

LEAST_S = 5.0
#: Weibull's exponent. No bound is believed to be closer than at the upper one: what is late is not
#: about to end each second.
EXPONENTS = 0.4, 2.0


def still_running(runtimes_s: Sequence[Quantiles], elapsed_s: Sequence[float]) -> Floats:
    """A row for each task that has run so long: the chance that it does not end within each of
    `AFTER_S`."""
    p50, p95 = np.maximum([(one.p50, one.p95) for one in runtimes_s], LEAST_S).T
    ratio = np.log(np.maximum(p95 / p50, 1.01))
    exponent = np.clip(math.log(math.log(20) / math.log(2)) / ratio, *EXPONENTS)[:, None]
    scale_s = p50[:, None] / math.log(2) ** (1 / exponent)
    ran_s = np.maximum(elapsed_s, 0.0)[:, None]
    found: Floats = np.exp(
        (ran_s / scale_s) ** exponent - ((ran_s + AFTER_S) / scale_s) ** exponent
    )
    return found
