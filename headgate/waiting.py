"""A wait: long polls until nothing of a job is left to do."""

from __future__ import annotations

import time

from headgate import calls
from headgate.errors import (
    BrokerUnreachable,
    HeadgateError,
    InvalidInput,
    Unavailable,
    WaitTimeout,
)
from headgate.flows import Flow, Pause, send
from headgate.lifecycle import State
from headgate.progress import Show, summary
from headgate.views import JobView

#: How long one long poll may take; shorter than the idle limits of common proxies (60 s).
LONG_POLL_S = 20.0
#: The first of a job that has not started: what holds it is known after the broker's next pass.
FIRST_POLL_S = 2.0
#: A sweep's counts change all the time; this is how often they are worth a look.
GLANCE_S = 0.5
#: A broker may be away this long (an upgrade, a takeover) before a wait gives up.
LONGEST_ABSENCE_S = 300.0


def until_finished(job_id: str, timeout_s: float | None, show: Show) -> Flow[JobView]:
    """The last view; `WaitTimeout` after `timeout_s`."""
    limit_s = float("inf") if timeout_s is None else timeout_s
    if not limit_s >= 0:  # which no NaN is
        raise InvalidInput.of("timeout_s", timeout_s, "0 or more seconds; None waits for ever")
    deadline = time.monotonic() + limit_s
    view = yield from send(calls.job(job_id))
    while not view.finished:
        show(view)
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise WaitTimeout(f"{job_id} goes on after {limit_s:g} s: {summary(view)}")
        seen, view = view, (yield from next_view(view, deadline))
        if view.state is State.RUNNABLE and view.revision == seen.revision:
            view = yield from with_hold(view)
        if view.array and not view.finished:
            yield Pause(min(GLANCE_S, max(0.0, deadline - time.monotonic())))
    show(view)
    return view


def next_view(view: JobView, deadline: float) -> Flow[JobView]:
    """The job once it has changed, or at the deadline, however often the broker restarts."""
    patience_ends = time.monotonic() + LONGEST_ABSENCE_S
    unexplained = view.state is State.RUNNABLE and view.reason is None
    most_s = FIRST_POLL_S if unexplained else LONG_POLL_S
    while True:
        wait_s = max(0.0, min(most_s, deadline - time.monotonic()))
        try:
            return (yield from send(calls.job(view.job_id, wait_s, view.revision)))
        except (BrokerUnreachable, Unavailable):
            if time.monotonic() > min(patience_ends, deadline):
                raise
            yield Pause(2.0)


def with_hold(view: JobView) -> Flow[JobView]:
    """With what holds it: of a job that nothing could ever run, nobody would wait for the end."""
    try:
        shapes = yield from send(calls.shapes(view.job_id))
    except HeadgateError:  # the next look says more
        return view
    holds = [shape.hold for shape in shapes if shape.hold]
    return view.model_copy(update={"reason": holds[0]}) if holds else view
