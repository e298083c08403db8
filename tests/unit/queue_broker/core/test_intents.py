from __future__ import annotations

from dataclasses import replace

import pytest

from queue_broker.core.intents import MAX_LEAK, to_intents
from queue_broker.records import GroupId, Tasks
from tests.unit.queue_broker.core.scenes import a_group

SETS = {
    "neighbours": Tasks(range(700, 700 + 2 * MAX_LEAK)),
    "with gaps": Tasks(range(0, 4 * MAX_LEAK, 2)),
    "all but one": Tasks([3, *range(5, 4 + 2 * MAX_LEAK)]),
}


@pytest.mark.parametrize("waiting", SETS.values(), ids=SETS.keys())
def test_the_lowest_indexes_go_first_each_once_and_in_calls_that_batch_takes(
    waiting: Tasks,
) -> None:
    group = replace(a_group(1), waiting=waiting)
    placed = {(GroupId(1), "a"): 5, (GroupId(1), "b"): MAX_LEAK + 7}
    intents = to_intents(placed, {GroupId(1): group})
    assert [(intent.lane, len(intent.tasks)) for intent in intents] == [
        ("a", 5),
        ("b", MAX_LEAK),
        ("b", 7),
    ]
    assert [task for intent in intents for task in intent.tasks] == list(waiting)[: MAX_LEAK + 12]
