from __future__ import annotations

import gzip
import io
import json
from dataclasses import replace
from typing import Any

import httpx
import pandas as pd
import pytest

from headgate.job import MAX_PAYLOAD_BYTES
from headgate.lifecycle import State
from queue_broker.adapters.store.store import SqlStore
from queue_broker.api import bodies
from queue_broker.records import Accepted, JobId, Submission
from tests.unit.queue_broker.api.serving import Edge, problem

JOB = {"name": "train", "command": ["python", "train.py", "Ref::lr"]}
NDJSON = {"content-type": "application/x-ndjson"}


def table(*lines: str, job: dict[str, Any] | None = None) -> bytes:
    return "\n".join([json.dumps(job or JOB), *lines]).encode()


def test_a_job_is_durable_before_the_answer(http: httpx.Client, edge: Edge) -> None:
    answer = http.post("/jobs", json=JOB)

    assert answer.status_code == 201
    record = edge.store.job(JobId(answer.json()["job_id"]))
    assert (record.state, record.tier, record.tenant) == (State.SUBMITTED, "interactive", "default")


def test_the_same_client_token_is_the_same_job(http: httpx.Client) -> None:
    first, again = (http.post("/jobs", json=JOB | {"client_token": "t"}) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json() | {"known": True}


def test_a_client_token_for_another_job_is_a_conflict(http: httpx.Client) -> None:
    http.post("/jobs", json=JOB | {"client_token": "t"})

    answer = http.post("/jobs", json=JOB | {"client_token": "t", "priority": 1})

    assert problem(answer)[0] == 409


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"command": []}, "command: got []; allowed: at least one token, or a job definition"),
        (
            {"resources": {"memory_mib": -1}},
            "resources.memory_mib: got -1; allowed: greater than 0",
        ),
        ({"resources": {"vcpu": "two"}}, "resources.vcpu: got 'two'; allowed: a valid number"),
        ({"tier": "gold"}, "tier: got 'gold'; allowed: one of production, interactive, sweep"),
        (
            {"tags": {"headgate:start-by": "tomorrow"}},
            "tags.headgate:start-by: got 'tomorrow'; allowed: seconds since the Unix epoch",
        ),
        (
            {"tags": {"headgate:gang": "perhaps"}},
            "tags.headgate:gang: got 'perhaps'; allowed: true or false",
        ),
        (
            {"tags": {"headgate:checkpoints": "1"}},
            "tags.headgate:checkpoints: got '1'; allowed: true or false",
        ),
        (
            {"tags": {"headgate:max-running": "0"}},
            "tags.headgate:max-running: got '0'; allowed: a whole number, 1 at the least",
        ),
        (
            {"depends_on": [{"job_id": "nobody"}]},
            "depends_on.0.job_id: got 'nobody'; allowed: the id of a job submitted before",
        ),
        (
            {"depends_on": [{"job_id": "train"}]},
            "depends_on.0.job_id: got 'train'; allowed: the id",
        ),
        (
            {"depends_on": [{"job_id": "self"}]},
            "depends_on.0.job_id: got 'self'; allowed: the id of",
        ),
        (
            {"definition": "a\0", "command": []},
            "definition: got 'a\\x00'; allowed: text without NUL",
        ),
        ({"depends_on": [{"job_id": "a\0"}]}, "depends_on.0.job_id: got 'a\\x00'"),
        ({"client_token": "a\0"}, "client_token: got 'a\\x00'; allowed: text without NUL"),
        ({"colour": "red"}, "colour: got 'red'; allowed: only documented fields"),
        (
            {"command": [], "definition": "etl:1"},
            "definition: got 'etl:1'; allowed: a job definition that this broker knows",
        ),
    ],
)
def test_a_wrong_job_is_refused_field_by_field(
    http: httpx.Client, change: dict[str, Any], words: str
) -> None:
    status, message = problem(http.post("/jobs", json=JOB | change))

    assert status == 422
    assert words in message
    assert http.get("/jobs").json()["jobs"] == []


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"text"', b"\xff\xfe", b"null"])
def test_broken_json_is_refused(http: httpx.Client, body: bytes) -> None:
    status, message = problem(http.post("/jobs", content=body))

    assert status == 422
    assert "body: got" in message


def test_a_large_payload_is_refused_with_the_limit(http: httpx.Client) -> None:
    body = json.dumps(JOB | {"environment": {"X": "x" * 40 * 1024}})

    status, message = problem(http.post("/jobs", content=body))

    assert status == 413
    assert f"allowed: at most {MAX_PAYLOAD_BYTES:,} bytes" in message


def test_a_large_payload_of_unknown_length_is_cut_off(http: httpx.Client) -> None:
    status, message = problem(http.post("/jobs", content=(b"x" * 1024 for _ in range(64))))

    assert status == 413
    assert "got 'more than 30,720 bytes'" in message


def test_a_payload_at_the_limit_is_taken(http: httpx.Client) -> None:
    frame = len(json.dumps(JOB | {"environment": {"X": ""}}))
    body = json.dumps(JOB | {"environment": {"X": "x" * (MAX_PAYLOAD_BYTES - frame)}})

    assert len(body) == MAX_PAYLOAD_BYTES
    assert http.post("/jobs", content=body).status_code == 201


def test_a_grid_becomes_a_sweep_without_being_spelt_out(http: httpx.Client, edge: Edge) -> None:
    axes = {"lr": [0.1, 0.2], "depth": list(range(1000)), "seed": list(range(500))}

    job_id = http.post("/sweeps", json={"job": JOB, "grid": {"axes": axes}}).json()["job_id"]

    record = edge.store.job(JobId(job_id))
    assert (record.size, record.array, record.tier) == (1_000_000, True, "sweep")
    task = http.get(f"/jobs/{job_id}/tasks/999999").json()
    assert task["parameters"] == {"lr": 0.2, "depth": 999, "seed": 499}
    assert task["command"] == ["python", "train.py", "0.2"]


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        ({"grid": {"axes": {"lr": []}}}, "grid.axes.lr: got []; allowed: at least one value"),
        ({"grid": {"axes": {"a": [1]}}}, "job.command: got Ref::lr; allowed: a parameter of this"),
        ({}, "grid: got neither; allowed: either a grid or a size"),
        (
            {"grid": {"axes": {name: list(range(1000)) for name in ("lr", "b", "c", "d")}}},
            "grid.axes: got 1,000,000,000,000 tasks; allowed: at most 100,000,000 tasks",
        ),
    ],
)
def test_a_wrong_sweep_is_refused(http: httpx.Client, sweep: dict[str, Any], words: str) -> None:
    status, message = problem(http.post("/sweeps", json={"job": JOB} | sweep))

    assert status == 422
    assert words in message


def test_a_sweeps_template_may_be_no_larger_than_a_job(http: httpx.Client) -> None:
    job = {"name": "train", "command": ["x" * 40 * 1024]}

    status, message = problem(http.post("/sweeps", json={"job": job, "size": 2}))

    assert status == 413
    assert message.startswith("job: got")


def test_a_table_becomes_a_task_a_row(http: httpx.Client, edge: Edge) -> None:
    body = table('{"lr": 0.1, "kind": "a"}', '{"lr": 0.2, "kind": null}')

    answer = http.post("/sweeps/table", content=body, headers=NDJSON)

    assert answer.status_code == 201
    task = http.get(f"/jobs/{answer.json()['job_id']}/tasks/1").json()
    assert task["parameters"] == {"lr": 0.2, "kind": None}
    assert task["command"] == ["python", "train.py", "0.2"]
    assert edge.changes == 1


def test_a_table_may_be_zipped(http: httpx.Client, edge: Edge) -> None:
    body = gzip.compress(table(*('{"lr": 0.5}' for _ in range(100_000))))

    answer = http.post("/sweeps/table", content=body, headers=NDJSON | {"content-encoding": "gzip"})

    assert edge.store.job(JobId(answer.json()["job_id"])).size == 100_000


def test_a_table_may_be_parquet(http: httpx.Client, edge: Edge) -> None:
    file = io.BytesIO(json.dumps(JOB).encode() + b"\n")
    file.seek(0, io.SEEK_END)
    file.write(parquet(pd.DataFrame({"lr": [0.1, 0.2, 0.3]})))

    answer = http.post(
        "/sweeps/table",
        content=file.getvalue(),
        headers={"content-type": "application/vnd.apache.parquet"},
    )

    assert edge.store.job(JobId(answer.json()["job_id"])).size == 3


def parquet(frame: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.to_parquet(file, index=False)
    return file.getvalue()


def test_who_is_overtaken_by_the_same_table_is_told_so(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = SqlStore.begin_table

    def begin_twice(store: SqlStore, submission: Submission) -> Accepted:
        opened = begin(store, submission)
        begin(store, replace(submission, job_id=JobId("again")))
        return opened

    monkeypatch.setattr(SqlStore, "begin_table", begin_twice)
    body = table('{"lr": 0.1}', job=JOB | {"client_token": "t"})
    answer = http.post("/sweeps/table", content=body, headers=NDJSON)
    assert answer.status_code == 409
    assert "client_token: a table was sent again with 't' meanwhile" in answer.json()["message"]


def test_a_table_sent_twice_is_one_sweep(http: httpx.Client) -> None:
    body = table('{"lr": 0.1}', job=JOB | {"client_token": "t"})
    first, again = (http.post("/sweeps/table", content=body, headers=NDJSON) for _ in range(2))

    other = http.post(
        "/sweeps/table", content=table('{"lr": 9}', job=JOB | {"client_token": "t"}), headers=NDJSON
    )

    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert first.json()["job_id"] == again.json()["job_id"]


@pytest.mark.parametrize(
    ("content", "headers", "words"),
    [
        (table('{"lr": 1}', "{oops"), NDJSON, "table.1: got '{oops'; allowed: a JSON object"),
        (table('{"lr": 1}', '{"depth": 1}'), NDJSON, "table.1.depth: got 'an unknown column'"),
        (table('{"lr": 1}', '{"lr": NaN}'), NDJSON, "table.1: got 'NaN'; allowed: finite numbers"),
        (table('{"depth": 1}'), NDJSON, "job.command: got 'Ref::lr'; allowed: a parameter: depth"),
        (table(""), NDJSON, "table: got 'no row'; allowed: at least one row"),
        (
            b"{}",
            NDJSON,
            "body: got '2 bytes without a line end'; allowed: the template as one line",
        ),
        (b"{}\n", NDJSON, "name: got nothing; allowed: a value; it is required"),
        (b"x" * 40_000, NDJSON, "template: got 'more than 30,720 bytes'"),
        (table("{}"), {"content-type": "text/html"}, "content-type: got 'text/html'; allowed"),
        (table("{}"), {}, "allowed: one of application/x-ndjson, text/csv, application/vnd"),
        (table("{}"), NDJSON | {"content-encoding": "br"}, "content-encoding: got 'br'"),
        (b"no gzip", NDJSON | {"content-encoding": "gzip"}, "body: got 'broken gzip'"),
        (
            gzip.compress(table('{"lr": 1}'), mtime=0)[:-9],
            NDJSON | {"content-encoding": "gzip"},
            "body: got 'gzip that ends too early'",
        ),
        (
            table("not parquet"),
            {"content-type": "application/vnd.apache.parquet"},
            "table: got 'bytes'; allowed: a Parquet file",
        ),
    ],
)
def test_nothing_of_a_wrong_table_is_accepted(
    http: httpx.Client, content: bytes, headers: dict[str, str], words: str
) -> None:
    answer = http.post("/sweeps/table", content=content, headers=headers)

    assert answer.status_code in (413, 422)
    assert words in answer.json()["message"]
    assert http.get("/jobs").json()["jobs"] == []


def test_a_table_without_end_is_cut_off(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_TABLE_BYTES", 1 << 20)
    bomb = gzip.compress(table() + b"\n" + b" " * (64 << 20))

    answer = http.post("/sweeps/table", content=bomb, headers=NDJSON | {"content-encoding": "gzip"})

    assert answer.status_code == 413


def test_an_estimate_submits_nothing(http: httpx.Client) -> None:
    job = JOB | {"tier": "production", "resources": {"memory_mib": 8192}}

    foretold = http.post("/estimate", json=job).json()

    assert (foretold["tier"], foretold["tenant"]) == ("production", "default")
    assert foretold["estimate"]["allocation"]["memory_mib"] == 8192
    assert foretold["estimate"]["why"] == "leaning to safe"
    assert foretold["fits"] == ["big"]
    assert (foretold["families"], foretold["contributions"]) == ({"train": 12}, {"bytes": 0.7})
    assert http.get("/jobs").json()["jobs"] == []
