"""The demo's closing table says what was measured, and why production waited as it did."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from headgate.estimate import Estimate, Quantiles, Source
from headgate.lifecycle import Cause, State
from headgate.resources import Resources
from headgate.usage import Meter, Usage
from headgate.views import AttemptView, TaskView
from queue_broker.demo.measure import Measured, measure
from queue_broker.demo.report import rows, table
from queue_broker.demo.rounds import Round, now

GIVEN = Resources(1.0, 512)


def an_attempt(from_s: float, to_s: float, cause: Cause = Cause.EXITED) -> AttemptView:
    return AttemptView(
        attempt=1,
        lane="local",
        allocation=GIVEN,
        created_at_s=from_s,
        started_at_s=from_s,
        stopped_at_s=to_s,
        cause=cause,
        exit_code=0,
        usage=Usage(to_s - from_s, 256.0, to_s - from_s, meter=Meter.PSS),
    )


def a_task(*attempts: AttemptView, source: Source = Source.FAMILY) -> TaskView:
    foretold = Quantiles(10.0, 20.0)
    estimate = Estimate(GIVEN, foretold, foretold, foretold, source, "family")
    return TaskView(
        job_id="job",
        index=0,
        state=State.SUCCEEDED,
        attempt=1,
        estimate=estimate,
        attempts=list(attempts),
    )


def a_round() -> Measured:
    stopped = a_task(an_attempt(0, 1, Cause.INTERRUPTED), an_attempt(4, 8))
    guessed = a_task(an_attempt(0, 6), source=Source.DEFAULT)
    production = a_task(an_attempt(1.5, 4))
    return measure(Round([stopped, a_task(an_attempt(2, 7)), guessed], [production], [1.0], 9.0))


def said(words: str) -> str:
    found = {name.strip(): value for name, value, _ in rows([0.04], a_round(), a_round())}
    return found[words]


def test_tasks_that_were_stopped_for_production_are_counted() -> None:
    assert said("tasks stopped for it") == "1"


def test_production_s_wait_stands_beside_its_promise_and_an_idle_machine_s() -> None:
    assert said("production wait (most)") == "0.5 s (0.5 s)"
    assert said("on the idle machine") == "0.0 s (0.0 s)"
    assert said("as promised, at most") == "30 s"


def test_who_estimated_is_said() -> None:
    assert said("estimated by") == "family, default"


def test_the_table_fits_a_terminal_of_80_columns() -> None:
    paper = StringIO()
    Console(width=80, file=paper).print(table([0.04], a_round(), a_round()))
    lines = [line for line in paper.getvalue().splitlines() if line.strip()]
    title, head, note = 1, 2, 3
    assert len(lines) == title + head + len(rows([0.04], a_round(), a_round())) + note


def test_a_finished_bar_has_no_running_tasks_to_tell_of() -> None:
    assert now({State.SUCCEEDED: 3, State.FAILED: 1}) == "1 failed"
    assert now({State.RUNNING: 2}) == "2 running"
