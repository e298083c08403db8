from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from headgate.errors import (
    BrokerUnreachable,
    Conflict,
    HeadgateError,
    InvalidInput,
    Throttled,
    Unavailable,
)
from headgate.flows import (
    BACKOFF_S,
    LONGEST_RETRY_AFTER_S,
    Body,
    Call,
    Flow,
    Lost,
    Pause,
    Reply,
    Sync,
    T,
    operation,
    send,
)

GOOD = Reply(200, b"answer")
BUSY = Reply(503, b'{"error": "unavailable", "message": "the database is away"}', "0.5")
NEVER_SENT = Lost("http://broker", "refused", sent=False)
PERHAPS_SENT = Lost("http://broker", "cut", sent=True)


def a_call(body: Body = None, repeatable: bool = True) -> Call[bytes]:
    return Call("POST", "/jobs", bytes, body=body, repeatable=repeatable)


def play(flow: Flow[T], *replies: Reply | Lost) -> tuple[T, list[float]]:
    """The flow's result and its pauses, when the calls get these replies."""
    script = list(replies)
    pauses: list[float] = []
    reply: Reply | Lost | None = None
    while True:
        try:
            step = flow.send(reply)
        except StopIteration as end:
            assert not script, "replies were left over"
            return end.value, pauses
        reply = None
        if isinstance(step, Pause):
            pauses.append(step.seconds)
        else:
            reply = script.pop(0)


def test_a_good_answer_is_parsed() -> None:
    assert play(send(a_call()), GOOD) == (b"answer", [])


def test_a_connection_that_was_never_made_is_tried_again() -> None:
    result, pauses = play(send(a_call(repeatable=False)), NEVER_SENT, NEVER_SENT, GOOD)

    assert (result, pauses) == (b"answer", list(BACKOFF_S[:2]))


def test_a_lost_answer_is_asked_for_again_where_that_is_harmless() -> None:
    assert play(send(a_call()), PERHAPS_SENT, GOOD) == (b"answer", [BACKOFF_S[0]])


def test_a_lost_answer_is_not_asked_for_again_where_it_would_do_harm() -> None:
    with pytest.raises(BrokerUnreachable):
        play(send(a_call(repeatable=False)), PERHAPS_SENT)


def test_a_busy_broker_is_tried_again_when_it_said_so() -> None:
    assert play(send(a_call(b"{}", repeatable=False)), BUSY, GOOD) == (b"answer", [0.5])


@pytest.mark.parametrize("header", [None, "soon", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_retry_after_that_is_no_number_means_the_usual_pause(header: str | None) -> None:
    _, pauses = play(send(a_call()), Reply(503, b"", header), GOOD)

    assert pauses == [BACKOFF_S[0]]


def test_a_very_long_retry_after_is_not_believed() -> None:
    _, pauses = play(send(a_call()), Reply(429, b"", "86400"), GOOD)

    assert pauses == [LONGEST_RETRY_AFTER_S]


def test_rows_that_are_gone_are_not_sent_again() -> None:
    rows: Callable[[], Iterator[bytes]] = lambda: iter([b"row"])  # noqa: E731

    with pytest.raises(Unavailable):
        play(send(a_call(rows, repeatable=False)), BUSY)


def test_giving_up_says_the_address_and_how_to_start_a_broker() -> None:
    with pytest.raises(BrokerUnreachable, match=r"http://broker \(refused\).*`headgate up`"):
        play(send(a_call()), *[NEVER_SENT] * (len(BACKOFF_S) + 1))


def test_a_broker_that_stays_busy_is_reported_in_its_own_words() -> None:
    with pytest.raises(Unavailable, match="the database is away"):
        play(send(a_call()), *[BUSY] * (len(BACKOFF_S) + 1))


def test_a_submission_outlasts_a_database_that_fails_over() -> None:
    submission = replace(a_call(), patience_s=120.0)
    busy = Reply(503, b'{"error": "unavailable", "message": "the database is away"}', "1")

    _, pauses = play(send(submission), *[busy] * 90, GOOD)
    assert pauses == [1.0] * 90
    with pytest.raises(Unavailable, match="the database is away"):
        play(send(submission), *[busy] * 121)
    with pytest.raises(BrokerUnreachable):
        play(send(submission), *[NEVER_SENT] * (len(BACKOFF_S) + 1))


def test_a_broker_that_says_at_once_again_and_again_is_not_asked_for_ever() -> None:
    with pytest.raises(Unavailable):
        play(send(replace(a_call(), patience_s=1.0)), *[Reply(503, b"", "0")] * 30)


@pytest.mark.parametrize(
    "error",
    [
        InvalidInput.of("memory_mib", -1, "more than 0"),
        Conflict("used before"),
        Throttled("too fast"),
    ],
)
def test_an_error_is_raised_as_the_broker_meant_it(error: HeadgateError) -> None:
    import json

    reply = Reply(error.http_status, json.dumps(error.as_dict()).encode(), "0")
    tries = len(BACKOFF_S) + 1 if error.http_status == 429 else 1

    with pytest.raises(type(error)) as caught:
        play(send(a_call()), *[reply] * tries)

    assert caught.value.as_dict() == error.as_dict()


def test_an_error_page_of_something_else_is_shown() -> None:
    with pytest.raises(HeadgateError, match="no Headgate broker: HTTP 404: <html>nginx"):
        play(send(a_call()), Reply(404, b"<html>nginx</html>"))


def test_a_proxy_that_cannot_reach_the_broker_means_that_it_is_away() -> None:
    with pytest.raises(Unavailable, match="HTTP 502"):
        play(send(a_call()), Reply(502, b"Bad Gateway"))


class Greeter(Sync):
    name = "you"

    @operation
    def greet(self, word: str = "hello") -> Flow[str]:
        """Say it."""
        yield Pause(0)
        return f"{word} {self.name}"

    def run(self, flow: Flow[T]) -> T:
        return play(flow)[0]


def test_an_operation_is_a_method_of_what_runs_it() -> None:
    assert Greeter().greet("hi") == "hi you"
    assert Greeter().greet.__doc__ == Greeter.greet.__doc__ == "Say it."
    assert Greeter.greet(Greeter()) == "hello you"


def test_an_operation_shows_how_it_is_called_and_what_it_gives() -> None:
    assert str(inspect.signature(Greeter().greet)) == "(word: 'str' = 'hello') -> 'str'"
    assert str(inspect.signature(Greeter.greet)) == "(self, word: 'str' = 'hello') -> 'str'"
