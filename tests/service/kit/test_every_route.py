"""What holds of every route there is: whatever is sent, the answer says what was wrong with it, and is never a 500."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings

JSON_TYPE = {"Content-Type": "application/json"}

NAMES = ("name", "dataset", "target", "rows", "columns", "data", "sample", "network", "subject", "inputs", "expression")


def all_members(value: object) -> bytes:
    """An object whose every member of a usual name has this value."""
    return json.dumps(dict.fromkeys(NAMES, value)).encode()


BODIES = {
    "nothing": b"",
    "garbage": bytes(range(256)),
    "half": b'{"name": ',
    "null": b"null",
    "list": b"[]",
    "number": b"1e999",
    "text": b'"\\ud800"',
    "empty object": b"{}",
    "deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "deep list": b"[" * 5000 + b"]" * 5000,
    "nulls": all_members(None),
    "numbers": all_members(2**63 - 1),
    "lists": all_members([[[]]]),
    "objects": all_members({"": {}}),
    "texts": all_members(""),
    "many members": json.dumps({f"k{index}": index for index in range(20_000)}).encode(),
    "empty objects": b'{"rows":[' + b"{}," * 20_000 + b"{}]}",
    "utf-16": '{"name": "x"}'.encode("utf-16"),
    "not utf-8": b'{"name": "\xff"}',
    "NUL": b'{"name": "a\\u0000b", "\\u0000": 1}',
    "NaN": b'{"rows": [{"a": NaN}], "inputs": [[Infinity]], "learning_rate": -1e999}',
    "big number": b'{"seed": ' + b"9" * 5000 + b"}",
    "twice": b'{"name": "a", "name": "b"}',
}

NO_IDS = [
    "1",
    "+1",
    "-1",
    "0",
    "%00",
    "%ff",
    "%ed%a0%80",
    "x" * 5000,
    "%2e%2e%2f",
    "%D9%A1",
    "null",
    "job_x@y@z",
    "a@-1",
]
UNKNOWN_IDS = [f"{prefix}_01jd0x9q0v5a3n8k5d9gq2h7rm" for prefix in ("job", "ds", "mdl")]
QUERIES = ["limit=0", "limit=x", f"limit={'9' * 30}", "after=%00", "after=%ff", f"after={2**70}", "before=+1", "%00=1"]
QUERIES += [
    "wait=nan",
    "wait=-1",
    "wait=1e999",
    "order=up",
    "state=nothing",
    "format=nothing",
    "a[]=1&a[]=2",
    "&&&=",
    "%",
]


@pytest.fixture(scope="module")
def client(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One service for all: what cannot be broken need not be made anew."""
    file = tmp_path_factory.mktemp("routes") / "backprop.sqlite3"
    shutil.copy(sqlite_template, file)
    with TestClient(create_app(Settings(database_url=f"sqlite:///{file}", workers=0))) as running:
        yield running


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Method and path of everything in it."""
    return [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]


def paths_with(path: str, value: str) -> str:
    """The path with a value for each of its parameters."""
    return "/".join(value if part.startswith("{") else part for part in path.split("/"))


def check(answer: Any, sent: object) -> None:
    """Not a crash, and if refused, then by a proper document of reasonable size."""
    if answer.status_code < 400 or answer.request.url.path == "/health/ready":
        return
    assert answer.status_code < 500, (sent, answer.text)
    assert answer.headers["content-type"] == "application/problem+json", sent
    assert len(answer.content) < 150_000, sent
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert {"type", "title", "detail", "instance", "code"} <= problem.keys()
    assert all({"pointer", "detail"} <= error.keys() for error in problem.get("errors", []))


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_no_body_breaks_a_route(client: TestClient, operations: list[tuple[str, str]], body: bytes) -> None:
    for method, path in operations:
        answer = client.request(method, paths_with(path, UNKNOWN_IDS[0]), content=body, headers=JSON_TYPE)
        check(answer, (method, path))


@pytest.mark.parametrize(
    "media_type", ["", "text/csv", "multipart/form-data", "multipart/form-data; boundary=x", "a/b;c"]
)
def test_no_media_type_breaks_a_route(client: TestClient, operations: list[tuple[str, str]], media_type: str) -> None:
    for method, path in operations:
        for body in (
            b"",
            b"a,b\n1,2\n",
            b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\n\xff\r\n--x--\r\n",
            b"--x",
        ):
            headers = {"Content-Type": media_type, "Accept": media_type}
            check(
                client.request(method, paths_with(path, UNKNOWN_IDS[1]), content=body, headers=headers), (method, path)
            )


@pytest.mark.parametrize("value", NO_IDS + UNKNOWN_IDS, ids=lambda value: value[:30])
def test_no_id_breaks_a_route(client: TestClient, operations: list[tuple[str, str]], value: str) -> None:
    for method, path in operations:
        if "{" in path:
            answer = client.request(method, paths_with(path, value), content=b"{}", headers=JSON_TYPE)
            check(answer, (method, path))
            assert answer.status_code >= 400, (method, path)


@pytest.mark.parametrize("query", QUERIES)
def test_no_query_breaks_a_route(client: TestClient, operations: list[tuple[str, str]], query: str) -> None:
    for method, path in operations:
        for value in UNKNOWN_IDS:
            check(client.request(method, f"{paths_with(path, value)}?{query}"), (method, path))


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "POST", "GET", "HEAD", "OPTIONS", "TRACE", "BREW"])
def test_a_method_that_a_path_does_not_take_is_answered_by_those_it_takes(
    client: TestClient, operations: list[tuple[str, str]], method: str
) -> None:
    taken: dict[str, set[str]] = {}
    for known, path in operations:
        taken.setdefault(path, set()).add(known)
    for path, methods in taken.items():
        if method not in methods:
            answer = client.request(method, paths_with(path, UNKNOWN_IDS[0]))
            # `/datasets/preview` could also be a data set of that name.
            assert answer.status_code == 405 or (answer.status_code == 404 and "{" not in path), (method, path)
            assert answer.status_code == 404 or methods <= set(answer.headers["allow"].split(", "))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@hypothesis_settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_no_member_of_any_type_breaks_a_route(
    client: TestClient, document: dict[str, Any], data: st.DataObject
) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for name in members(document, operation):
                body = json.dumps({name: data.draw(VALUES)})
                answer = client.request(method, paths_with(path, UNKNOWN_IDS[0]), content=body, headers=JSON_TYPE)
                check(answer, (method, path, body))


def members(document: dict[str, Any], operation: dict[str, Any]) -> set[str]:
    """The members that the JSON body of an operation may have."""
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    pending, found = [schema], set()
    while pending:
        place = pending.pop()
        pending += place.get("anyOf", []) + place.get("oneOf", [])
        if "$ref" in place:
            pending.append(document["components"]["schemas"][place["$ref"].rsplit("/", 1)[1]])
        found |= place.get("properties", {}).keys()
    return found
