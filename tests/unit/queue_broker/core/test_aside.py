from __future__ import annotations

import time
from threading import Event

import pytest

from queue_broker.core.aside import MOST_KEPT, Aside

PATIENCE_S = 20.0


def until_there(aside: Aside[str], key: str, wanted: str) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while (found := aside.ask(key, lambda: wanted)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return found


def test_nobody_waits_for_work_that_is_under_way() -> None:
    aside, go = Aside[str](), Event()

    assert aside.ask("slow", lambda: str(go.wait(PATIENCE_S))) is None
    assert aside.ask("slow", lambda: "again") is None
    assert aside.ask("other", lambda: "other") is None

    go.set()
    assert until_there(aside, "slow", "done twice") == "True"
    assert until_there(aside, "other", "other") == "other"


def test_a_result_waits_until_it_is_asked_for_while_others_work() -> None:
    aside, first = Aside[str](), Event()

    def work() -> str:
        first.set()
        return "first"

    aside.ask("first", work)
    first.wait(PATIENCE_S)

    assert until_there(aside, "second", "second") == "second"
    assert until_there(aside, "first", "done twice") == "first"


def test_an_error_is_raised_where_the_result_is_wanted() -> None:
    aside = Aside[str]()

    def fail() -> str:
        raise ZeroDivisionError

    aside.ask("key", fail)
    with pytest.raises(ZeroDivisionError):
        until_there(aside, "key", "never")
    assert until_there(aside, "key", "then it works") == "then it works"


def test_what_nobody_wants_any_more_is_not_kept_for_ever() -> None:
    aside = Aside[str]()
    for number in range(3 * MOST_KEPT):
        aside.ask(f"left alone {number}", lambda: "")
        until_there(aside, f"wanted {number}", "")

    assert len(aside.done) <= MOST_KEPT + 1
