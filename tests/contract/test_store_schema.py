"""The database itself: its migrations, what it refuses, and how it plans the hot queries."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pyroaring import BitMap
from sqlalchemy import Connection, create_engine, text, update
from sqlalchemy.exc import IntegrityError

from headgate.errors import HeadgateError
from headgate.tenancy import Tenant
from queue_broker.adapters.store import codec, guards, migrate
from queue_broker.adapters.store.database import Database
from queue_broker.adapters.store.schema import groups, jobs, leaks, metadata
from queue_broker.adapters.store.store import SqlStore
from queue_broker.records import JobId
from tests.contract.stores import check_books, leak_all, make_runnable
from tests.factories import START_S, a_job, a_sweep, an_estimate, ends

VERSIONS = sorted(
    path.name.partition("_")[0] for path in (migrate.MIGRATIONS / "versions").glob("[0-9]*.py")
)


def test_migrations_arrive_at_the_schema(empty_url: str) -> None:
    database = Database(empty_url)
    migrate.upgrade(database)
    assert database.read(differences) == []
    database.close()


def differences(connection: Connection) -> list[object]:
    options = {"compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def test_migrations_write_the_same_statements_as_the_schema(tmp_path: Path) -> None:
    """CHECKs, computed columns and triggers, which Alembic does not compare; on SQLite, as text."""
    migrated = Database(f"sqlite:///{tmp_path / 'migrated.db'}")
    migrate.upgrade(migrated)
    made = create_engine(f"sqlite:///{tmp_path / 'made.db'}")
    with made.begin() as connection:
        metadata.create_all(connection)
        for statement in guards.statements("sqlite"):
            connection.execute(text(statement))
        expected = sqlite_text(connection)
    assert migrated.read(sqlite_text) == expected
    migrated.close()
    made.dispose()


def sqlite_text(connection: Connection) -> dict[str, list[str]]:
    found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    told = {name: clauses(sql) for name, sql in found}
    return {name: told[name] for name in sorted(told) if name != "alembic_version"}


def clauses(sql: str) -> list[str]:
    """A statement's parts; their order is of no matter, nor are quotes and blanks."""
    words = re.sub(r'[\s"]+', " ", sql)
    return sorted(part.strip(" )") for part in re.split(r", (?=[a-z_]+ [A-Z]|[A-Z]+)", words))


@pytest.mark.parametrize("version", VERSIONS[:-1])
def test_every_earlier_schema_is_brought_up_with_its_data(empty_url: str, version: str) -> None:
    database = Database(empty_url)
    migrate.upgrade(database, version)
    database.write(old_data)
    database.close()
    store = SqlStore(empty_url)
    record = store.job(JobId("old"))
    assert (record.size, record.tenant) == (4, "acme")
    assert store.tenants()[0].name == "acme"
    [leak] = store.open_leaks()
    store.settle(ends(leak))
    check_books(store)
    make_runnable(store, a_sweep("new"))
    store.close()


def old_data(connection: Connection) -> None:
    """A job of four tasks, two of them in a leak, in the columns of the first schema."""
    for table, row in OLD_ROWS:
        columns = ", ".join(f'"{name}"' for name in row)
        values = ", ".join(f":{name}" for name in row)
        connection.execute(text(f'INSERT INTO "{table}" ({columns}) VALUES ({values})'), row)


def packed(*tasks: int) -> bytes:
    return bytes(BitMap(tasks).serialize())


WHO = {"tenant": "acme", "tier": "sweep", "priority": 0}
SETS = {name: packed() for name in ("starting", "running", "succeeded", "failed")}
OLD_ROWS: list[tuple[str, dict[str, object]]] = [
    ("tenants", {"name": "acme"}),
    ("backlogs", {"tenant": "acme", "tier": "sweep", "n_runnable": 2, "n_starting": 2}),
    (
        "jobs",
        WHO
        | {
            "job_id": "old",
            "template": codec.dump_job(a_job()),
            "parameters": '"none"',
        }
        | {"name": "train", "queue": "default", "size": 4, "is_array": True, "sealed": True}
        | {"submitted_as": "acme", "digest": "d", "submitted_at_s": START_S, "leaks": 1}
        | {"n_runnable": 2, "n_starting": 2},
    ),
    (
        "groups",
        WHO
        | {"job": 1, "attempt": 1, "shape": codec.shape_of(an_estimate())}
        | {"estimate": codec.dump_estimate(an_estimate()), "state": "RUNNABLE"}
        | {"queued_at_s": START_S, **SETS, "waiting": packed(2, 3), "starting": packed(0, 1)}
        | {"n_waiting": 2, "n_starting": 2, "n_tasks": 4},
    ),
    (
        "leaks",
        {"name": "old-1", "job": 1, "group": 1, "attempt": 1, "lane": "local"}
        | {"allocation": '{"vcpu":1,"memory_mib":1024,"gpus":0}', "tasks": packed(0, 1)}
        | {"open": packed(0, 1), "running": packed(), "cancelling": packed()}
        | {"n_tasks": 2, "n_open": 2, "first": 0, "last": 1, "created_at_s": START_S},
    ),
]


def test_a_weight_set_under_an_earlier_schema_is_kept(empty_url: str) -> None:
    database = Database(empty_url)
    migrate.upgrade(database, "0003")
    row = "INSERT INTO tenants (name, weight, parent) VALUES ('acme', 2.5, 'corp')"
    database.write(lambda connection: connection.execute(text(row)))
    database.close()
    store = SqlStore(empty_url)
    assert store.tenants() == [Tenant(name="acme", weight=2.5, parent="corp")]
    store.close()


def test_a_database_of_a_newer_headgate_is_refused(empty_url: str) -> None:
    SqlStore(empty_url).close()
    database = Database(empty_url)
    newer = text("UPDATE alembic_version SET version_num = '9999'")
    database.write(lambda connection: connection.execute(newer))
    database.close()
    with pytest.raises(HeadgateError, match="newer Headgate"):
        SqlStore(empty_url)


def test_several_brokers_may_start_on_an_empty_database_at_once(empty_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        for store in list(pool.map(SqlStore, [empty_url] * 4)):
            store.close()


#: Writes that no bug of ours may ever get through.
FORBIDDEN = {
    "a negative count": update(groups).values(n_waiting=-1, n_starting=9),
    "counts that do not add up": update(groups).values(n_waiting=1),
    "a job whose counts are not its size": update(jobs).values(n_runnable=1),
    "a group that goes back": update(groups).values(state="PENDING"),
    "a group without its estimate": update(groups).values(estimate=None),
    "a success taken back": update(groups).values(
        n_succeeded=1, n_starting=groups.c.n_starting + 1
    ),
    "a job that shrinks": update(jobs).values(size=3, n_runnable=jobs.c.n_runnable - 1),
    "a leak that opens again": update(leaks).values(n_open=leaks.c.n_open + 1),
    "a leak that is renamed": update(leaks).values(name="another"),
    "a leak taken twice": update(leaks).values(engine_id="another"),
    "a leak closed with tasks in it": update(leaks).values(closed_at_s=1.0),
    "more running than open": update(leaks).values(n_running=leaks.c.n_open + 1),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_the_database_itself_refuses(store: SqlStore, name: str) -> None:
    make_runnable(store, a_sweep(size=10))
    [leak] = leak_all(store)
    store.settle(ends(leak, [0, 1]))
    with pytest.raises(IntegrityError):
        store.database.write(lambda connection: connection.execute(FORBIDDEN[name]))
    check_books(store)
