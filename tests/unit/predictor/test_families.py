from __future__ import annotations

import math

import pytest

from predictor.families import COARSE_MIN, Families
from predictor.window import Seen


def a_need(at: int, memory_mib: float) -> Seen:
    return Seen(float(at), {}, math.nan, math.nan, math.log(memory_mib), 60.0)


@pytest.mark.parametrize(
    ("count", "speaks"), [(COARSE_MIN - 1, "program"), (COARSE_MIN, "program/varies")]
)
def test_who_knows_enough_is_not_overruled_by_a_mean_over_kinds(count: int, speaks: str) -> None:
    """Of a program most of whose kinds always need the same, the mean is cheap for all but one."""
    families = Families([2.0])
    for at in range(count):
        need = a_need(at, 100.0 * 3 ** (at % 4))
        families.learn(("program/varies", "program"), "memory_mib", need)
    for at in range(240):
        families.learn(("program/steady", "program"), "memory_mib", a_need(count + at, 120.0))

    voice = families.voice(("program/varies", "program"), "memory_mib")

    assert voice is not None
    assert voice.key == speaks
