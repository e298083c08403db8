"""The database goes away and comes back; nothing is half written, and everybody is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, insert, text

from headgate.errors import HeadgateError, Unavailable
from headgate.lifecycle import State
from queue_broker.adapters.store.schema import tenants
from queue_broker.adapters.store.store import SqlStore
from queue_broker.records import JobId
from tests.contract.stores import accept, check_books, counts_of, leak_all, make_runnable
from tests.factories import a_submission, a_sweep, ends
from tests.postgres import Server, private_server


@pytest.fixture
def own_server(postgres: Server) -> Iterator[Server]:
    """A server that a test may kill; `postgres` says whether there can be one."""
    del postgres
    with private_server(durable=True) as server:
        yield server


def test_a_dead_server_is_unavailable_and_a_restarted_one_serves_on(own_server: Server) -> None:
    with SqlStore(own_server.url()) as store:
        make_runnable(store, a_sweep(size=10))
        [leak] = leak_all(store)
        own_server.kill()
        for attempt in (
            lambda: store.add([a_submission("lost")]),
            lambda: store.settle(ends(leak, [0])),
            lambda: store.job(JobId("sweep-1")),
            store.ping,
        ):
            with pytest.raises(Unavailable) as told:
                attempt()
            assert told.value.retry_after_s
        assert not store.try_lead()
        own_server.start()
        store.settle(ends(leak))
        assert counts_of(store, "sweep-1") == {State.SUCCEEDED: 10}
        assert store.try_lead()
        check_books(store)


def test_a_connection_lost_in_the_middle_leaves_nothing_behind(postgres_url: str) -> None:
    def write_and_lose_connection(connection: Connection) -> None:
        connection.execute(insert(tenants).values(name="half"))
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with SqlStore(postgres_url) as store:
        with pytest.raises(Unavailable):
            store.database.write(write_and_lose_connection)
        assert store.tenants() == []


def test_a_submission_that_fails_half_way_leaves_nothing_behind(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("queue_broker.adapters.store.intake.add_to_backlogs", broken)
    with pytest.raises(RuntimeError):
        store.add([a_sweep()])
    monkeypatch.undo()
    assert [*store.jobs(), *store.submitted(10, 10), *store.tenants()] == []
    accept(store, a_sweep())


def test_transactions_that_deadlock_are_tried_again(postgres_url: str) -> None:
    with SqlStore(postgres_url) as store:
        accept(store, a_submission("a"), a_submission("b"))
        meet = threading.Barrier(2)
        orders = (["a", "b"], ["b", "a"])
        done: list[str] = []

        def lock_in(order: list[str], first: list[bool]) -> Callable[[Connection], None]:
            def work(connection: Connection) -> None:
                for name in order:
                    lock = text("SELECT 1 FROM jobs WHERE job_id = :id FOR UPDATE")
                    connection.execute(lock, {"id": name})
                    if first:
                        first.pop()
                        meet.wait()
                done.append(order[0])

            return work

        threads = [
            threading.Thread(target=store.database.write, args=(lock_in(order, [True]),))
            for order in orders
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(done) == ["a", "b"]


def test_a_transaction_left_open_is_ended_by_the_server(postgres_url: str) -> None:
    with SqlStore(postgres_url) as store:
        setting = "SHOW idle_in_transaction_session_timeout"
        found = store.database.read(lambda c: c.execute(text(setting)).scalar_one())
        assert found == "10s"


def test_sqlite_loses_no_commit_with_the_power(sqlite_url: str) -> None:
    with SqlStore(sqlite_url) as store:

        def pragma(connection: Connection, name: str) -> object:
            return connection.execute(text(f"PRAGMA {name}")).scalar_one()

        assert store.database.read(pragma, "journal_mode") == "wal"
        assert store.database.read(pragma, "synchronous") == 2
        assert store.database.read(pragma, "foreign_keys") == 1


def test_a_place_that_cannot_be_written_says_where() -> None:
    with pytest.raises(HeadgateError, match="/proc/nowhere"):
        SqlStore("sqlite:////proc/nowhere/headgate.db")


def test_a_server_that_is_not_there_says_its_address_and_no_password() -> None:
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/headgate"
    with pytest.raises(Unavailable) as told:
        SqlStore(url)
    assert "127.0.0.1:1" in str(told.value)
    assert "secret" not in str(told.value)
