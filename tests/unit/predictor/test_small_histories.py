"""What one, three or ten attempts teach: the first hours of every new kind of job."""

from __future__ import annotations

import pytest

from headgate.estimate import Estimate
from headgate.job import Job
from headgate.lifecycle import Cause
from headgate.resources import ResourceRequest, Resources
from headgate.usage import Observation, Usage
from predictor.predictor import Predictor

JOB = Job(
    name="train",
    command=("train",),
    resources=ResourceRequest(vcpu=1, memory_mib=1024),
)


#: vCPU asked for, threads, and what the thirtieth attempt may be given.
WIDTHS = [
    (8.0, 4.5, 4.25, 5.0),
    (8.0, 1.0, 0.75, 1.25),
    (4.0, 4.0, 3.5, 4.0),
    (2.0, 0.5, 0.5, 0.75),
]


def ended_well(at_s: float, peak_mib: float = 500.0) -> Observation:
    usage = Usage(runtime_s=60.0, peak_memory_mib=peak_mib, cpu_s=50.0)
    return Observation(JOB, usage, Cause.EXITED, 0, 1, at_s, Resources(1, 2048))


def killed(at_s: float, given_mib: int = 1024) -> Observation:
    usage = Usage(runtime_s=60.0, peak_memory_mib=given_mib, cpu_s=50.0)
    cause = Cause.OUT_OF_MEMORY
    return Observation(JOB, usage, cause, 137, 1, at_s, Resources(1, given_mib))


def after(observations: list[Observation], mode: str = "cost") -> Estimate:
    predictor = Predictor()
    predictor.observe(observations)
    return predictor.estimate([JOB], mode)[0]


def test_a_small_task_is_given_what_its_kind_of_job_ever_needed_and_what_a_container_takes() -> (
    None
):
    tiny = [ended_well(float(at), 3.0) for at in range(40)]
    once = [ended_well(-1.0, 40.0), *(ended_well(float(at), 14.0) for at in range(60))]

    assert after(tiny).allocation.memory_mib == 12
    assert after(once).allocation.memory_mib >= 40


@pytest.mark.parametrize("mode", ["cost", "safe"])
@pytest.mark.parametrize("count", [1, 3, 10, 40])
def test_a_task_that_keeps_one_core_busy_is_not_given_many(mode: str, count: int) -> None:
    found = after([ended_well(float(at)) for at in range(count)], mode)

    assert 0.75 <= found.allocation.vcpu <= 1.25


def test_crowded_tasks_are_not_squeezed_ever_further() -> None:
    """Given a quarter of a core that is shared, a task keeps a quarter busy; it wants more."""
    predictor = Predictor()
    given = 0.25
    for at in range(12):
        crowded = Usage(runtime_s=60.0, peak_memory_mib=500.0, cpu_s=60.0 * given)
        seen = Observation(JOB, crowded, Cause.EXITED, 0, 1, float(at), Resources(given, 2048))
        predictor.observe([seen])
        given = predictor.estimate([JOB])[0].allocation.vcpu

    assert given >= 0.5


def test_a_task_of_one_thread_that_uses_up_its_core_is_given_one() -> None:
    predictor = Predictor()
    for at in range(12):
        busy = Usage(runtime_s=60.0, peak_memory_mib=500.0, cpu_s=57.0 + at % 3)
        predictor.observe(
            [Observation(JOB, busy, Cause.EXITED, 0, 1, float(at), Resources(1, 2048))]
        )

    assert predictor.estimate([JOB])[0].allocation.vcpu == 1.0


@pytest.mark.parametrize(("asked", "threads", "least", "most"), WIDTHS)
def test_a_task_is_given_the_cores_that_it_keeps_busy_when_it_may(
    asked: float, threads: float, least: float, most: float
) -> None:
    """Held to what it is given, attempt after attempt; only the first had all it asked for."""
    job = JOB.model_copy(update={"resources": ResourceRequest(vcpu=asked, memory_mib=1024)})
    predictor, given = Predictor(), asked
    for at in range(30):
        usage = Usage(60.0, 500.0, cpu_s=60.0 * min(threads, given))
        allocation = Resources(given, 2048)
        predictor.observe([Observation(job, usage, Cause.EXITED, 0, 1, float(at), allocation)])
        given = predictor.estimate([job])[0].allocation.vcpu

    assert least <= given <= most


def test_a_kind_of_task_that_was_never_seen_with_room_is_given_more() -> None:
    job = JOB.model_copy(update={"resources": ResourceRequest(memory_mib=1024)})
    predictor, given = Predictor(), 1.0
    for at in range(30):
        usage = Usage(60.0, 500.0, cpu_s=60.0 * min(3.0, given))
        allocation = Resources(given, 2048)
        predictor.observe([Observation(job, usage, Cause.EXITED, 0, 1, float(at), allocation)])
        given = predictor.estimate([job])[0].allocation.vcpu

    assert 2.0 <= given <= 4.5


def test_a_few_small_jobs_do_not_speak_for_a_new_kind_that_asks_for_more() -> None:
    predictor = Predictor()
    predictor.observe([ended_well(float(at), peak_mib=200.0) for at in range(4)])
    other = JOB.model_copy(update={"name": "train-big"})

    assert predictor.estimate([other])[0].allocation.memory_mib == 1024


@pytest.mark.parametrize("mode", ["cost", "safe"])
def test_kills_alone_teach_that_more_is_needed(mode: str) -> None:
    assert after([killed(1.0)], mode).allocation.memory_mib >= 2048
    assert after([killed(1.0), killed(2.0, 2048)], mode).allocation.memory_mib >= 4096


@pytest.mark.parametrize("mode", ["cost", "safe"])
def test_a_new_kind_of_job_is_given_what_it_was_seen_to_need_though_it_asked_for_less(
    mode: str,
) -> None:
    history = [killed(1.0), killed(2.0), ended_well(3.0, peak_mib=1500.0)]

    assert after(history, mode).allocation.memory_mib >= 1500


def test_ten_attempts_that_were_alike_leave_a_narrow_bound() -> None:
    found = after([ended_well(float(at), 500.0 + at) for at in range(10)])

    assert 500 <= found.memory_mib.p95 <= 1000
    assert 500 <= found.allocation.memory_mib <= 750
    assert 60 <= found.runtime_s.p95 <= 120


def test_a_kill_of_a_task_foretold_far_too_small_does_not_blow_up_all_the_others() -> None:
    def sized(rows: int) -> Job:
        return JOB.model_copy(update={"parameters": {"rows": rows}})

    predictor = Predictor()
    for at in range(40):
        rows = 1000 * (1 + at % 10)
        usage = Usage(runtime_s=60.0, peak_memory_mib=0.1 * rows, cpu_s=50.0)
        seen = Observation(sized(rows), usage, Cause.EXITED, 0, 1, float(at), Resources(1, 4096))
        predictor.observe([seen])
    lost = Usage(runtime_s=60.0, peak_memory_mib=3000.0, cpu_s=50.0)
    odd = Observation(sized(1000), lost, Cause.OUT_OF_MEMORY, 137, 1, 50.0, Resources(1, 3000))
    predictor.observe([odd])

    assert predictor.estimate([sized(10_000)])[0].allocation.memory_mib <= 6100
