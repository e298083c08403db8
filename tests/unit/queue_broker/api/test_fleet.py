from __future__ import annotations

import httpx

from headgate.job import Job
from headgate.tenancy import DEFAULT_TIERS, Tenant
from headgate.views import Training
from tests.unit.queue_broker.api.serving import Edge, problem


def test_the_queue_says_what_waits_and_why(http: httpx.Client, edge: Edge) -> None:
    job_id = edge.add(Job(name="train", command=("true",), tier="production"))
    edge.estimate(job_id)
    edge.store.hold({edge.store.groups(job_id)[0].group_id: "no capacity in lane big"})

    view = http.get("/queue").json()

    [backlog] = view["backlog"]
    assert (backlog["tier"], backlog["tenant"]) == ("production", "default")
    assert backlog["counts"]["RUNNABLE"] == 1
    [held] = view["held"]
    assert (held["job_id"], held["reason"]) == (job_id, "no capacity in lane big")


def test_tenants_and_tiers_are_told(http: httpx.Client, edge: Edge) -> None:
    edge.store.put_tenant(Tenant(name="vision", weight=2))

    tenants = {tenant["name"]: tenant["weight"] for tenant in http.get("/tenants").json()}

    assert tenants["vision"] == 2
    assert [tier["name"] for tier in http.get("/tiers").json()] == [t.name for t in DEFAULT_TIERS]


def test_models_are_told_with_the_one_that_speaks(http: httpx.Client, edge: Edge) -> None:
    assert http.get("/models").json() == {"current": None, "versions": [], "trainings": []}

    edge.fleet.published += ["v1", "v2"]
    edge.fleet.noted = [Training(at_s=5, promoted=True, reason="costs less", version="v2")]

    told = http.get("/models").json()
    assert (told["current"], told["versions"]) == ("v2", ["v1", "v2"])
    assert told["trainings"] == [
        {"at_s": 5.0, "promoted": True, "reason": "costs less", "version": "v2"}
    ]


def test_a_broker_with_a_problem_lives_but_is_not_ready(http: httpx.Client, edge: Edge) -> None:
    assert http.get("/readyz").json() == {"status": "ready"}

    edge.problems.append("the cycle has not turned for 60 s")

    assert http.get("/healthz").json() == {"status": "ok", "service": "headgate"}
    assert problem(http.get("/readyz")) == (503, "the cycle has not turned for 60 s")


def test_a_trouble_that_all_brokers_share_leaves_them_ready(http: httpx.Client, edge: Edge) -> None:
    edge.troubles.append("keeping: the bucket is away")

    answer = http.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "but": "keeping: the bucket is away"}


def test_the_openapi_document_knows_every_body(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()

    schemas = document["components"]["schemas"]
    assert {"Job", "Sweep", "Grid", "ResourceRequest", "Cancel", "Move"} <= schemas.keys()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path} has no description"
            assert (method in ("post", "put")) == ("requestBody" in operation)
    assert_refs_resolve(document, document)


def assert_refs_resolve(part: object, document: dict[str, object]) -> None:
    children = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    for child in children:
        assert_refs_resolve(child, document)
    if isinstance(part, dict) and isinstance(part.get("$ref"), str):
        found: object = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            assert isinstance(found, dict)
            assert step in found, part["$ref"]
            found = found[step]
