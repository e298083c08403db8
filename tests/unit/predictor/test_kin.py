"""How a window measures kin, and what it makes of numbers that not every task has."""

from __future__ import annotations

import numpy as np

from predictor.bases import fits
from predictor.kin import Kin, raw_name, yardsticks
from predictor.predictor import Predictor
from predictor.window import Known, Seen, build
from tests.unit.predictor.examples import job, ran

ALIGN, INDEX = (raw_name("runtime_s", "tag.sample", step) for step in ("align", "index"))
RATIO = "kin.runtime_s.tag.sample"


def seen(log: float, inputs: dict[str, float], at_s: float = 0.0) -> Seen:
    return Seen(at_s, inputs, np.nan, np.nan, log, 60.0)


def asked(inputs: dict[str, float]) -> Known:
    columns = {name: np.array([value]) for name, value in inputs.items()}
    return Known(1, columns, *[np.full(1, np.nan)] * 3, kin=[Kin.of([inputs])])


def test_a_window_measures_its_attempts_and_the_next_task_by_the_same_middles() -> None:
    sizes = np.arange(1.0, 10.0)
    window = build([seen(0.0, {ALIGN: float(np.log(size)), INDEX: 0.0}) for size in sizes])
    read = window.reader(RATIO)

    assert np.allclose(window.known.inputs[RATIO], (sizes + 1) / 6)
    assert np.isclose(read(asked({ALIGN: float(np.log(11.0)), INDEX: 0.0}))[0], 2.0)
    assert np.isclose(read(asked({ALIGN: float(np.log(5.0))}))[0], 1.0)


def test_a_task_without_kin_has_no_ratio() -> None:
    window = build([seen(0.0, {ALIGN: float(place)}) for place in range(9)])
    assert np.isnan(window.reader(RATIO)(asked({}))[0])


def test_each_task_is_measured_by_the_kin_that_it_has_alone() -> None:
    rng = np.random.default_rng(0)
    names = [raw_name("memory_mib", "tag.sample", f"step-{at}") for at in range(9)]
    tasks = [
        {name: float(rng.normal(5.0, 1.0)) for name in rng.choice(names, rng.integers(0, 5), False)}
        for _ in range(60)
    ]
    [mark] = yardsticks(Kin.of(tasks)).values()
    logs = {name: [task[name] for task in tasks if name in task] for name in names}
    assert mark.middles == {name: np.median(some) for name, some in logs.items() if len(some) >= 3}
    beside = [
        [log - mark.middles[name] for name, log in task.items() if name in mark.middles]
        for task in tasks
    ]
    wanted = [np.exp(np.mean(apart)) if apart else np.nan for apart in beside]
    assert np.allclose(mark.ratios([Kin.of(tasks)], 60), wanted, equal_nan=True)


def test_a_number_that_most_attempts_have_is_fitted_on_those() -> None:
    logs = np.log(np.linspace(1.0, 10.0, 20))
    attempts = [seen(float(log), {"rows": float(np.exp(log))}) for log in logs]
    window = build([*attempts, *(seen(5.0, {}) for _ in range(6))])
    line = next(fit for fit in fits(window) if fit.base == "line")

    assert np.isnan(line.errors[-6:]).all()
    assert np.abs(line.errors[:-6]).max() < 0.01


def test_a_task_that_lacks_the_number_is_sized_by_the_next_way() -> None:
    predictor = Predictor()
    for place in range(40):
        size = 100.0 * (1 + place % 10)
        predictor.observe([ran(job(), size, at=100.0 * place, rows=size)])
    small, unknown = predictor.estimate([job(parameters={"rows": 100.0}), job()])

    assert small.allocation.memory_mib < 200
    assert 1000 <= unknown.allocation.memory_mib < 2000
    assert "on parameter.rows, the cheapest" in small.why
    assert "that needs no parameter.rows" in unknown.why


def test_the_last_few_speak_where_tasks_follow_each_other_and_not_side_by_side() -> None:
    def bases(apart_s: float) -> set[str]:
        return {fit.base for fit in fits(build(drift(apart_s)))}

    def drift(apart_s: float) -> list[Seen]:
        return [seen(0.1 * place, {}, apart_s * place) for place in range(30)]

    assert "recent" in bases(apart_s=100.0)
    assert "recent" not in bases(apart_s=1.0)
