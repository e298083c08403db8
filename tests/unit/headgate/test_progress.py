from __future__ import annotations

import io

from headgate.lifecycle import State
from headgate.progress import Lines, showing, summary
from headgate.views import JobView


def a_view(succeeded: int, size: int = 100, state: State = State.PENDING) -> JobView:
    counts = {State.SUCCEEDED: succeeded, State.RUNNABLE: size - succeeded}
    return JobView(
        job_id="id",
        name="train",
        state=state,
        tenant="acme",
        tier="sweep",
        queue="default",
        priority=0,
        size=size,
        array=size > 1,
        counts={state: n for state, n in counts.items() if n},
        submitted_at_s=0,
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_for_each_tenth_and_no_more() -> None:
    stream = io.StringIO()
    show = Lines(stream)

    for succeeded in range(101):
        show(a_view(succeeded))

    assert len(stream.getvalue().splitlines()) == 11
    assert "train id: 10 of 100 finished (90 RUNNABLE, 10 SUCCEEDED)" in stream.getvalue()


def test_silence_can_be_asked_for() -> None:
    stream = io.StringIO()

    with showing(False, stream) as show:
        show(a_view(1))

    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar(capsys: object) -> None:
    with showing(None, Terminal()) as show:
        show(a_view(40))

    assert not isinstance(show, Lines)


def test_what_holds_a_job_is_said() -> None:
    view = a_view(0, size=1, state=State.RUNNABLE).model_copy(update={"reason": "the quota"})

    assert summary(view) == "RUNNABLE: the quota"
