"""One line a message, on standard error: plain for people, JSON for programs."""

import json
import logging
import sys
from logging import Formatter, LogRecord

from service.kit.clock import from_microseconds, rfc3339

_EXTRAS = ("request_id", "milliseconds", "job", "worker", "attempt")


def set_up_logging(level: str, form: str) -> None:
    """Send everything that is logged in this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else PlainLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # uvicorn's own lines say what ours say better; Alembic's are for its developers.
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)


class PlainLines(Formatter):
    """`2026-01-31T12:00:00.000000Z INFO backprop.http: GET /v1 200 request_id=… milliseconds=0.8`."""

    def format(self, record: LogRecord) -> str:
        """The record as text; a traceback follows on lines of its own."""
        extras = "".join(f" {name}={value}" for name, value in _extras(record).items())
        line = f"{_time(record)} {record.levelname} {record.name}: {record.getMessage()}{extras}"
        return line if record.exc_info is None else f"{line}\n{self.formatException(record.exc_info)}"


class JsonLines(Formatter):
    """One JSON object a line."""

    def format(self, record: LogRecord) -> str:
        """The record as JSON; a traceback is a text in it."""
        members: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extras(record),
        }
        if record.exc_info is not None:
            members["error"] = self.formatException(record.exc_info)
        return json.dumps(members, default=str)


def _time(record: LogRecord) -> str:
    return rfc3339(from_microseconds(round(record.created * 1_000_000)))


def _extras(record: LogRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in _EXTRAS if hasattr(record, name)}
