from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from queue_broker.adapters.clock import SteadyClock

HOUR_S = 3600.0


@dataclass(slots=True)
class Machine:
    """Time that passes, and a clock that can be set."""

    up_s: float = 50.0
    wall_s: float = 1_000_000.0
    clock: SteadyClock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = SteadyClock(lambda: self.wall_s, lambda: self.up_s)

    def passes(self, seconds: float) -> None:
        self.up_s += seconds
        self.wall_s += seconds

    def reads(self, ticks: int, tick_s: float = 1.0) -> list[float]:
        told = []
        for _ in range(ticks):
            self.passes(tick_s)
            told.append(self.clock())
        return told


def test_it_tells_what_the_machine_tells() -> None:
    machine = Machine()
    assert machine.clock() == 1_000_000.0
    machine.passes(7.5)
    assert machine.clock() == pytest.approx(1_000_007.5)


@pytest.mark.parametrize("set_by_s", [-HOUR_S, HOUR_S])
def test_a_clock_that_is_set_is_followed_without_a_jump(set_by_s: float) -> None:
    machine = Machine()
    machine.clock()
    machine.wall_s += set_by_s

    told = machine.reads(10)
    steps = [after - before for before, after in pairwise(told)]
    assert steps == pytest.approx([1.1 if set_by_s > 0 else 0.9] * 9)

    machine.reads(12 * 60, tick_s=60.0)
    assert machine.clock() == pytest.approx(machine.wall_s)


def test_a_clock_that_was_never_set_is_told_as_soon_as_it_is() -> None:
    machine = Machine()
    machine.clock()
    machine.wall_s += 56 * 365 * 24 * HOUR_S

    assert machine.clock() == pytest.approx(machine.wall_s)


def test_it_goes_on_while_the_machine_sleeps_and_never_back() -> None:
    machine = Machine()
    machine.passes(8 * HOUR_S)
    assert machine.clock() == pytest.approx(machine.wall_s)
    before = machine.clock()
    machine.wall_s -= 5.0
    assert machine.clock() >= before
