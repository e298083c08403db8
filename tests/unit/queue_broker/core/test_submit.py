from __future__ import annotations

import re

import pytest

from headgate.errors import Forbidden, InvalidInput
from headgate.job import Dependency, Job
from headgate.sweep import Grid, Sweep
from headgate.tenancy import Tenant
from queue_broker.core.group_commit import GroupCommit
from queue_broker.core.submit import Caller, Submitter, reads_store
from queue_broker.records import Table
from queue_broker.settings import QueueRule, Settings

JOB = Job(name="train", command=("python", "train.py"), client_token="t")
ANYBODY = Caller()
BARE = JOB.model_copy(update={"tags": {"headgate:shim": "off"}})
IMAGE = Job(name="train", definition="ours:1")
ONE_BY_ONE = Dependency(job_id="self", type="SEQUENTIAL")


class People:
    """The part of the store that knows tenants."""

    def __init__(self, *known: Tenant) -> None:
        self.known = known

    def tenants(self) -> list[Tenant]:
        return list(self.known)


def a_submitter(*known: Tenant, **rules: object) -> Submitter:
    people = People(*known)
    return Submitter(
        Settings(**rules),  # type: ignore[arg-type]
        people,  # type: ignore[arg-type]  # the part that is used
        GroupCommit(people),  # type: ignore[arg-type]
        lambda: 1_700_000_000.0,
        lambda job: job,
    )


def test_a_job_is_one_task_without_an_index() -> None:
    submission = a_submitter().prepare(JOB, ANYBODY)

    assert (submission.size, submission.array, submission.parameters) == (1, False, Table.NONE)
    assert submission.submitted_at_s == 1_700_000_000.0


def test_a_gang_that_no_array_job_could_hold_is_refused() -> None:
    job = JOB.model_copy(update={"tags": {"headgate:gang": "true"}, "command": ("true",)})
    a_submitter().prepare(Sweep(job=job, size=10_000), ANYBODY)
    with pytest.raises(InvalidInput, match=r"tags\.headgate:gang: got 'true for 10,001 tasks'"):
        a_submitter().prepare(Sweep(job=job, size=10_001), ANYBODY)


@pytest.mark.parametrize(
    ("work", "refusal"),
    [
        (Sweep(job=BARE, size=10_001), "size: got '10,001 tasks'; allowed: 2 to 10,000"),
        (Sweep(job=BARE, size=1), "size: got '1 tasks'"),
        (Sweep(job=BARE, grid=Grid(axes={"lr": (1, 2)})), "tags.headgate:shim: got 'off'"),
        (Sweep(job=IMAGE, grid=Grid(axes={"lr": (1, 2)})), "command: got 'none'"),
        (Sweep(job=BARE.model_copy(update={"depends_on": (ONE_BY_ONE,)}), size=2), "wait for"),
    ],
)
def test_an_array_that_could_never_go_whole_is_refused_for_aws(work: Sweep, refusal: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(refusal)):
        a_submitter(engine="aws").prepare(work, ANYBODY)
    assert a_submitter().prepare(work, ANYBODY).array
    fine = Sweep(job=work.job.model_copy(update={"depends_on": ()}), size=10_000)
    assert a_submitter(engine="aws").prepare(fine, ANYBODY).size == 10_000


def test_a_grid_is_kept_as_its_axes() -> None:
    grid = Grid(axes={"lr": (0.1, 0.2), "depth": (1, 2, 3)})

    submission = a_submitter().prepare(Sweep(job=JOB, grid=grid), ANYBODY)

    assert (submission.size, submission.array, submission.parameters) == (6, True, grid)


def test_the_tier_is_the_jobs_own_or_its_queues_or_what_its_kind_gets() -> None:
    submitter = a_submitter(queues={"nightly": QueueRule(tier="production")})

    def tier(work: Job | Sweep) -> str:
        return submitter.prepare(work, ANYBODY).tier

    assert tier(JOB) == "interactive"
    assert tier(Sweep(job=JOB, size=2)) == "sweep"
    assert tier(JOB.model_copy(update={"queue": "nightly"})) == "production"
    assert tier(JOB.model_copy(update={"queue": "nightly", "tier": "sweep"})) == "sweep"


@pytest.mark.parametrize(
    ("caller", "wanted", "tenant"),
    [
        (None, None, "default"),
        (None, "acme", "acme"),
        ("acme", None, "acme"),
        ("acme", "acme", "acme"),
        ("house", "acme", "acme"),
    ],
)
def test_the_tenant_is_the_callers_or_one_below_it(
    caller: str | None, wanted: str | None, tenant: str
) -> None:
    submitter = a_submitter(Tenant(name="acme", parent="house"))

    job = JOB.model_copy(update={"tenant": wanted})

    assert submitter.prepare(job, Caller(caller)).tenant == tenant


def test_nobody_submits_on_anothers_bill() -> None:
    submitter = a_submitter(Tenant(name="acme", parent="house"))

    with pytest.raises(Forbidden, match="of tenant 'acme', not of 'rival'"):
        submitter.prepare(JOB.model_copy(update={"tenant": "rival"}), Caller("acme"))


def test_tenants_drawn_in_a_circle_do_not_hang_the_broker() -> None:
    circle = [Tenant(name="a", parent="b"), Tenant(name="b", parent="a")]
    with pytest.raises(InvalidInput, match="nobody is below itself"):
        a_submitter(*circle).allow(Caller("house"), "a")


def test_a_name_with_a_slash_stands_below_without_being_set() -> None:
    a_submitter().allow(Caller("house"), "house/lab/ada")
    with pytest.raises(Forbidden):
        a_submitter(Tenant(name="house/lab", parent="rival")).allow(
            Caller("house"), "house/lab/ada"
        )


def test_a_sequential_sweep_may_wait_for_itself() -> None:
    itself = (Dependency(job_id="self", type="SEQUENTIAL"),)
    job = JOB.model_copy(update={"depends_on": itself})

    assert a_submitter().prepare(Sweep(job=job, size=3), ANYBODY).job.depends_on == itself


def test_a_sequential_sweep_does_not_seem_to_wait_for_another_job() -> None:
    job = JOB.model_copy(update={"depends_on": (Dependency(job_id="j1", type="SEQUENTIAL"),)})

    with pytest.raises(InvalidInput, match=r"depends_on\.0\.job_id: got 'j1'; allowed: self"):
        a_submitter().prepare(Sweep(job=job, size=3), ANYBODY)


@pytest.mark.parametrize("name", ["self", "train"])
def test_a_job_does_not_wait_for_itself(name: str) -> None:
    job = JOB.model_copy(update={"depends_on": (Dependency(job_id=name),)})

    with pytest.raises(InvalidInput, match=f"depends_on.0.job_id: got '{name}'"):
        a_submitter().prepare(job, ANYBODY)


def test_the_digest_tells_two_requests_apart_and_not_two_tries() -> None:
    submitter = a_submitter()

    def digest(work: Job | Sweep) -> str:
        return submitter.prepare(work, ANYBODY).digest

    other = JOB.model_copy(update={"priority": 1})
    works = (
        JOB,
        other,
        Sweep(job=JOB, size=2),
        Sweep(job=JOB, size=3),
        Sweep(job=JOB, grid=Grid(axes={"a": (1, 2)})),
        Sweep(job=JOB, grid=Grid(axes={"a": (1, 3)})),
    )
    assert digest(JOB) == digest(JOB.model_copy())
    assert len({digest(work) for work in works}) == len(works)


@pytest.mark.parametrize(
    ("change", "caller", "reads"),
    [
        ({}, None, False),
        ({"tenant": "acme"}, None, False),
        ({"tenant": "acme"}, "acme", False),
        ({"tenant": "acme"}, "house", True),
        ({"definition": "etl:1"}, None, True),
        ({"definition": "etl:1", "command": ()}, None, True),
    ],
)
def test_the_event_loop_is_held_by_no_database(
    change: dict[str, object], caller: str | None, reads: bool
) -> None:
    assert reads_store(JOB.model_copy(update=change), Caller(caller)) is reads
