from __future__ import annotations

import pytest

from queue_broker.wire.faults import Fault
from queue_broker.wire.log_patterns import to_filter

BAD, MISSING, INTERNAL = (
    "[ERROR 400] BAD REQUEST",
    "[ERROR 419] MISSING ARGUMENTS",
    "[ERROR 500] INTERNAL SERVER ERROR",
)
INFO = "[INFO] REQUEST FAILED"
ALL = [BAD, MISSING, INTERNAL, INFO]


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [
        ("", ALL),
        ('""', ALL),
        ('" "', ALL),
        ("ERROR", [BAD, MISSING, INTERNAL]),
        ("error", []),
        ("ERROR ARGUMENTS", [MISSING]),
        ("ERROR -ARGUMENTS", [BAD, INTERNAL]),
        ("-ERROR", [INFO]),
        ("?INTERNAL ?ARGUMENTS", [MISSING, INTERNAL]),
        ("?INTERNAL ?ARGUMENTS REQUEST", [BAD, INFO]),
        ('"INTERNAL SERVER ERROR"', [INTERNAL]),
        ('"[ERROR"', [BAD, MISSING, INTERNAL]),
        ('-"BAD REQUEST" ERROR', [MISSING, INTERNAL]),
        ('?"BAD REQUEST" ?FAILED', [BAD, INFO]),
        ("ERROR or REQUEST", []),
    ],
)
def test_a_pattern_matches_as_cloudwatch_documents_it(pattern: str, matching: list[str]) -> None:
    matches = to_filter(pattern)
    assert [one for one in ALL if matches(one)] == matching


def test_a_quote_in_a_phrase_is_escaped() -> None:
    assert to_filter(r'"say \"hello\""')('they say "hello" here')


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ('{ $.eventType = "UpdateTrail" }', "got a JSON pattern"),
        ("[ip, user, ...]", "got a pattern of fields"),
        ("%ERROR|WARN%", "got a regex"),
        ("ERROR: bad", "in quotes"),
        ('"no end', "in quotes"),
        ('a "b"c', "in quotes"),
    ],
)
def test_what_is_no_pattern_for_plain_text_is_refused_in_words(pattern: str, words: str) -> None:
    with pytest.raises(Fault, match=words) as caught:
        to_filter(pattern)
    assert caught.value.code == "InvalidParameterException"
