"""The hot queries go by index: their cost must not grow with jobs that they do not touch.

The statements are caught on their way to the database, so that none is missed or out of date.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from headgate.job import Dependency
from headgate.lifecycle import State
from queue_broker.adapters.store.shelf import SqlShelf
from queue_broker.adapters.store.standings import SqlDescriber
from queue_broker.adapters.store.store import SqlStore
from queue_broker.records import JobId, Leak, Listing, Submission, Tasks
from tests.contract.stores import accept, estimate_all, leak_all
from tests.factories import START_S, a_submission, a_sweep, an_intent, ends, starts, taken
from tests.postgres import Server

#: Tables that grow with the number of jobs. A look at all of one is what we forbid.
BIG = {"jobs", "groups", "leaks", "outcomes", "starts", "chunks", "dependencies"}
JOBS = 3000
NEWEST_FIRST = "ORDER BY jobs.number DESC"
Statement = tuple[str, Any]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def full(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SqlStore]:
    """A store with thousands of jobs in every state, and fresh statistics."""
    server: Server | None = None
    if request.param == "sqlite":
        path: Path = tmp_path_factory.mktemp("full") / "headgate.db"
        url = f"sqlite:///{path}"
    else:
        server = request.getfixturevalue("postgres")
        name = server.create()
        url = server.url(name)
    with SqlStore(url, clock=lambda: START_S) as store:
        if server is not None:
            # Where it cleared up meanwhile, tables were smaller and plans others.
            still = (f"ALTER TABLE {table} SET (autovacuum_enabled = off)" for table in BIG)
            server.execute(";".join(still), name)
        fill(store)
        yield store
    if server is not None:
        server.drop(name)


def one(kind: str, n: int, **fields: Any) -> Submission:
    after = (Dependency(job_id=f"open-{n}"),) if kind == "late" else ()
    return a_submission(f"{kind}-{n}", depends_on=after, client_token=f"{kind}-{n}", **fields)


def fill(store: SqlStore) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "done": {},
        "open": {},
        "gate": {"tenant": "globex"},
        "late": {},
        "new": {},
    }
    for kind, fields in kinds.items():
        accept(store, *(one(kind, n, **fields) for n in range(JOBS // len(kinds))))
        if kind == "new":
            break
        estimate_all(store)
        if kind in {"done", "open"}:
            leaks = leak_all(store)
            if kind == "done":
                store.started([start for leak in leaks for start in starts(leak)])
                store.settle([end for leak in leaks[5:] for end in ends(leak)])
                store.exported((1, JOBS))
                store.settle([end for leak in leaks[:5] for end in ends(leak)])
    accept(store, a_sweep("sweep", 1000, tier="production"))
    store.settle_dependencies(JOBS)
    analyse = text("ANALYZE")
    store.database.write(lambda connection: connection.execute(analyse))


def statements_of(store: SqlStore, work: Callable[[SqlStore], object]) -> list[Statement]:
    """The statements that `work` runs, each once, with parameters to explain them with."""
    found: dict[str, Statement] = {}

    def catch(*args: Any) -> None:
        _, _, statement, parameters, _, many = args
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            found[statement] = (statement, parameters[0] if many else parameters)

    event.listen(store.database.engine, "before_cursor_execute", catch)
    try:
        work(store)
    finally:
        event.remove(store.database.engine, "before_cursor_execute", catch)
    return list(found.values())


def scans(connection: Connection, statement: Statement) -> list[str]:
    """The big tables that a statement would read from end to end."""
    if connection.dialect.name == "sqlite":
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement[0]}", statement[1])
        if NEWEST_FIRST in statement[0]:  # walks the table from its end, and stops at the limit
            return []
        words = [row.detail.split() for row in plan]
        return [w[1] for w in words if w[0] == "SCAN" and "INDEX" not in w and w[1] in BIG]
    explained = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement[0]}", statement[1])
    plan_tree = explained.scalar_one()
    found = json.loads(plan_tree) if isinstance(plan_tree, str) else plan_tree
    return list(seq_scans(found[0]["Plan"]))


def seq_scans(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG:
        yield node["Relation Name"]
    for child in node.get("Plans", ()):
        yield from seq_scans(child)


def leak_and_settle(store: SqlStore) -> None:
    """A few tasks from the gate to their end and back."""
    groups = store.eligible(2)
    leaks = store.write_intents([an_intent(group) for group in groups], START_S)
    store.handed_over(taken(leaks), START_S)
    store.started([start for leak in leaks for start in starts(leak)])
    store.settle([end for leak in leaks for end in ends(leak)])


def by_name(leaks: Iterable[Leak]) -> dict[str, Leak]:
    return {leak.name: leak for leak in leaks}


OPERATIONS: dict[str, Callable[[SqlStore], object]] = {
    "submitted": lambda store: store.submitted(50, 50),
    "eligible": lambda store: store.eligible(50),
    "heads": lambda store: store.heads(50),
    "waits": lambda store: store.waits(50),
    "backlog": lambda store: store.backlog(),
    "open_leaks": lambda store: store.open_leaks(),
    "changed_leaks": lambda store: store.changed_leaks(by_name(store.open_leaks()[1:])),
    "settle_dependencies": lambda store: store.settle_dependencies(50),
    "leak and settle": leak_and_settle,
    "hold": lambda store: store.hold({store.eligible(1)[0].group_id: "why"}),
    "submit": lambda store: store.add([a_submission("fresh", client_token="t")]),
    "cancel": lambda store: store.cancel(JobId("gate-9"), None, "why"),
    "retry": lambda store: store.retry_failed(JobId("gate-9"), None),
    "priority": lambda store: store.set_priority(JobId("gate-8"), 5),
    "move": lambda store: store.move(JobId("gate-8"), "acme", None),
    "job": lambda store: store.job(JobId("done-1")),
    "jobs": lambda store: store.jobs(limit=50),
    "jobs of a tenant": lambda store: store.jobs(tenant="globex", limit=50),
    "jobs in a state": lambda store: store.jobs(state="SUBMITTED", limit=50),
    "task": lambda store: store.state_of(JobId("sweep"), 7),
    "tasks": lambda store: store.tasks_in(JobId("sweep"), State.RUNNABLE, 5, 50),
    "attempts": lambda store: store.attempts(JobId("done-1"), 0),
    "cancel a slice": lambda store: store.cancel(JobId("sweep"), Tasks(range(9)), "why"),
    "observations": lambda store: store.observations(0, 20),
    "unexported": lambda store: store.unexported(20),
    "sweep_out": lambda store: store.sweep_out(START_S - 1, 10),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_hot_operation_reads_a_whole_table(full: SqlStore, name: str) -> None:
    statements = statements_of(full, OPERATIONS[name])
    assert statements
    for statement in statements:
        assert full.database.read(scans, statement) == [], statement[0]


def test_of_leaks_that_did_not_change_no_more_is_read_than_tells_so(full: SqlStore) -> None:
    known = by_name(full.open_leaks())
    [asked] = statements_of(full, lambda store: store.changed_leaks(known))
    assert "template" not in asked[0]


def test_all_reasons_to_wait_are_written_in_one_statement(full: SqlStore) -> None:
    if full.database.is_sqlite:
        pytest.skip("its driver goes through the rows itself")
    reasons = {group.group_id: "crowded" for group in full.eligible(100)}
    rounds: list[int] = []

    def catch(*args: Any) -> None:
        _, _, statement, parameters, _, many = args
        if statement.startswith("UPDATE"):
            rounds.append(len(parameters) if many else 1)

    event.listen(full.database.engine, "before_cursor_execute", catch)
    try:
        full.hold(reasons)
    finally:
        event.remove(full.database.engine, "before_cursor_execute", catch)
    assert len(reasons) > 50
    assert rounds == [1]
    assert {group.hold for group in full.eligible(100)} == {"crowded"}


def test_the_guard_sees_a_scan(full: SqlStore) -> None:
    by_reason = ("SELECT number FROM jobs WHERE reason = 'x'", ())
    assert full.database.read(scans, by_reason) == ["jobs"]


LISTS: dict[str, Callable[[SqlStore], object]] = {
    "all": lambda store: store.jobs(limit=50),
    "of a tenant": lambda store: store.jobs(tenant="globex", limit=50),
    "in a state": lambda store: store.jobs(state="SUBMITTED", limit=50),
    "of a queue": lambda store: store.jobs(queue="default", limit=50),
    "of a queue and a tier": lambda store: store.jobs(queue="default", tier="sweep", limit=50),
    "of a queue, in a state": lambda store: store.jobs(queue="default", state="FAILED", limit=50),
    "in Batch's words": lambda store: SqlDescriber(store.database).listed(Listing("default")),
    "in Batch's words, by name": lambda store: SqlDescriber(store.database).listed(
        Listing("default", name="done*")
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_no_list_sorts_all_jobs_for_a_page(tmp_path: Path, name: str) -> None:
    """As SQLite plans without statistics, which is how a broker runs it."""
    with SqlStore(f"sqlite:///{tmp_path / 'headgate.db'}") as store:
        plan = plan_of(store, LISTS[name])

    assert not [step for step in plan if "TEMP B-TREE" in step]


def test_a_page_of_documents_begins_where_the_one_before_ended(tmp_path: Path) -> None:
    with SqlStore(f"sqlite:///{tmp_path / 'headgate.db'}") as store:
        shelf = SqlShelf(store.database)
        plan = plan_of(store, lambda _: shelf.page("job-definition", ("align", 7), 100))

    assert "(kind=? AND name>?)" in plan[0]


def plan_of(store: SqlStore, work: Callable[[SqlStore], object]) -> list[str]:
    """The steps by which SQLite goes about the first statement of `work`."""
    [(statement, parameters), *_] = statements_of(store, work)
    explained = f"EXPLAIN QUERY PLAN {statement}"
    plan = store.database.read(lambda c: c.exec_driver_sql(explained, parameters).all())
    return [row.detail for row in plan]
