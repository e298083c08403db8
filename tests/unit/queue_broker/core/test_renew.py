"""Single jobs that wait have the shape that others of their kind have told of by then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from headgate.lifecycle import State
from queue_broker.adapters.engines.instant import Outcome
from queue_broker.core.offer import Offer
from queue_broker.core.predict import Estimating
from queue_broker.core.renew import Renewing, kind_of
from queue_broker.core.revise import Tally, tally_of
from queue_broker.records import Group, JobId, Leak
from tests.factories import a_job, a_submission, a_usage
from tests.unit.queue_broker.core.house import ASKED, House
from tests.unit.queue_broker.core.scenes import a_group

USED_MIB = 200.0


def use_little(leak: Leak) -> Mapping[int, Outcome]:
    return dict.fromkeys(leak.tasks, Outcome(usage=a_usage(peak_memory_mib=USED_MIB)))


def submit(house: House, jobs: int, **fields: object) -> list[JobId]:
    """Single jobs of one kind, all before any has run."""
    named = (a_submission(f"job-{number}", resources=ASKED) for number in range(jobs))
    return [
        house.submit(
            replace(one, job=one.job.model_copy(update={"name": f"fit-{number}", **fields}))
        )
        for number, one in enumerate(named)
    ]


def given(house: House, job: JobId) -> int:
    return house.store.attempts(job, 0)[-1].allocation.memory_mib


def test_jobs_that_ask_for_too_much_are_given_less_once_others_of_their_kind_have_ended(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, script=use_little)
    jobs = submit(house, 300)

    house.run(passes=400)

    memory = [given(house, job) for job in jobs]
    assert all(house.counts(job) == {State.SUCCEEDED: 1} for job in jobs)
    assert memory[0] == ASKED.memory_mib
    assert sum(mib < 1.5 * USED_MIB for mib in memory) > 150
    assert house.engine.world.twice == []
    house.store.close()


def test_where_a_lost_attempt_is_dear_nothing_is_given_less(tmp_path: Path) -> None:
    house = House(tmp_path, script=use_little)
    one = a_submission("job-1", resources=ASKED, tier="production")
    jobs = [
        house.submit(
            replace(one, job_id=JobId(f"job-{number}"), job=a_job(f"fit-{number}", resources=ASKED))
        )
        for number in range(100)
    ]

    house.run(passes=200)

    assert {given(house, job) for job in jobs} == {ASKED.memory_mib}
    assert any(one.news_s for one in house.cycle.renewing.tallies.values())
    house.store.close()


def test_what_was_estimated_as_of_now_is_not_estimated_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path, script=use_little)
    jobs = submit(house, 300)
    asked: list[int] = []
    renew = house.cycle.estimating.renew

    def counted(_: Estimating, groups: Sequence[Group], offer: Offer) -> int:
        asked.append(len(groups))
        return renew(groups, offer)

    monkeypatch.setattr(Estimating, "renew", counted)

    house.run(passes=400)

    doublings, at_gate = 6, 50
    assert len(jobs) / 2 < sum(asked) <= len(jobs) + doublings * at_gate
    house.store.close()


def test_what_comes_after_the_news_has_them_already(tmp_path: Path) -> None:
    house = House(tmp_path, script=use_little)
    submit(house, 100)
    house.run(passes=200)
    renewing = house.cycle.renewing
    late = a_group(1, queued_at_s=house.now_s)
    renewing.tallies[kind_of(late.job)] = Tally(news_s=house.now_s - 1)
    assert not renewing.run([late], house.cycle.offer or Offer())
    assert renewing.told == {}
    house.store.close()


def test_other_kinds_are_left_as_they_are(tmp_path: Path) -> None:
    house = House(tmp_path)
    submit(house, 20)
    house.run(passes=50)
    assert set(house.cycle.renewing.tallies) == {(None, "fit-#")}
    assert kind_of(a_job("fit-1", definition="d:1")) == ("d:1", "fit-#")
    house.store.close()


def test_no_more_kinds_are_counted_than_so_many() -> None:
    tallies: dict[str, Tally] = {}
    for name in ("a", "b", "c"):
        tally_of(name, tallies, most=2)
    assert set(tallies) == {"b", "c"}


def test_a_kill_for_memory_is_news_at_most_every_few_seconds() -> None:
    now_s = 100.0
    renewing = Renewing(estimating=None, clock=lambda: now_s)  # type: ignore[arg-type]
    kind = kind_of(a_job())
    renewing.tallies[kind] = Tally(killed=True)
    renewing.listen((), {}, {})
    assert renewing.tallies[kind].news_s == 100.0
    renewing.tallies[kind].killed = True
    now_s = 105.0
    renewing.listen((), {}, {})
    assert renewing.tallies[kind].news_s == 100.0
    now_s = 110.0
    renewing.listen((), {}, {})
    assert renewing.tallies[kind].news_s == 110.0
