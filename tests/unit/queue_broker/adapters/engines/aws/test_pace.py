from __future__ import annotations

from queue_broker.adapters.engines.aws.pace import Pace
from queue_broker.core.bucket import TokenBucket


def a_pace() -> Pace:
    return Pace(TokenBucket(50, 50))


def test_a_throttled_call_halves_the_rate_and_nothing_is_sent_for_a_moment() -> None:
    pace = a_pace()

    pace.throttled(10.0)

    assert pace.bucket.rate == 25
    assert [pace.open(at_s) for at_s in (10.0, 10.49, 10.5)] == [False, False, True]


def test_calls_of_one_burst_that_are_throttled_together_count_once() -> None:
    pace = a_pace()

    for _ in range(8):
        pace.throttled(10.0)

    assert pace.bucket.rate == 25


def test_pauses_double_up_to_a_bound_and_the_rate_never_falls_to_nothing() -> None:
    pace, pauses, now_s = a_pace(), [], 0.0
    for _ in range(8):
        pace.throttled(now_s)
        pauses.append(pace.until_s - now_s)
        now_s = pace.until_s

    assert pauses == [0.5, 1, 2, 4, 8, 16, 16, 16]
    assert pace.bucket.rate == pace.least_per_s


def test_calls_that_go_well_bring_the_rate_back_a_little_at_a_time() -> None:
    pace = a_pace()
    pace.throttled(0.0)

    pace.went_well()

    assert pace.bucket.rate == 25.5
    for _ in range(99):
        pace.went_well()
    assert pace.bucket.rate == 50
    pace.throttled(100.0)
    assert pace.until_s == 100.5
