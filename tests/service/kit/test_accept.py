import pytest
from starlette.requests import Request

from service.kit.http.accept import preferred
from service.kit.http.problems import NotAcceptable

JSON, CSV = "application/json", "text/csv"


def asking(*headers: str) -> Request:
    return Request({"type": "http", "headers": [(b"accept", header.encode()) for header in headers]})


@pytest.mark.parametrize(
    ("headers", "chosen"),
    [
        ((), JSON),
        (("*/*",), JSON),
        (("text/csv",), CSV),
        (("TEXT/CSV",), CSV),
        (("text/*",), CSV),
        (("application/json;q=0.5, text/csv",), CSV),
        (("application/json;q=0.5", "text/csv; q=0.4"), JSON),
        (("text/csv;q=0, */*;q=0.1",), JSON),
        (("text/html, */*;q=0.8",), JSON),
        (("text/csv;header=present;q=0.9, application/json;q=0.8",), CSV),
    ],
)
def test_the_form_that_the_caller_ranks_highest_is_chosen(headers: tuple[str, ...], chosen: str) -> None:
    assert preferred(asking(*headers), JSON, CSV) == chosen


@pytest.mark.parametrize("header", ["image/png", "text/csv;q=0", "text/csv;q=nan", "text/csv;q=-1", "/", ";;", "q=1"])
def test_a_caller_that_takes_none_of_the_forms_is_told_so(header: str) -> None:
    with pytest.raises(NotAcceptable, match="application/json or text/csv"):
        preferred(asking(header), JSON, CSV)
