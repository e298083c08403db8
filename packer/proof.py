"""What proves that a plan can cost no less: prices of tasks under which no instance holds more
worth than it costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from packer.problem import Floats, Ints

#: What a milli-vCPU, a MiB and a GPU are worth, USD an hour.
Prices = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """What a task of each demand costs at the least, USD an hour, and the rent to take off the sum.

    That no instance can hold more than it costs does not hang on the counts, so a proof bounds the
    cost of any other counts too. Where `most` is given, fillings with more tasks of a demand than
    that were not looked at, and nothing is proven for larger counts.
    """

    worth: Floats
    rent: float = 0.0
    most: Ints | None = None

    def bound(self, count: Ints) -> float:
        """USD an hour that `count` tasks of each demand cost at the least."""
        if self.most is not None and (count > self.most).any():
            return 0.0
        return max(0.0, float(count @ np.where(count, self.worth, 0.0)) - self.rent)
