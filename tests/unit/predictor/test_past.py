from __future__ import annotations

import math

import numpy as np
import pytest

from headgate.resources import Resources
from predictor import past as past_
from predictor.learning import rows_of_observations
from predictor.past import Past
from predictor.predictor import Predictor
from predictor.rows import Rows, facts_of_jobs, split_columns
from tests.unit.predictor.examples import job, ran


def test_only_what_had_ended_by_the_start_is_looked_at() -> None:
    past = Past()
    for at in range(5):
        past.add("step", {}, float(at), {"memory_mib": 1.0})
    assert past.numbers("step", {}, 2.0)["history.memory_mib.count"] == 3.0


def test_kin_say_how_far_from_their_families_middles_they_were() -> None:
    past = Past()
    for at, (sample, log) in enumerate([("a", 0.0), ("b", 0.0), ("c", 0.0), ("big", math.log(4))]):
        past.add("align", {"tag.sample": sample}, float(at), {"memory_mib": log})
    big = past.of_word("sort", "tag.sample", "big", 10.0)
    assert math.isclose(big["kin.memory_mib.tag.sample"], 4)
    assert past.of_word("sort", "tag.sample", "new", 10.0) == {}


def test_who_is_of_ones_own_family_is_no_kin() -> None:
    past = Past()
    for at in range(5):
        past.add(
            "align", {"tag.sample": "a", "parameter.by": "tree"}, float(at), {"memory_mib": at}
        )
    found = past.numbers("align", {"tag.sample": "a", "parameter.by": "tree"}, 10.0)
    assert "twin.memory_mib.tag.sample" in found
    assert not any(name.startswith("kin") for name in found)


def test_what_a_job_is_estimated_by_is_what_it_is_learnt_by() -> None:
    past = Past()
    seen = [
        ran(
            job(step, tags={"sample": f"s{place % 9}", "step": step}), 100.0 + place, at=1e6 + place
        )
        for place in range(60)
        for step in ("align", "sort")
    ]
    rows_of_observations(seen, past)
    last = ran(job("sort", tags={"sample": "s3", "step": "sort"}), 100.0, at=2e6)
    asked, _ = facts_of_jobs([last.job, seen[0].job], past)
    _, learnt = rows_of_observations([last], past)
    assert asked[0] == learnt[0]


def test_a_kin_ratio_means_the_same_while_the_rest_of_a_batch_ends() -> None:
    past, early = Past(), {}
    for place in range(9):  # the short ones of a batch end first
        log = math.log(1.0 + place)
        past.add("align", {"tag.sample": str(place)}, float(place), {"runtime_s": log})
        if place == 4:
            early = past.of_word("sort", "tag.sample", "0", 4.0)
    found = [past.of_word("sort", "tag.sample", str(place), 10.0) for place in (0, 4, 8)]
    ratios = [numbers["kin.runtime_s.tag.sample"] for numbers in found]
    assert all(map(math.isclose, ratios, [0.5, 2.5, 4.5]))
    assert found[0] == early


def test_kin_of_a_second_hardly_count_beside_kin_of_an_hour() -> None:
    past = Past()
    for at, (sample, align_s, index_s) in enumerate(
        [("a", 3600.0, 1.0), ("b", 3600.0, 1.0), ("big", 7200.0, 1.0), ("odd", 3600.0, 3.0)]
    ):
        for step, runtime_s in (("align", align_s), ("index", index_s)):
            past.add(step, {"tag.sample": sample}, float(at), {"runtime_s": math.log(runtime_s)})
    big, odd = (past.of_word("sort", "tag.sample", sample, 10.0) for sample in ("big", "odd"))
    assert math.isclose(big["kin.runtime_s.tag.sample"], 2.0, rel_tol=0.01)
    assert math.isclose(odd["kin.runtime_s.tag.sample"], 1.0, rel_tol=0.01)


def kin_of(word: str, *known: str) -> bool:
    """Whether a job has kin by a word, where an attempt of another family had each of some."""
    past = Past()
    for at, other in enumerate(known):
        past.add("align", {"tag.sample": other}, float(at), {"runtime_s": 1.0})
    return any(name.startswith("kinlog") for name in past.of_word("sort", "tag.sample", word, 9.0))


def test_what_a_word_names_a_part_of_is_kin_and_so_are_its_own_parts() -> None:
    assert kin_of("HeLa_R1_T1", "HeLa_R1")
    assert kin_of("spades-S7.003.fa", "spades-S7")
    assert kin_of("HeLa_R1", "HeLa_R1_T1")


def test_siblings_and_words_that_only_begin_alike_are_no_kin() -> None:
    assert not kin_of("HeLa_R1", "HeLa_R2")
    assert not kin_of("HeLa_R1_T1", "HeLa_R2")
    assert not kin_of("S10", "S1")
    assert not kin_of("-", "_", "")


def test_the_nearest_by_name_are_asked_first() -> None:
    past = Past()
    for at, (word, log) in enumerate([("S", 1.0), ("S_1_a", 2.0), ("S_1", 3.0), ("S", 4.0)]):
        past.add("align", {"tag.sample": word}, float(at), {"memory_mib": log})
    for word, log in (("S_1", 3.0), ("S_1_a_x", 2.0), ("S_2", 4.0)):
        assert log in past.of_word("sort", "tag.sample", word, 9.0).values()


def test_a_sample_may_be_named_by_a_number() -> None:
    past = Past()
    align, sort = (job(step, tags={"sample": "17", "step": step}) for step in ("align", "sort"))
    seen = [ran(one, 100.0, at=1e6 * (1 + at)) for at, one in enumerate([align, align, sort])]
    _, (_, again, kin) = rows_of_observations(seen, past)
    (asked,), _ = facts_of_jobs([sort], past)

    assert "twin.memory_mib.tag.sample" in again.numbers
    assert any(name.startswith("kinlog.") for name in kin.numbers)
    assert "twin.memory_mib.tag.sample" in asked.numbers


def test_kin_of_thousands_of_families_are_no_column_each() -> None:
    past, samples = Past(), [f"s{place}" for place in range(300)]
    for at, sample in enumerate(samples):
        for step in range(3):
            past.add(
                f"{step}-{sample}", {"parameter.sample": sample}, float(at), {"runtime_s": 1.0}
            )
    columns = {"sample": np.array(samples * 2, dtype=object)}
    sweep = Rows.of_sweep(job(), split_columns(columns), 600, past)
    jobs = Rows.of(*facts_of_jobs([job(parameters={"sample": one}) for one in samples], past))
    for rows in (sweep, jobs):
        assert len(rows.numbers) < 10
        assert sum(len(one.logs) for one in rows.kin) == 3 * 300


def test_twins_say_what_attempts_of_the_same_family_needed() -> None:
    past = Past()
    for at, (family, visit, log) in enumerate(
        [("fit", "a", 0.0)] * 3 + [("fit", "b", 5.0), ("fit", "b", 7.0), ("plot", "b", 1.0)]
    ):
        past.add(family, {"tag.visit": visit}, float(at), {"memory_mib": log})
    found = past.numbers("fit", {"tag.visit": "b"}, 10.0)
    assert found["twin.memory_mib.tag.visit"] == 6.0
    assert found["twin.memory_mib.tag.visit.last"] == 7.0
    assert "twin.memory_mib.tag.visit" not in past.numbers("fit", {"tag.visit": "b"}, 2.0)


def test_a_big_sample_in_one_step_is_given_more_in_the_next() -> None:
    predictor = Predictor()
    for place in range(60):
        sample, size = f"s{place}", 1.0 + place % 7
        for at, step in enumerate(("align", "sort")):
            tagged = job(step, tags={"sample": sample, "step": step})
            ended = 1000.0 * place + 100.0 * at
            predictor.observe([ran(tagged, size * 1000 * (at + 1), 60.0, at=ended)])
    small, big = job("align", tags={"sample": "x"}), job("align", tags={"sample": "y"})
    sorts = []
    for one, size in ((small, 1.0), (big, 7.0)):
        tags = one.tags | {"step": "align"}
        predictor.observe([ran(job("align", tags=tags), size * 1000, at=1e6)])
        sorts.append(job("sort", tags=one.tags | {"step": "sort"}))
    given = [estimate.allocation for estimate in predictor.estimate(sorts)]
    assert given[1].memory_mib > 3 * given[0].memory_mib
    assert given[1].fits(Resources(96, 40_000, 0))


def test_families_that_were_not_heard_of_for_longest_are_forgotten_with_their_middles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(past_, "MAX_FAMILIES", 2)
    past = Past()
    for family in ("first", "second", "first", "third"):
        for at in range(3):
            past.add(family, {}, float(at), {"memory_mib": 5.0})

    assert list(past.families) == ["first", "third"]
    assert set(past.yardsticks) == {("first", "memory_mib"), ("third", "memory_mib")}
