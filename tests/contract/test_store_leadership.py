"""Who leads the cycle when several brokers share a database."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from headgate.errors import Conflict
from queue_broker.adapters.store.store import SqlStore

ROOT = Path(__file__).parents[2]
#: A broker that leads, says so, and then waits for its death.
LEADER = """
import sys
from queue_broker.adapters.store.store import SqlStore
store = SqlStore(sys.argv[1])
print(store.try_lead(), flush=True)
sys.stdin.read()
"""
TAKE_OVER_S = 5.0


def test_one_of_two_brokers_on_postgresql_leads(postgres_url: str) -> None:
    with SqlStore(postgres_url) as one, SqlStore(postgres_url) as other:
        assert one.try_lead()
        assert one.try_lead()
        assert not other.try_lead()
        one.resign()
        assert other.try_lead()
        assert not one.try_lead()


def test_another_takes_over_when_the_leader_is_killed(postgres_url: str) -> None:
    command = [sys.executable, "-c", LEADER, postgres_url]
    leader = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    with leader, SqlStore(postgres_url) as other:
        assert leader.stdout is not None
        assert leader.stdout.readline() == "True\n"
        assert not other.try_lead()
        leader.kill()
        leader.wait()
        assert happens(other.try_lead, within_s=TAKE_OVER_S)


def happens(what: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.01)
    return False


def test_a_leader_that_was_cut_off_finds_out(postgres_url: str) -> None:
    with SqlStore(postgres_url) as store, SqlStore(postgres_url) as other:
        assert store.try_lead()
        other.database.write(cut_off_others)
        assert not store.try_lead()
        assert other.try_lead()
        assert not store.try_lead()


def cut_off_others(connection: Connection) -> None:
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    connection.execute(
        text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
    )


def test_brokers_on_two_databases_of_one_server_both_lead(
    postgres_url: str, empty_postgres_url: str
) -> None:
    with SqlStore(postgres_url) as one, SqlStore(empty_postgres_url) as other:
        assert one.try_lead()
        assert other.try_lead()


def test_a_second_broker_on_one_sqlite_folder_is_told_so(sqlite_url: str) -> None:
    with SqlStore(sqlite_url) as one, SqlStore(sqlite_url) as other:
        assert one.try_lead()
        assert one.try_lead()
        with pytest.raises(Conflict, match="another broker runs on"):
            other.try_lead()
        one.resign()
        assert other.try_lead()
