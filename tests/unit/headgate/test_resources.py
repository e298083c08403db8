from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headgate.resources import Resources

vectors = st.builds(
    Resources,
    st.integers(0, 400).map(lambda quarters: quarters / 4),
    st.integers(0, 10**6),
    st.integers(0, 8),
)


@given(vectors, vectors)
def test_what_is_added_can_be_taken_away(left: Resources, right: Resources) -> None:
    assert left + right - right == left


@given(vectors, vectors, st.integers(1, 50))
def test_as_many_fit_as_times_into_says_and_not_one_more(
    one: Resources, capacity: Resources, most: int
) -> None:
    times = one.times_into(capacity, most)

    assert (one * times).fits(capacity) or times == 0
    assert times == most or not (one * (times + 1)).fits(capacity)


def test_the_dominant_share_is_of_the_scarcest_resource() -> None:
    share = Resources(1, 8_192, 1).dominant_share(Resources(16, 65_536, 2))

    assert share == 0.5


def test_nothing_takes_no_share_of_anything() -> None:
    assert Resources().dominant_share(Resources(4, 1024, 0)) == 0
    assert Resources(1, 1, 0).dominant_share(Resources()) == 0
