"""What a row keeps for many tasks reads back as it was written."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.estimate import Estimate, Quantiles, Source
from headgate.lifecycle import Cause
from headgate.resources import Resources
from headgate.usage import Meter, Usage
from queue_broker.adapters.store import codec
from queue_broker.adapters.store.outcomes import ended_at, pack_ended, unpack
from queue_broker.events import Ended
from queue_broker.records import Tasks
from tests.factories import an_estimate

NUMBERS = st.floats(min_value=0, max_value=1e12, allow_nan=False)
MAYBE = st.none() | NUMBERS
USAGES = st.none() | st.builds(Usage, NUMBERS, MAYBE, MAYBE, MAYBE, MAYBE, st.sampled_from(Meter))
ENDS = st.builds(
    Ended,
    leak=st.just("leak"),
    task=st.integers(0, 10),
    at_s=NUMBERS,
    cause=st.sampled_from(Cause),
    exit_code=st.none() | st.integers(0, 255),
    usage=USAGES,
    started_at_s=MAYBE,
)
REASONS = st.none() | st.text(max_size=30)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(ENDS, REASONS), min_size=1, max_size=40))
def test_ended_attempts_read_back_as_they_were(ended: list[tuple[Ended, str | None]]) -> None:
    columns = unpack(pack_ended(ended), len(ended))
    for place, (end, reason) in enumerate(ended):
        assert ended_at(columns, place) == {
            "at_s": end.at_s,
            "cause": end.cause,
            "exit_code": end.exit_code,
            "reason": reason,
            "started_at_s": end.started_at_s,
            "usage": end.usage,
        }


def test_equal_ends_take_no_room() -> None:
    end = Ended("leak", 0, 1.5, Cause.EXITED, 0, Usage(60.0, 512.0))
    assert len(pack_ended([(end, None)] * 10_000)) < 400


def test_neighbours_take_no_room() -> None:
    assert len(codec.pack_tasks(Tasks(range(1_000_000)))) < 400


def test_shapes_are_one_where_only_the_prediction_differs() -> None:
    same = an_estimate(why="another word")
    assert codec.shape_of(same) == codec.shape_of(an_estimate())
    others = [an_estimate(2048), an_estimate(memory_kills=1), an_estimate(time_limit_s=60.0)]
    shapes = {codec.shape_of(estimate) for estimate in (*others, same)}
    assert len(shapes) == 4


def test_an_estimate_reads_back_as_it_was() -> None:
    given_ = Estimate(
        allocation=Resources(0.25, 100, 2),
        memory_mib=Quantiles(0.1, 1e9),
        vcpu=Quantiles(0.1, 0.3),
        runtime_s=Quantiles(1.0, 2.0),
        source=Source.FAMILY,
        family="é",
        gpu_memory_mib=Quantiles(1.0, 2.0),
        time_limit_s=3.5,
        model_version="v1",
        why="because",
        memory_kills=2,
    )
    assert codec.load_estimate(codec.dump_estimate(given_)) == given_
