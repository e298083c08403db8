"""The scoreboard's figures, against sums done by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.estimate import Quantiles, Source
from headgate.job import Job
from headgate.lifecycle import Cause
from headgate.resources import ResourceRequest, Resources
from headgate.usage import Observation, Usage
from queue_broker.core import scoreboard
from queue_broker.core.scoreboard import Point, Sample, Scoreboard, Sums, Timeline, weigh
from queue_broker.records import Lane
from tests.factories import START_S, a_job, an_estimate

HOUR = 3600.0


def an_observation(**fields: Any) -> Observation:
    """An hour with 4 GiB given, 8 GiB asked for, 2 GiB used, 3 GiB foretold as the bound."""
    estimate = replace(
        an_estimate(4096, vcpu=2.0),
        memory_mib=Quantiles(1024.0, 3072.0),
        runtime_s=Quantiles(HOUR, 2 * HOUR),
    )
    plain: dict[str, Any] = {
        "job": a_job(resources=ResourceRequest(memory_mib=8192, vcpu=4)),
        "usage": Usage(HOUR, peak_memory_mib=2048.0, cpu_s=HOUR),
        "cause": Cause.EXITED,
        "exit_code": 0,
        "attempt": 1,
        "finished_at_s": START_S,
        "allocation": Resources(2.0, 4096),
        "estimate": estimate,
    }
    return Observation(**(plain | fields))


def a_kill(**fields: Any) -> Observation:
    return an_observation(cause=Cause.OUT_OF_MEMORY, exit_code=137, **fields)


def board(*observations: Observation) -> Scoreboard:
    made = Scoreboard()
    made.add(observations)
    return made


def test_memory_saved_is_what_was_asked_less_what_was_given() -> None:
    sums = board(an_observation(), an_observation()).sums
    assert (sums.asked, sums.given, sums.used, sums.saved) == (16.0, 8.0, 4.0, 8.0)


def test_a_kill_for_memory_is_charged_to_the_estimate_alone() -> None:
    made = board(an_observation(), a_kill())
    assert (made.kills, made.lost_gibh, made.sums.saved) == (1, 4.0, 0.0)


def test_a_task_that_asked_for_nothing_saves_and_wastes_nothing() -> None:
    made = board(an_observation(job=Job(name="train", command=("echo",))))
    assert (made.sums.asked, made.sums.given, made.unasked) == (4.0, 4.0, 1)


def test_a_task_that_asked_for_too_little_could_not_have_run_so_no_loss_is_claimed() -> None:
    asked = a_job(resources=ResourceRequest(memory_mib=1024))
    made = board(an_observation(job=asked))
    assert (made.sums.saved, made.unasked) == (0.0, 1)


def test_what_was_not_measured_counts_as_used() -> None:
    assert board(an_observation(usage=Usage(HOUR))).sums.used == 4.0


def test_a_task_that_succeeds_after_a_kill_is_recovered() -> None:
    retried = an_observation(
        attempt=2,
        estimate=replace(an_estimate(8192), memory_kills=1),
        allocation=Resources(2, 8192),
    )
    made = board(a_kill(), retried)
    assert (made.kills, made.recovered) == (1, 1)


def test_coverage_and_error_are_those_of_the_bound_and_of_the_median() -> None:
    inside, outside = an_observation(), an_observation(usage=Usage(HOUR, peak_memory_mib=4096.0))
    memory = board(inside, outside).accuracy()[0]
    assert (memory.target, memory.source, memory.tasks) == ("memory_mib", "request", 2)
    assert memory.coverage == 0.5
    assert memory.mape == pytest.approx((0.5 + 0.75) / 2)


def test_targets_come_in_a_fixed_order_and_sources_are_told_apart() -> None:
    by_model = replace(an_estimate(4096), source=Source.MODEL)
    rows = board(an_observation(), an_observation(estimate=by_model)).accuracy()
    assert [(row.target, row.source) for row in rows] == [
        (target, source)
        for target in ("memory_mib", "vcpu", "runtime_s")
        for source in ("model", "request")
    ]


def test_attempts_that_failed_teach_nothing_about_accuracy() -> None:
    assert board(a_kill(), an_observation(exit_code=1)).accuracy() == []


def test_an_observation_without_estimate_or_allocation_is_only_counted() -> None:
    made = board(an_observation(estimate=None, allocation=None))
    assert (made.attempts, made.accuracy(), made.sums) == (1, [], Sums())


def test_money_is_the_share_of_the_cheapest_lane_with_room() -> None:
    small = Lane("small", Resources(4, 8192), price_usd_hour=1.0)
    dear = Lane("dear", Resources(8, 32768), price_usd_hour=10.0)
    sums = weigh(an_observation(), [dear, small])
    assert (sums.asked_usd, sums.given_usd) == (1.0, 0.5)


def test_a_request_that_no_lane_holds_claims_no_money() -> None:
    tiny = Lane("tiny", Resources(2, 4096), price_usd_hour=1.0)
    sums = weigh(an_observation(), [tiny])
    assert sums.asked_usd == sums.given_usd == 1.0


def test_the_time_line_ends_at_the_sums() -> None:
    made = board(*(an_observation(finished_at_s=START_S + 7 * i) for i in range(50)))
    first, *_, last = made.timeline.cumulative()
    assert (first.asked, first.given, first.used) == (0.0, 0.0, 0.0)
    assert (last.asked, last.given, last.used) == pytest.approx((400.0, 200.0, 100.0))


def test_an_idle_night_is_flat() -> None:
    evening, morning = an_observation(), an_observation(finished_at_s=START_S + 8 * HOUR)
    moments = board(evening, morning).timeline.cumulative()
    assert [moment.asked for moment in moments] == [0.0, 8.0, 8.0, 16.0]
    assert moments[2].at_s - moments[1].at_s > 7 * HOUR


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 4e9), min_size=1, max_size=600))
def test_a_time_line_stays_short_and_loses_nothing_whatever_its_span(times: list[float]) -> None:
    line = Timeline()
    for at_s in times:
        line.add(at_s, Sums(asked=1.0))
    moments = line.cumulative()
    assert len(line.buckets) <= scoreboard.MOST_BUCKETS
    assert moments[-1].asked == len(times)
    assert all(a.at_s < b.at_s and a.asked <= b.asked for a, b in pairwise(moments))
    assert moments[0].at_s <= min(times) <= max(times) < moments[-1].at_s


def test_a_sample_is_bounded_repeatable_and_reaches_over_the_whole_stream() -> None:
    def drawn() -> list[Point]:
        sample = Sample(most=100)
        for i in range(10_000):
            sample.add(Point(i, i, "family", "model"))
        assert sample.seen == 10_000
        return sample.points

    points = drawn()
    assert len(points) == 100
    assert points == drawn()
    assert 4_000 < sum(point.actual for point in points) / 100 < 6_000


def test_many_points_of_one_source_do_not_crowd_out_another() -> None:
    by_model = replace(an_estimate(4096), source=Source.MODEL)
    many = [an_observation(estimate=by_model)] * (scoreboard.MOST_POINTS + 50)
    sources = [point.source for point in board(an_observation(), *many).points("memory_mib")]
    assert sources == ["model"] * scoreboard.MOST_POINTS + ["request"]


def test_points_of_a_target_that_nobody_measured_are_none() -> None:
    assert board(an_observation()).points("gpu_memory_mib") == []
