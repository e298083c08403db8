"""The states of a task, which are AWS Batch's own, and the moves between them that are legal."""

from __future__ import annotations

from enum import StrEnum

from headgate.errors import Conflict


class State(StrEnum):
    """Where a task stands. Each line says who moves a task there, and when."""

    SUBMITTED = "SUBMITTED"  #: submit: durable, and not yet estimated
    PENDING = "PENDING"  #: predict: estimated, and waiting for the jobs it depends on
    RUNNABLE = "RUNNABLE"  #: predict or settle: waiting at the gate, with the reason that holds it
    STARTING = "STARTING"  #: leak: handed to a lane, the intent written first
    RUNNING = "RUNNING"  #: observe: the engine says that its process runs
    SUCCEEDED = "SUCCEEDED"  #: observe: exit code 0
    FAILED = "FAILED"  #: observe or cancel: the last attempt failed, or somebody cancelled it


FINISHED = frozenset({State.SUCCEEDED, State.FAILED})
WAITING = frozenset({State.SUBMITTED, State.PENDING, State.RUNNABLE})
IN_FLIGHT = frozenset({State.STARTING, State.RUNNING})

#: RUNNABLE after STARTING or RUNNING is a retry or an interruption. What FAILED goes back to where
#: it waited when somebody wants it tried again.
TRANSITIONS: dict[State, frozenset[State]] = {
    State.SUBMITTED: frozenset({State.PENDING, State.RUNNABLE, State.FAILED}),
    State.PENDING: frozenset({State.RUNNABLE, State.FAILED}),
    State.RUNNABLE: frozenset({State.STARTING, State.FAILED}),
    State.STARTING: frozenset({State.RUNNING, State.RUNNABLE, State.SUCCEEDED, State.FAILED}),
    State.RUNNING: frozenset({State.RUNNABLE, State.SUCCEEDED, State.FAILED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset({State.SUBMITTED, State.PENDING, State.RUNNABLE}),
}


def check_transition(old: State, new: State) -> None:
    """Refuse an illegal move with the legal ones named (`Conflict`)."""
    if new not in TRANSITIONS[old]:
        legal = ", ".join(sorted(TRANSITIONS[old])) or "none, it is final"
        raise Conflict(f"a task cannot go from {old} to {new}; legal: {legal}")


class Cause(StrEnum):
    """Why an attempt ended, as the engine saw it."""

    EXITED = "exited"  #: the command ended by itself, whatever its exit code
    OUT_OF_MEMORY = (
        "out_of_memory"  #: killed for passing its memory; the measured peak is a lower bound
    )
    TIMEOUT = "timeout"  #: killed for passing its time limit
    CANCELLED = "cancelled"  #: somebody cancelled it
    INTERRUPTED = "interrupted"  #: host or Spot instance gone, or preempted; no attempt lost
    NOT_STARTED = "not_started"  #: image, permission or working folder: the command never ran
