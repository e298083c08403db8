from __future__ import annotations

import pytest

from headgate.lifecycle import Cause
from headgate.usage import Meter
from queue_broker.adapters.engines.local.tree import Measured
from queue_broker.adapters.engines.local.verdict import Traces, judge


def shim_left_no_result(code: int) -> Traces:
    return Traces("leak", 0, 10.0, 512, Meter.CGROUP, Measured(), code=code)


@pytest.mark.parametrize("code", [0, 1, 127])
def test_an_exit_code_that_a_full_disk_kept_from_its_file_is_the_commands_own(code: int) -> None:
    end = judge(shim_left_no_result(code))
    assert (end.cause, end.exit_code, end.reason) == (Cause.EXITED, code, None)


def test_a_shim_that_was_killed_says_by_which_signal() -> None:
    end = judge(shim_left_no_result(137))
    assert (end.cause, end.exit_code, end.reason) == (Cause.EXITED, 137, "killed by signal 9")
