"""What the policy remembers from pass to pass."""

from __future__ import annotations

import pytest

from headgate.lifecycle import Cause
from headgate.tenancy import DEFAULT_TIERS
from queue_broker.core.ledger import ENOUGH_MEASURED
from queue_broker.core.policy import Policy, World
from queue_broker.records import Ended, Reported
from tests.unit.queue_broker.core.scenes import NOW_S, a_group, a_leak


@pytest.mark.parametrize(
    ("cause", "runtime_s"),
    [(Cause.EXITED, 20.0), (Cause.INTERRUPTED, 3_600.0), (Cause.OUT_OF_MEMORY, 3_600.0)],
)
def test_only_tasks_that_ended_by_themselves_tell_how_long_their_kin_take(
    cause: Cause, runtime_s: float
) -> None:
    leak = a_leak(1, a_group(9, tasks=20, runtime_s=3_600))
    ends = [
        Ended(leak.name, task, NOW_S + 20.0, cause, started_at_s=NOW_S)
        for task in range(ENOUGH_MEASURED)
    ]
    policy = Policy()

    policy.learn(Reported([], ends), {leak.name: leak}, World(DEFAULT_TIERS, (), NOW_S + 20.0))

    assert policy.ledger.runtime_s(leak.group_id, leak.estimate) == runtime_s


def test_single_jobs_are_no_measure_of_one_another() -> None:
    leak = a_leak(1, a_group(9, tasks=1, runtime_s=3_600))
    end = Ended(leak.name, 0, NOW_S + 20.0, Cause.EXITED, started_at_s=NOW_S)
    policy = Policy()

    policy.learn(
        Reported([], [end] * ENOUGH_MEASURED), {leak.name: leak}, World(DEFAULT_TIERS, (), NOW_S)
    )

    assert policy.ledger.runtime_s(leak.group_id, leak.estimate) == 3_600
