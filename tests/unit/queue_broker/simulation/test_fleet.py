"""The simulated fleet: what AWS Batch and EC2 would do with what they are handed."""

from __future__ import annotations

from headgate.lifecycle import Cause
from headgate.resources import Resources
from queue_broker.adapters.engines.simulated.fleet import Fleet, Run
from queue_broker.adapters.engines.simulated.model import Fate, FleetModel
from queue_broker.core.amounts import amount
from queue_broker.records import Lane

LANE = Lane("lane", Resources(4, 16_384), running=1, purchase="ON_DEMAND", queues=True)


def a_run(task: int, vcpu: float) -> Run:
    return Run(("leak", task), amount(Resources(vcpu, 1_024)), Fate(600.0, 1_024, row=task))


def test_whoever_waits_behind_a_head_that_is_taken_back_goes_at_once() -> None:
    started: list[int] = []
    fleet = Fleet(FleetModel([LANE]), lambda starts, _: started.extend(r.key[1] for r in starts))
    runs = [a_run(0, 2.0), a_run(1, 4.0), a_run(2, 1.0)]
    fleet.begin(0.0)
    fleet.submit(0, runs)
    fleet.advance(60.0)
    assert started == [0]

    fleet.stop(runs[1], Cause.INTERRUPTED)
    fleet.advance(70.0)

    assert started == [0, 2]
