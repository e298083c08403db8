"""Arrays that go whole: which of them may, though children are missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headgate.lifecycle import State
from queue_broker.core.whole import dropped, is_part
from queue_broker.records import JobRecord, Tasks
from tests.unit.queue_broker.core.scenes import a_group

ARRAY = a_group(1, tasks=4, tags={"headgate:shim": "off"})
PART = replace(ARRAY, waiting=Tasks([0, 2, 3]))


def record(started_at_s: float | None = None, **counts: int) -> JobRecord:
    stands = {State(name): n for name, n in counts.items()}
    whose = (ARRAY.job_id, ARRAY.job, ARRAY.tenant, ARRAY.tier, 0, ARRAY.size, True)
    return JobRecord(*whose, ARRAY.parameters, 0.0, stands, started_at_s)


def test_a_part_has_tasks_missing_that_only_the_whole_could_tell_apart() -> None:
    assert is_part(PART)
    assert not is_part(ARRAY)
    assert not is_part(replace(a_group(1, tasks=4), waiting=Tasks([0])))


def test_children_that_were_cancelled_before_anything_began_go_along() -> None:
    assert dropped(PART, record(RUNNABLE=3, FAILED=1)) == Tasks([1])


@pytest.mark.parametrize(
    "stands",
    [
        record(RUNNABLE=3, SUCCEEDED=1),
        record(RUNNABLE=3, RUNNING=1),
        record(RUNNABLE=3, PENDING=1),
        record(1.0, RUNNABLE=3, FAILED=1),
    ],
)
def test_what_may_have_begun_or_may_still_come_does_not_go_along(stands: JobRecord) -> None:
    assert dropped(PART, stands) is None
