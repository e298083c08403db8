"""Sweeps from a table: streamed in, seen all at once, read back chunk by chunk."""

from __future__ import annotations

import pyarrow as pa
import pytest

from headgate.errors import Conflict, InvalidInput, NotFound
from headgate.job import Dependency
from headgate.lifecycle import State
from queue_broker.adapters.store.keeper import OPEN_TABLE_S
from queue_broker.adapters.store.store import SqlStore
from queue_broker.core.tables import encode
from queue_broker.records import Chunk, JobId, Table, Tasks
from tests.contract.stores import check_books, leak_all, make_runnable
from tests.factories import START_S, a_sweep, ends

LATER_S = START_S + 1e6
TABLE = JobId("table-1")


def a_chunk(first: int, rows: int) -> Chunk:
    columns = {"seed": list(range(first, first + rows)), "name": [f"n{i}" for i in range(rows)]}
    return Chunk(first, rows, encode(pa.RecordBatch.from_pydict(columns)))


def keep_table(store: SqlStore, *sizes: int) -> None:
    store.begin_table(a_sweep(TABLE, 0))
    first = 0
    for rows in sizes:
        store.add_chunk(TABLE, a_chunk(first, rows))
        first += rows
    store.seal_table(TABLE, first)


def test_a_table_is_seen_by_nobody_until_it_is_sealed(store: SqlStore) -> None:
    store.begin_table(a_sweep(TABLE, 0))
    store.add_chunk(TABLE, a_chunk(0, 5))
    with pytest.raises(NotFound):
        store.job(TABLE)
    assert [*store.jobs(), *store.submitted(10, 10), *store.backlog()] == []
    store.seal_table(TABLE, 5)
    record = store.job(TABLE)
    assert (record.size, record.array, record.parameters) == (5, True, Table.CHUNKS)
    assert record.counts[State.SUBMITTED] == 5
    check_books(store)


def test_chunks_read_back_in_order_and_by_task(store: SqlStore) -> None:
    keep_table(store, 5, 3, 4)
    assert list(store.chunks(TABLE)) == [a_chunk(0, 5), a_chunk(5, 3), a_chunk(8, 4)]
    assert [store.chunk(TABLE, task).first for task in (0, 4, 5, 7, 8, 11)] == [0, 0, 5, 5, 8, 8]
    with pytest.raises(NotFound):
        store.chunk(TABLE, 12)


def test_observations_of_a_table_have_their_rows(store: SqlStore) -> None:
    keep_table(store, 5, 3, 4)
    make_runnable(store)
    [leak] = leak_all(store)
    store.settle(ends(leak, [4, 5, 11]))
    found, _ = store.observations(0, 10)
    assert [o.parameters["seed"] for o in found] == [4, 5, 11]


def test_a_dropped_table_is_as_if_it_had_never_been(store: SqlStore) -> None:
    store.begin_table(a_sweep(TABLE, 0, client_token="t"))
    store.add_chunk(TABLE, a_chunk(0, 5))
    store.drop_table(TABLE)
    store.drop_table(TABLE)
    with pytest.raises(NotFound):
        store.add_chunk(TABLE, a_chunk(5, 5))
    assert not store.begin_table(a_sweep("again", 0, client_token="t")).known


@pytest.mark.parametrize("size", [0, 4, 6])
def test_a_table_is_sealed_with_as_many_rows_as_it_has(store: SqlStore, size: int) -> None:
    store.begin_table(a_sweep(TABLE, 0))
    store.add_chunk(TABLE, a_chunk(0, 5))
    with pytest.raises(Conflict):
        store.seal_table(TABLE, size)


def test_a_table_with_a_gap_is_not_sealed(store: SqlStore) -> None:
    store.begin_table(a_sweep(TABLE, 0))
    store.add_chunk(TABLE, a_chunk(0, 5))
    store.add_chunk(TABLE, a_chunk(6, 5))
    with pytest.raises(Conflict, match="after row 5 begins at 6"):
        store.seal_table(TABLE, 10)


def test_a_sealed_table_takes_nothing_more(store: SqlStore) -> None:
    keep_table(store, 5)
    with pytest.raises(Conflict):
        store.add_chunk(TABLE, a_chunk(5, 5))
    store.drop_table(TABLE)
    assert store.job(TABLE).size == 5


def test_an_upload_that_is_tried_again_takes_the_place_of_the_broken_one(store: SqlStore) -> None:
    store.begin_table(a_sweep("broken", 0, client_token="t", digest="d"))
    assert not store.begin_table(a_sweep(TABLE, 0, client_token="t", digest="d")).known
    with pytest.raises(NotFound):
        store.add_chunk(JobId("broken"), a_chunk(0, 5))
    store.add_chunk(TABLE, a_chunk(0, 5))
    store.seal_table(TABLE, 5)
    again = store.begin_table(a_sweep("third", 0, client_token="t", digest="d"))
    assert (again.known, again.job_id) == (True, TABLE)


def test_a_job_with_the_token_of_an_upload_under_way_is_a_conflict(store: SqlStore) -> None:
    store.begin_table(a_sweep(TABLE, 0, client_token="t"))
    [answer] = store.add([a_sweep("other", 5, client_token="t")])
    assert isinstance(answer, Conflict)
    assert "client_token" in str(answer)


def test_a_table_may_depend_task_by_task_on_a_sweep_of_its_size(store: SqlStore) -> None:
    n_to_n = (Dependency(job_id="first", type="N_TO_N"),)
    make_runnable(store, a_sweep("first", 5))
    store.begin_table(a_sweep(TABLE, 0, depends_on=n_to_n))
    store.add_chunk(TABLE, a_chunk(0, 5))
    store.seal_table(TABLE, 5)
    make_runnable(store)
    [leak] = leak_all(store)
    store.settle(ends(leak, [2]))
    store.settle_dependencies(10)
    assert [group.waiting for group in store.eligible(10)] == [Tasks([2])]


def test_a_table_of_another_size_than_what_it_depends_on_is_refused(store: SqlStore) -> None:
    n_to_n = (Dependency(job_id="first", type="N_TO_N"),)
    make_runnable(store, a_sweep("first", 4))
    store.begin_table(a_sweep(TABLE, 0, depends_on=n_to_n))
    store.add_chunk(TABLE, a_chunk(0, 5))
    with pytest.raises(InvalidInput, match="between 5 and 4 tasks"):
        store.seal_table(TABLE, 5)


def test_an_abandoned_upload_is_given_up_in_the_end(store: SqlStore) -> None:
    store.begin_table(a_sweep(TABLE, 0, at_s=START_S - OPEN_TABLE_S - 1))
    store.begin_table(a_sweep("young", 0))
    store.sweep_out(LATER_S, 10)
    with pytest.raises(NotFound):
        store.add_chunk(TABLE, a_chunk(0, 5))
    store.add_chunk(JobId("young"), a_chunk(0, 5))
