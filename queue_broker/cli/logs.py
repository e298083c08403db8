"""How the broker's own log is written: lines for people, or JSON for what collects them."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
#: What every record has; whatever else one carries was given by who logged it.
COMMON = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonLines(logging.Formatter):
    """One object a line: when, how bad, who, what, and what the record carries (`action`, ...)."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        told |= {name: value for name, value in vars(record).items() if name not in COMMON}
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str)


def write_log(log_format: str, *, verbose: bool) -> None:
    """To stderr: warnings and errors, or every pass too."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if log_format == "json" else logging.Formatter(LINE))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.WARNING, handlers=[handler])
