"""Who may do what, where the broker has tokens."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.unit.queue_broker.api.serving import problem

JOB = {"name": "train", "command": ["true"]}


def bearing(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("headers", [{}, bearing("stolen"), {"authorization": "Basic a-token"}])
@pytest.mark.parametrize("path", ["/jobs", "/jobs/x", "/queue", "/tenants", "/models"])
def test_a_request_without_a_known_token_is_refused(
    guarded: httpx.Client, headers: dict[str, str], path: str
) -> None:
    answer = guarded.get(path, headers=headers)

    assert problem(answer)[0] == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "token" in answer.json()["message"]


def test_no_token_and_one_that_was_replaced_are_told_apart(guarded: httpx.Client) -> None:
    none = guarded.get("/jobs", headers={"authorization": "Bearer"})
    old = guarded.get("/jobs", headers=bearing("old"))
    assert (none.status_code, old.status_code) == (401, 401)
    assert "carries none" in none.json()["message"]
    assert "may have been replaced" in old.json()["message"]


def test_no_route_forgets_to_ask_for_a_token(guarded: httpx.Client) -> None:
    paths = guarded.get("/openapi.json").json()["paths"]
    open_to_all = {
        (method, path)
        for path, methods in paths.items()
        for method in methods
        if guarded.request(method, re.sub(r"{\w+}", "0", path), json={}).status_code != 401
    }

    assert open_to_all == {("get", "/healthz"), ("get", "/readyz")}


def test_health_needs_no_token(guarded: httpx.Client) -> None:
    assert guarded.get("/healthz").status_code == 200
    assert guarded.get("/readyz").status_code == 200


def test_a_job_belongs_to_its_tokens_tenant(guarded: httpx.Client) -> None:
    job_id = guarded.post("/jobs", json=JOB, headers=bearing("a-token")).json()["job_id"]

    job = guarded.get(f"/jobs/{job_id}", headers=bearing("a-token")).json()

    assert job["tenant"] == "acme"


@pytest.mark.parametrize(
    ("token", "tenant", "status"),
    [
        ("a-token", "acme", 201),
        ("a-token", "rival", 403),
        ("a-token", "house", 403),
        ("h-token", "acme", 201),
        ("h-token", "rival", 403),
    ],
)
def test_a_token_submits_for_its_tenant_and_those_below(
    guarded: httpx.Client, token: str, tenant: str, status: int
) -> None:
    answer = guarded.post("/jobs", json=JOB | {"tenant": tenant}, headers=bearing(token))

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("verb", "body"),
    [("cancel", {}), ("retry", {}), ("priority", {"priority": 1}), ("move", {"tier": "sweep"})],
)
def test_nobody_steers_the_jobs_of_a_rival(
    guarded: httpx.Client, verb: str, body: dict[str, object]
) -> None:
    job_id = guarded.post("/jobs", json=JOB, headers=bearing("a-token")).json()["job_id"]

    statuses = [
        guarded.post(f"/jobs/{job_id}/{verb}", json=body, headers=bearing(token)).status_code
        for token in ("r-token", "a-token", "h-token")
    ]

    assert statuses == [403, 200, 200]


def test_nobody_moves_work_onto_a_rivals_bill(guarded: httpx.Client) -> None:
    job_id = guarded.post("/jobs", json=JOB, headers=bearing("a-token")).json()["job_id"]

    answer = guarded.post(
        f"/jobs/{job_id}/move", json={"tenant": "rival"}, headers=bearing("a-token")
    )

    status, message = problem(answer)
    assert status == 403
    assert message == "the token is of tenant 'acme', not of 'rival'"
