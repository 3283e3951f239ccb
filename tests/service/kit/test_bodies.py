import json
from typing import Any

import pytest
from starlette.testclient import TestClient


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


JSON = {"Content-Type": "application/json"}


def post(things: TestClient, body: bytes | str, headers: dict[str, str] = JSON) -> Any:
    answer = things.post("/v1/things", content=body, headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json() | {"status_of_answer": answer.status_code}


def mistakes(things: TestClient, body: str) -> dict[str, str]:
    problem = post(things, body)
    assert problem["status_of_answer"] == 422, problem
    assert things.get("/v1/things").json()["data"] == []
    return {error["pointer"]: error["detail"] for error in problem["errors"]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1,]",
        b"\xff\xfe",
        b'{"name": "\x01"}',
        b"nul",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        "{}".encode("utf-16"),
        b'"\xed\xa0\x80"',
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_not_json_is_unreadable(things: TestClient, body: bytes) -> None:
    assert post(things, body)["status_of_answer"] == 400


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "", "json", "multipart/form-data"]
)
def test_a_body_that_does_not_say_it_is_json_is_of_an_unsupported_type(things: TestClient, media_type: str) -> None:
    problem = post(things, '{"name": "x"}', {"Content-Type": media_type})
    assert problem["status_of_answer"] == 415
    assert "application/json" in problem["detail"]


@pytest.mark.parametrize(
    "media_type", ["application/json; charset=utf-8", "Application/JSON", "application/vnd.x+json"]
)
def test_json_may_be_said_in_several_ways(things: TestClient, media_type: str) -> None:
    assert things.post("/v1/things", content=b'{"name": "x"}', headers={"Content-Type": media_type}).status_code == 201


def test_a_byte_order_mark_is_no_mistake(things: TestClient) -> None:
    assert things.post("/v1/things", content='\ufeff{"name": "x"}'.encode(), headers=JSON).status_code == 201


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("NaN", "finite"),
        ("Infinity", "finite"),
        ("-Infinity", "finite"),
        ("1e999", "finite"),
        ("9223372036854775808", "64 bits"),
        ("-9223372036854775809", "64 bits"),
        ("1" * 5000, "64 bits"),
        ('"1.5"', "number"),
        ("true", "number"),
        ("null", "number"),
        ("[]", "number"),
        ("{}", "number"),
    ],
)
def test_a_number_that_is_none_is_named_by_its_place(things: TestClient, value: str, word: str) -> None:
    found = mistakes(things, f'{{"name": "x", "rate": {value}}}')
    assert list(found) == ["/rate"]
    assert word in found["/rate"]


@pytest.mark.parametrize("text", [r"a\u0000b", r"\ud800", r"\udc00\ud800"])
def test_a_text_that_no_database_takes_is_named_by_its_place(things: TestClient, text: str) -> None:
    assert list(mistakes(things, f'{{"name": "{text}"}}')) == ["/name"]
    assert list(mistakes(things, f'{{"name": "x", "labels": {{"{text}": "v"}}}}')) == ["/labels"]


def test_a_member_given_twice_is_named(things: TestClient) -> None:
    found = mistakes(things, '{"name": "x", "layers": [{"op": "dense", "units": 1, "units": 2}]}')
    assert found == {"/layers/0": "The same member is given more than once: units."}


def test_nesting_beyond_64_levels_is_named_where_it_begins(things: TestClient) -> None:
    found = mistakes(things, '{"name": ' + "[" * 70 + "]" * 70 + "}")
    assert list(found) == ["/name" + "/0" * 63]


def test_all_mistakes_are_named_at_once(things: TestClient) -> None:
    body = {
        "rate": "1.5",
        "mode": "c",
        "layers": [{"op": "dense", "units": 0, "colour": 1}, {"op": "conv"}, {"units": 3}, {"op": "dense"}, 7],
        "nam~e/": "x",
    }
    problem = post(things, json.dumps(body))
    assert {error["pointer"]: error.get("allowed") for error in problem["errors"]} == {
        "/name": None,
        "/rate": None,
        "/mode": ["a", "b"],
        "/layers/0/units": None,
        "/layers/0/colour": ["op", "shape", "units"],
        "/layers/1/op": ["dense", "relu"],
        "/layers/2/op": None,
        "/layers/3/units": None,
        "/layers/4": None,
        "/nam~0e~1": ["labels", "layers", "mode", "name", "rate"],
    }
    got = {error["pointer"]: error.get("got") for error in problem["errors"]}
    assert got["/layers/1/op"] == "conv"
    assert got["/rate"] == "1.5"


def test_arrays_are_tuples_and_whole_numbers_are_numbers(things: TestClient) -> None:
    body = {"name": "x", "rate": 1, "layers": [{"op": "dense", "units": 1, "shape": [1, 2]}]}
    assert things.post("/v1/things", json=body).json()["rate"] == 1.0


@pytest.mark.parametrize("body", ["null", "[]", "3", '"x"', "true", "[{}]"])
def test_a_body_that_is_no_object_is_one_mistake_at_the_root(things: TestClient, body: str) -> None:
    assert list(mistakes(things, body)) == [""]


def test_a_hundred_thousand_unknown_members_are_answered_in_brief(things: TestClient) -> None:
    body = {f"k{index}" * 5: index for index in range(100_000)}
    answer = things.post("/v1/things", json=body)
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 100
    assert len(answer.content) < 100_000


def test_three_hundred_kilobytes_of_empty_objects_are_answered_in_brief(things: TestClient) -> None:
    answer = things.post("/v1/things", content=b'{"name":"x","layers":[' + b"{}," * 100_000 + b"{}]}", headers=JSON)
    assert answer.status_code == 422
    assert len(answer.content) < 100_000


def test_mistakes_far_behind_are_at_least_counted(things: TestClient) -> None:
    labels = {f"k{index}": "v" if index < 200 else 1 for index in range(5000)}
    answer = things.post("/v1/things", json={"name": "x", "labels": labels})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["detail"].startswith("4800 values are wrong")


def test_more_json_than_is_read_is_too_large(things: TestClient) -> None:
    body = b'{"name": "x", "labels": {' + b'"a": "b",' * 2_000_000 + b"}}"
    answer = things.post("/v1/things", content=body, headers=JSON)
    assert answer.status_code == 413
    assert answer.json()["code"] == "json_too_large"
    values = b'{"name": "x", "layers": [' + b"0," * 1_000_001 + b"0]}"
    assert things.post("/v1/things", content=values, headers=JSON).json()["code"] == "too_many_values"


def test_long_input_is_never_echoed(things: TestClient) -> None:
    answer = things.post("/v1/things", json={"name": "y" * 100_000, "mode": "z" * 100_000, "u" * 100_000: 1})
    assert answer.status_code == 422
    assert len(answer.content) < 3000


@pytest.mark.parametrize("query", ["?limi=3", "?limit=3&x", "?%00=1", "?after=%00", "?%ed%a0%80=1"])
def test_a_query_that_a_route_does_not_know_is_refused(things: TestClient, query: str) -> None:
    answer = things.get(f"/v1/things{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("?")


@pytest.mark.parametrize("limit", ["0", "-1", "201", "x", "9" * 30, "9" * 5000, "1.5", "", "٣", "nan"])
def test_a_limit_that_is_none_is_refused(things: TestClient, limit: str) -> None:
    answer = things.get("/v1/things", params={"limit": limit})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "?limit"


@pytest.mark.parametrize("number", ["0", "x", "9" * 30, "9" * 5000, "%00", "%ff", "%ed%a0%80", "1/2", "٣", "..%2f"])
def test_a_path_that_no_thing_could_have_is_not_found(things: TestClient, number: str) -> None:
    answer = things.put(f"/v1/things/{number}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
