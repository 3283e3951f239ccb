import json
import logging
import sys

import pytest

from service.kit.logs import JsonLines, PlainLines


def a_record(message: str, *arguments: object, crashed: bool = False) -> logging.LogRecord:
    error = None
    if crashed:
        try:
            raise ZeroDivisionError("nothing to share")
        except ZeroDivisionError:
            error = sys.exc_info()
    record = logging.LogRecord("backprop.http", logging.INFO, __file__, 1, message, arguments, error)
    record.created = 1.5
    record.request_id = "r1"
    return record


def test_a_line_for_people_begins_with_the_time() -> None:
    assert PlainLines().format(a_record("%s is done", "it")) == (
        "1970-01-01T00:00:01.500000Z INFO backprop.http: it is done request_id=r1"
    )


def test_a_line_for_programs_is_one_json_object() -> None:
    line = JsonLines().format(a_record("two\nlines", crashed=True))
    assert "\n" not in line
    members = json.loads(line)
    assert members["message"] == "two\nlines"
    assert members["request_id"] == "r1"
    assert "nothing to share" in members["error"]


@pytest.mark.parametrize("form", [PlainLines(), JsonLines()])
def test_a_crash_is_logged_with_its_cause(form: logging.Formatter) -> None:
    assert "nothing to share" in form.format(a_record("oh", crashed=True))
