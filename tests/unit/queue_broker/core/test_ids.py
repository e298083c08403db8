"""Names for new jobs."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from queue_broker.core.ids import Entropy, new_job_id


@given(st.lists(st.integers(0, 2**40), min_size=2, max_size=20, unique=True))
@settings(max_examples=50)
def test_ids_sort_by_time(stamps_ms: list[int]) -> None:
    ids = [new_job_id(stamp / 1000) for stamp in sorted(stamps_ms)]

    # Floats may round a stamp down by a millisecond, and neighbours then share one.
    assert [one[:13] for one in ids] == sorted(one[:13] for one in ids)


def test_ids_are_uuids_of_version_7() -> None:
    one = UUID(new_job_id(time.time()))

    assert (one.version, one.variant) == (7, "specified in RFC 4122")
    assert len({new_job_id(0) for _ in range(1000)}) == 1000


def test_no_bytes_are_drawn_twice_by_many_threads() -> None:
    entropy = Entropy(10, draws=8)

    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda _: entropy.draw(), range(1000)))

    assert len(set(drawn)) == 1000
    assert {len(one) for one in drawn} == {10}
