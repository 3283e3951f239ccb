import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.version import VERSION


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def operations(client: TestClient) -> list[tuple[str, str, dict[str, Any]]]:
    paths = client.get("/openapi.json").json()["paths"]
    return [(path, method, operation) for path, methods in paths.items() for method, operation in methods.items()]


def test_the_server_says_what_it_is_and_how_much_it_takes(client: TestClient) -> None:
    server = client.get("/v1").json()
    assert server["name"] == "Backprop Service"
    assert server["version"] == VERSION
    assert server["limits"]["max_body_bytes"] == 64 * 1024 * 1024


def test_the_documentation_needs_nothing_from_outside_and_runs_no_inline_script(client: TestClient) -> None:
    page = client.get("/docs")
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert re.findall(r"<script>|https?://|//[a-z]", page.text) == []
    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(files) == 4
    for file in files:
        answer = client.get(file)
        assert answer.status_code == 200
        assert len(answer.content) > 100
    assert client.get("/docs/static/swagger-ui-bundle.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("name", ["LICENSE", "..%2frouter.py", "%2e%2e/router.py", "nothing.js", "start.js%00"])
def test_no_other_file_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"/docs/static/{name}").status_code == 404


def test_requests_are_counted_by_route_and_status(client: TestClient) -> None:
    client.get("/v1")
    client.get("/v1")
    client.get("/made-up-1")
    client.get("/made-up-2")
    counted = client.get("/metrics")
    assert counted.headers["content-type"].startswith("text/plain")
    assert 'backprop_requests_total{method="GET",route="/v1",status="200"} 2.0' in counted.text
    assert 'backprop_requests_total{method="any",route="unknown",status="404"} 2.0' in counted.text
    assert "made-up" not in counted.text


def test_every_route_declares_its_problems_as_problems(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert "Problem" in schemas
    assert "HTTPValidationError" not in schemas
    for path, method, operation in operations(client):
        for status, response in operation["responses"].items():
            if status.startswith(("4", "5")) and path != "/health/ready":
                assert "application/problem+json" in response["content"], (path, method, status)


def test_every_reference_in_the_document_leads_somewhere(client: TestClient) -> None:
    document = client.get("/openapi.json")
    schemas = document.json()["components"]["schemas"]
    for name in re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', document.text.replace(": ", ":")):
        assert name in schemas


def test_every_operation_has_a_name_of_its_own_and_a_summary(client: TestClient) -> None:
    found = operations(client)
    identifiers = [operation["operationId"] for _, _, operation in found]
    assert len(set(identifiers)) == len(identifiers)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", identifier) for identifier in identifiers), identifiers
    assert all(operation["summary"] and operation["tags"] for _, _, operation in found)


def test_every_tag_is_described(client: TestClient) -> None:
    described = {tag["name"] for tag in client.get("/openapi.json").json()["tags"] if tag["description"]}
    assert {tag for _, _, operation in operations(client) for tag in operation["tags"]} <= described
