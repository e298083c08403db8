from __future__ import annotations

import json
import logging
import sys

from queue_broker.cli.logs import JsonLines


def a_record(message: str, **more: object) -> logging.LogRecord:
    return logging.makeLogRecord(
        {"name": "queue_broker", "levelname": "ERROR", "created": 0.0, "msg": message} | more
    )


def test_a_record_is_one_line_of_json_with_what_it_carries() -> None:
    line = JsonLines().format(a_record("two %s\nlines", args=("long",), action="pass_failed"))

    assert "\n" not in line
    assert json.loads(line) == {
        "at": "1970-01-01T00:00:00.000+00:00",
        "level": "ERROR",
        "logger": "queue_broker",
        "message": "two long\nlines",
        "action": "pass_failed",
    }


def test_an_error_brings_its_traceback_along() -> None:
    try:
        raise ValueError("a bug")
    except ValueError:
        told = json.loads(JsonLines().format(a_record("failed", exc_info=sys.exc_info())))
    assert told["traceback"].endswith("ValueError: a bug")
