import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from service.app import create_app
from service.settings import Settings

MOST = 5000


@pytest.fixture
def settings(sqlite_url: str) -> Settings:
    return Settings(database_url=sqlite_url, workers=0, max_body_bytes=MOST)


async def ask(
    app: FastAPI,
    path: str = "/v1",
    method: str = "GET",
    headers: list[tuple[bytes, bytes]] | None = None,
    *parts: bytes,
) -> dict[str, Any]:
    """The raw answer to a raw request: what no client library would send."""
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    pending = iter([*messages, {"type": "http.request", "body": b"", "more_body": False}])
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.sleep(0)
        return next(pending)

    async def send(message: Any) -> None:
        await asyncio.sleep(0)
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"host", b"localhost:8000")] if headers is None else headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    async with app.router.lifespan_context(app):
        await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return {"status": sent[0]["status"], "headers": dict(sent[0]["headers"]), "body": body}


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as running:
        yield running


def test_every_answer_has_an_id_and_guards_against_browsers(client: TestClient) -> None:
    for path in ("/v1", "/nothing", "/health/live"):
        headers = client.get(path).headers
        assert len(headers["x-request-id"]) == 16
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers


def test_a_plain_id_of_the_caller_is_kept_and_any_other_replaced(client: TestClient) -> None:
    assert client.get("/v1", headers={"X-Request-Id": "my-id.1"}).headers["x-request-id"] == "my-id.1"
    assert len(client.get("/v1", headers={"X-Request-Id": "a b"}).headers["x-request-id"]) == 16


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8000", "LOCALHOST"])
def test_on_loopback_the_machines_own_names_are_known(client: TestClient, host: str) -> None:
    assert client.get("/v1", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "", "localhost@evil", "::1"]
)
def test_on_loopback_any_other_name_is_misdirected(client: TestClient, host: str) -> None:
    answer = client.get("/v1", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["code"] == "misdirected_request"


def test_on_another_address_any_name_is_known_unless_names_are_set(sqlite_url: str) -> None:
    host = {"Host": "train.example:80"}
    with TestClient(create_app(Settings(database_url=sqlite_url, host="0.0.0.0"))) as client:
        assert client.get("/v1", headers=host).status_code == 200
    named = Settings(database_url=sqlite_url, host="0.0.0.0", allowed_hosts=["Train.example"])
    with TestClient(create_app(named)) as client:
        assert client.get("/v1", headers=host).status_code == 200
        assert client.get("/v1").status_code == 421


def test_a_page_of_another_site_may_look_but_not_change(client: TestClient) -> None:
    """A browser sends forms anywhere without asking, also to a service on its own machine."""
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert client.get("/v1", headers=foreign).status_code == 200
    answer = client.post("/v1/datasets", files={"file": b"a\n1\n"}, headers=foreign)
    assert answer.status_code == 403
    assert answer.json()["code"] == "cross_site_request"


def test_a_body_that_says_it_is_too_long_is_not_read(app: FastAPI) -> None:
    headers = [(b"host", b"localhost"), (b"content-length", b"5001")]
    answer = asyncio.run(ask(app, "/v1", "POST", headers))
    assert answer["status"] == 413
    assert answer["headers"][b"connection"] == b"close"
    assert b'"max_body_bytes":5000' in answer["body"]


def test_a_length_of_a_thousand_digits_is_too_long(app: FastAPI) -> None:
    headers = [(b"host", b"localhost"), (b"content-length", b"9" * 1000)]
    assert asyncio.run(ask(app, "/v1", "POST", headers))["status"] == 413


def test_a_body_that_turns_out_too_long_is_refused(things_app: FastAPI) -> None:
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    parts = [b'{"name": "' + b"x" * 3000, b"x" * 3000, b'"}']
    answer = asyncio.run(ask(things_app, "/v1/things", "POST", headers, *parts))
    assert answer["status"] == 413


def test_a_body_just_within_the_limit_is_read(things_app: FastAPI) -> None:
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    body = b'{"name": "x"}'.ljust(MOST)
    assert asyncio.run(ask(things_app, "/v1/things", "POST", headers, body))["status"] == 201


@pytest.mark.parametrize(
    "extra",
    [[(b"x", b"y")] * 101, [(b"x", b"y" * 40_000)], [(b"x" * 40_000, b"")]],
    ids=["many", "long value", "long name"],
)
def test_too_many_or_too_long_headers_are_refused(app: FastAPI, extra: list[tuple[bytes, bytes]]) -> None:
    answer = asyncio.run(ask(app, headers=[(b"host", b"localhost"), *extra]))
    assert answer["status"] == 431


@pytest.mark.parametrize("path", ["/v1/\x00", "/\ud800", "/v1/thing/\udfff", "", "*", "/" + "a" * 100_000, "/\u202e"])
def test_a_path_that_is_none_is_not_found(things_app: FastAPI, path: str) -> None:
    assert asyncio.run(ask(things_app, path))["status"] == 404


def test_headers_in_any_bytes_do_no_harm(things_app: FastAPI) -> None:
    names = (
        b"content-type",
        b"idempotency-key",
        b"accept",
        b"x-request-id",
        b"cookie",
        b"authorization",
        b"content-length",
    )
    for name in names:
        answer = asyncio.run(
            ask(things_app, "/v1/things", "POST", [(b"host", b"localhost"), (name, b"\xff\x80")], b"{}")
        )
        assert 400 <= answer["status"] < 500


def test_a_web_socket_is_refused(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect) as refusal:
        client.websocket_connect("/v1").__enter__()
    assert refusal.value.code == 1008


def test_nobody_writes_lines_of_his_own_into_the_log(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    asyncio.run(ask(app, "/v1/\nERROR all is lost\x1b[2J"))
    assert caplog.records[-1].getMessage() == r"GET /v1/\nERROR all is lost\x1b[2J 404"
