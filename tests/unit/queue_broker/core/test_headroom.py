from __future__ import annotations

from headgate.resources import Resources
from queue_broker.core.amounts import Amount
from queue_broker.core.headroom import DAY_S, HOUR_S, Headroom

ONE = Amount(mcpu=1_000, mib=1_024)
FLEET = Amount(mcpu=1_000_000, mib=1_024_000)


def test_nothing_is_kept_before_anything_arrived() -> None:
    assert Headroom().keep(0.0, FLEET) == Resources()


def test_what_arrives_at_once_is_kept_for_the_next_time() -> None:
    headroom = Headroom(most_share=0.1)
    headroom.arrived(ONE, 7, at_s=10.0)
    headroom.arrived(ONE, 2, at_s=100.0)
    assert headroom.keep(HOUR_S + 1, FLEET) == Resources(7, 7 * 1_024)


def test_no_more_is_kept_than_its_share_of_the_fleet() -> None:
    headroom = Headroom(most_share=0.005)
    headroom.arrived(ONE, 900, at_s=10.0)
    assert headroom.keep(20.0, FLEET) == Resources(5, 5 * 1_024)


def test_a_small_fleet_keeps_nothing_rather_than_a_part_of_a_task() -> None:
    headroom = Headroom()
    headroom.arrived(ONE, 3, at_s=10.0)
    assert headroom.keep(20.0, Amount(mcpu=4_000, mib=16_384)) == Resources()


def test_arrivals_by_the_hour_are_foretold_and_let_go_again() -> None:
    """Ten tasks a minute come at noon and none at night: two weeks are enough to know it."""
    headroom = Headroom(most_share=0.1)
    for day in range(14):
        for minute in range(0, 60, 5):
            headroom.arrived(ONE, 10, at_s=day * DAY_S + 12 * HOUR_S + minute * 60)
    noon, night = 14 * DAY_S + 12 * HOUR_S, 14 * DAY_S + 20 * HOUR_S
    assert headroom.keep(noon, FLEET).vcpu >= 8
    assert headroom.keep(night, FLEET).vcpu <= 1


def test_the_same_arrivals_foretell_the_same() -> None:
    def foretold() -> float:
        headroom = Headroom()
        for hour in range(80):
            headroom.arrived(ONE, hour % 5 + 1, at_s=hour * HOUR_S)
        return headroom.foretell(81 * HOUR_S)

    assert foretold() == foretold()
