"""Numbers as people read them."""

from __future__ import annotations

import pytest

from queue_broker.dashboard import wording


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), (0, "0"), (0.00213, "0.00213"), (0.5, "0.500"), (2, "2.00"), (9.996, "10.0"),
     (99.96, "100"), (12345.6, "12,346"), (-0.25, "−0.250"), (1e-9, "0.000000")],
)  # fmt: skip
def test_numbers_have_three_significant_digits(value: float | None, said: str) -> None:
    assert wording.number(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "–"), (-1, "0.0 s"), (4.25, "4.2 s"), (59, "59 s"), (59.9, "1 min 0 s"),
     (3599, "59 min 59 s"), (3599.7, "1 h 0 min"), (7500, "2 h 5 min"), (86400, "1 d 0 h")],
)  # fmt: skip
def test_durations_have_at_most_two_units(seconds: float | None, said: str) -> None:
    assert wording.duration(seconds) == said


@pytest.mark.parametrize(
    ("mib", "said"),
    [(None, "–"), (0, "0 MiB"), (1023, "1,023 MiB"), (1024, "1.00 GiB"), (2**20, "1.00 TiB")],
)
def test_memory_is_told_in_the_unit_that_fits(mib: float | None, said: str) -> None:
    assert wording.memory(mib) == said


def test_what_was_just_now_is_not_counted_in_seconds() -> None:
    assert wording.ago(100, 105) == "just now"
    assert wording.ago(100, 130) == "30 s ago"
    assert wording.ago(0, 7500) == "2 h ago"
    assert wording.ago(None, 7500) == "–"


def test_a_million_is_said_short_and_one_task_is_one_task() -> None:
    assert wording.count(999_999) == "999,999"
    assert wording.tasks(1_234_567) == "1.23 M tasks"
    assert wording.tasks(1) == "1 task"


def test_percentages_lose_their_decimal_where_it_says_nothing() -> None:
    assert wording.percent(0.948) == "94.8 %"
    assert wording.percent(-1.901) == "−190.1 %"
    assert wording.percent(1437.94) == "143,794 %"


def test_an_error_of_ten_times_and_more_is_told_in_times() -> None:
    assert wording.error(9.99) == "999.0 %"
    assert wording.error(7827.6) == "7,828 ×"
    assert wording.error(None) == wording.NOTHING


def test_money_keeps_small_sums_visible_and_moments_are_utc() -> None:
    assert (wording.usd(1234.5), wording.usd(-3), wording.usd(0.0012)) == (
        "$1,234.50",
        "−$3.00",
        "$0.0012",
    )
    assert wording.moment(0) == "1970-01-01 00:00:00 UTC"


def test_gib_hours_are_told_in_the_unit_that_fits() -> None:
    assert wording.memory_hours(0.0) == ("0", "GiB-h")
    assert wording.memory_hours(-0.000731) == ("−0.749", "MiB-h")
    assert wording.memory_hours(0.1) == ("0.100", "GiB-h")
    assert wording.memory_hours(9_999.0) == ("9,999", "GiB-h")
    assert wording.memory_hours(-262_144.0) == ("−256", "TiB-h")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0.0 s"), (59, "59 s"), (3599, "59 min"), (7200, "2 h"), (40 * 86_400, "40 d")],
)
def test_an_age_is_told_in_its_largest_unit(seconds: float, words: str) -> None:
    assert wording.age(seconds) == words
