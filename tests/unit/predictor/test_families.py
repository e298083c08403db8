from __future__ import annotations

import math

import pytest

from predictor import families as families_
from predictor.encoding import Encoder
from predictor.families import ANYONE, COARSE_MIN, Families
from predictor.model import Calibration, Model, high_of
from predictor.window import Seen


def a_need(at: int, memory_mib: float) -> Seen:
    return Seen(float(at), {}, math.nan, math.nan, math.log(memory_mib), 60.0)


@pytest.mark.parametrize(
    ("count", "speaks"), [(COARSE_MIN - 1, "program"), (COARSE_MIN, "program/varies")]
)
def test_who_knows_enough_is_not_overruled_by_a_mean_over_kinds(count: int, speaks: str) -> None:
    """Of a program most of whose kinds always need the same, the mean is cheap for all but one."""
    families = Families([2.0])
    for at in range(count):
        need = a_need(at, 100.0 * 3 ** (at % 4))
        families.learn(("program/varies", "program"), "memory_mib", need)
    for at in range(240):
        families.learn(("program/steady", "program"), "memory_mib", a_need(count + at, 120.0))

    voice = families.voice(("program/varies", "program"), "memory_mib")

    assert voice is not None
    assert voice.key == speaks


def test_families_that_were_not_learnt_from_for_longest_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(families_, "MOST_SERIES", 4)  # with the one of all new families
    families = Families([2.0])
    for at, name in enumerate(["first", "second", "third", "first", "fourth"]):
        families.learn((name,), "memory_mib", a_need(at, 100.0))

    assert [key for key, _ in families.series] == ["third", "first", ANYONE, "fourth"]
    assert set(families.looked_at) <= set(families.series)


def test_ways_are_kept_of_those_that_were_looked_at_last_and_others_find_theirs_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(families_, "MOST_LOOKED_AT", 2)
    families = Families([2.0])
    for at in range(30):
        for name in ("one", "two", "three"):
            families.learn((name,), "memory_mib", a_need(at, 100.0 + at))
    for series in families.series.values():
        series.forget()  # so that all of them look at all that they have seen
    before = {name: families.voice((name,), "memory_mib") for name in ("one", "two", "three")}

    families.rest()

    kept = {key for (key, _), series in families.series.items() if series.choices[0].ways}
    assert kept == {"two", "three"}
    for name, voice in before.items():
        again = families.voice((name,), "memory_mib")
        assert voice is not None
        assert again is not None
        assert (again.way.name, again.way.given) == (voice.way.name, voice.way.given)


def test_a_history_hears_of_a_new_model_when_it_is_looked_at_and_not_before() -> None:
    families = Families([2.0])
    for name in ("one", "two"):
        families.learn((name,), "memory_mib", a_need(1, 100.0))
    left_out = {high_of("memory_mib"): 5.0, "memory_mib": 4.0}
    model = Model(
        "m2", Encoder([]), {}, {n: Calibration(said={1.0: v}) for n, v in left_out.items()}
    )

    families.take_up(model)
    families.voice(("one",), "memory_mib")

    heard = {name: families.series[name, "memory_mib"].ring.seen[0] for name in ("one", "two")}
    assert (heard["one"].model, heard["one"].high) == (4.0, 5.0)
    assert math.isnan(heard["two"].model)

    families.take_up(None)
    families.voice(("one",), "memory_mib")
    assert math.isnan(heard["one"].model)
