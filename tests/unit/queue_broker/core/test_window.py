from __future__ import annotations

import numpy as np

from queue_broker.core.bucket import TokenBucket
from queue_broker.core.window import Window, room_s

PROMISE_S = 30.0


def test_a_lane_that_starts_in_time_is_given_a_little_more() -> None:
    assert Window(limit_s=5).after_starts([2.0, 3.0], PROMISE_S).limit_s == 6.5


def test_a_lane_that_is_late_is_given_half() -> None:
    assert Window(limit_s=12, base_s=1).after_starts([2.0, 40.0], PROMISE_S).limit_s == 6


def test_many_late_starts_in_one_pass_tell_of_one_queue() -> None:
    assert Window(limit_s=12, base_s=1).after_starts([40.0] * 99, PROMISE_S).limit_s == 6


def test_the_time_an_idle_lane_takes_to_start_a_task_is_not_queueing() -> None:
    slow = Window(limit_s=5).after_starts([90.0, 91.0], PROMISE_S)
    assert slow.limit_s == 6.5
    assert slow.base_s == 90.0


def test_starts_before_their_hand_over_are_two_clocks_difference_and_soon_forgotten() -> None:
    window = Window(limit_s=8.0)
    for delay_s in (*[-5.0] * 200, *[0.5] * 5):
        window = window.after_starts([delay_s], promise_s=60.0)
    assert window.base_s == 0.0
    assert window.limit_s == 60.0


def test_a_lane_that_became_slower_is_believed_in_the_end() -> None:
    window = Window(base_s=10.0)
    for _ in range(300):
        window = window.after_starts([100.0], PROMISE_S)
    assert window.base_s == 100.0
    assert window.limit_s > window.floor_s


def test_the_window_stays_between_its_floor_and_the_promise() -> None:
    high, low = Window(limit_s=5), Window(limit_s=5, base_s=0.0)
    for _ in range(50):
        high = high.after_starts([1.0], PROMISE_S)
        low = low.after_starts([99.0], PROMISE_S) if low.limit_s > 1 else low
    assert high.limit_s == PROMISE_S
    assert low.limit_s == low.floor_s


def test_what_waits_is_taken_off_the_room() -> None:
    assert room_s(np.array([5.0, 5.0]), np.array([2.0, 9.0])).tolist() == [3, 0]


def test_a_queue_is_filled_up_once_half_of_it_has_drained() -> None:
    rooms = room_s(np.full(4, 30.0), np.array([0, 15, 15.1, 29]))
    assert rooms.tolist() == [30, 15, 0, 0]


def test_the_bucket_allows_its_burst_at_once_and_its_rate_after() -> None:
    bucket = TokenBucket(rate=50, burst=50)
    assert bucket.left(0.0) == 50
    bucket.take(50, 0.0)
    assert [bucket.left(at_s) for at_s in (0.0, 0.1, 0.5, 9.0)] == [0, 5, 25, 50]


def test_a_bucket_that_owes_waits_until_it_is_paid_back() -> None:
    bucket = TokenBucket(rate=10, burst=10)
    bucket.take(30, 0.0)
    assert [bucket.left(at_s) for at_s in (1.0, 2.0, 3.0)] == [-10, 0, 10]
