"""Limits that change while the broker runs."""

from __future__ import annotations

import httpx

from headgate.job import Job
from tests.unit.queue_broker.api.serving import Edge, problem
from tests.unit.queue_broker.api.test_access import bearing


def test_a_tenants_weight_changes_at_once_and_on_record(edge: Edge, http: httpx.Client) -> None:
    answer = http.put("/tenants/acme", json={"name": "acme", "weight": 3})

    assert answer.status_code == 200
    assert {"name": "acme", "weight": 3.0}.items() <= http.get("/tenants").json()[0].items()
    [change] = http.get("/limits/changes").json()
    assert (change["what"], change["after"]["weight"]) == ("tenant acme", 3.0)
    assert edge.changes == 1


def test_tiers_are_changed_as_a_whole(http: httpx.Client) -> None:
    tiers = http.get("/tiers").json()
    tiers[0]["promise_s"] = 5

    assert http.put("/tiers", json={"tiers": tiers}).status_code == 200
    assert http.get("/tiers").json()[0]["promise_s"] == 5


def test_a_tier_that_was_added_takes_jobs_at_once(edge: Edge, http: httpx.Client) -> None:
    job = {"name": "j", "command": ["true"], "tier": "urgent"}
    assert problem(http.post("/jobs", json=job))[0] == 422
    tiers = http.get("/tiers").json()
    urgent = {"name": "urgent", "rank": 0, "promise_s": 5, "mode": "safe"}
    assert http.put("/tiers", json={"tiers": [urgent, *tiers]}).status_code == 200
    taken = http.post("/jobs", json=job)
    assert taken.status_code < 300
    assert edge.store.job(taken.json()["job_id"]).tier == "urgent"
    job_id = edge.add(Job(name="k", command=("true",)))
    assert http.post(f"/jobs/{job_id}/move", json={"tier": "urgent"}).status_code == 200
    estimated = http.post("/estimate", json=job)
    assert (estimated.json()["tier"], estimated.json()["estimate"]["why"]) == (
        "urgent",
        "leaning to safe",
    )
    assert problem(http.put("/tiers", json={"tiers": tiers}))[0] == 422  # jobs wait in it


def test_a_freed_window_adapts_again(edge: Edge, http: httpx.Client) -> None:
    for most_s, kept in ((3, {"small": 3.0}), (None, {})):
        assert http.put("/windows/small", json={"most_s": most_s}).status_code == 200
        assert edge.limits.windows().most_s == kept


def test_bad_limits_are_refused_by_field(http: httpx.Client) -> None:
    weight = problem(http.put("/tenants/acme", json={"name": "acme", "weight": 0}))
    assert weight[0] == 422
    assert "weight" in str(weight)
    assert problem(http.put("/tenants/acme", json={"name": "other"}))[0] == 422
    circle = http.put("/tenants/acme", json={"name": "acme", "parent": "acme"})
    assert problem(circle)[0] == 422
    assert problem(http.put("/windows/local", json={"most_s": -1}))[0] == 422
    tiers = http.get("/tiers").json()
    greedy = [tier | {"min_share": 0.6} for tier in tiers]
    assert problem(http.put("/tiers", json={"tiers": greedy}))[0] == 422


def test_a_tenant_steers_those_below_it_alone(guarded: httpx.Client) -> None:
    body = {"name": "acme", "weight": 9, "parent": "house"}

    assert guarded.put("/tenants/acme", json=body, headers=bearing("h-token")).status_code == 200
    for token in ("a-token", "r-token"):
        answer = guarded.put("/tenants/acme", json=body, headers=bearing(token))
        assert problem(answer)[0] == 403
    tiers = guarded.get("/tiers", headers=bearing("a-token")).json()
    answer = guarded.put("/tiers", json={"tiers": tiers}, headers=bearing("h-token"))
    assert problem(answer)[0] == 403
