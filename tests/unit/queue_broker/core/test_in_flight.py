from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from queue_broker.core.in_flight import InFlight
from queue_broker.ports import CycleStore
from queue_broker.records import Changes, Leak, Tasks
from tests.unit.queue_broker.core.scenes import a_group, a_leak


@dataclass
class Told:
    """A store that says what it is told to."""

    says: Changes

    def changed_leaks(self, known: Mapping[str, Leak]) -> Changes:
        return self.says


def renewed(flight: InFlight, *leaks: Leak, gone: tuple[str, ...] = ()) -> InFlight:
    flight.renew(cast(CycleStore, Told(Changes(leaks, gone))))
    return flight


def intent(number: int) -> Leak:
    return replace(a_leak(number, a_group(number, tasks=2)), handed_over_at_s=None)


def test_an_intent_is_unclear_until_it_is_known_to_be_handed_over() -> None:
    flight = renewed(InFlight(), intent(1), intent(2))
    renewed(flight, replace(flight.leaks["leak-1"], handed_over_at_s=5.0))
    assert list(flight.unclear) == ["leak-2"]
    assert not renewed(flight, gone=("leak-2",)).unclear


def test_leaks_are_stopped_as_long_as_tasks_of_them_are_cancelled() -> None:
    flight = renewed(InFlight(), replace(intent(1), cancelling=Tasks([0])))
    assert list(flight.cancelling) == ["leak-1"]
    assert not renewed(flight, intent(1)).cancelling


def test_what_came_in_several_steps_is_told_once_and_oldest_first() -> None:
    flight = renewed(InFlight(), intent(3), intent(2), intent(1))
    latest = replace(intent(3), running=Tasks([1]))
    renewed(flight, latest, gone=("leak-2",))
    assert flight.changes() == Changes([intent(1), latest], ["leak-2"])
    assert flight.changes() == Changes([], [])
    assert list(flight.leaks) == ["leak-3", "leak-1"]
