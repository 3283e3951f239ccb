"""docker-compose.yml is what Compose takes, and its commands and files are ours."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from service.settings import Settings

ROOT = Path(__file__).parents[1]
SCHEMA = json.loads((ROOT / "tests/data/compose-spec.json").read_text())


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    # Through JSON, so that anchors are resolved into plain objects.
    parsed: dict[str, Any] = json.loads(json.dumps(YAML(typ="safe").load(ROOT / "docker-compose.yml")))
    return parsed


def test_the_file_satisfies_the_schema_of_compose(compose: dict[str, Any]) -> None:
    jsonschema.validate(compose, SCHEMA)


def test_the_schema_would_notice_a_mistake(compose: dict[str, Any]) -> None:
    broken = {**compose, "services": {**compose["services"], "api": {**compose["services"]["api"], "comand": []}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, SCHEMA)


def test_services_wait_for_services_that_there_are_and_have_a_health_check(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        for awaited in service.get("depends_on", {}):
            assert "healthcheck" in services[awaited]


def test_every_variable_is_a_setting(compose: dict[str, Any]) -> None:
    settings = {f"BACKPROP_{name.upper()}" for name in Settings.model_fields}
    for name in ("api", "worker"):
        assert set(compose["services"][name]["environment"]) <= settings


def test_everything_that_is_copied_into_the_image_is_in_the_checkout(compose: dict[str, Any]) -> None:
    copied = re.findall(r"^COPY (\S+) ", compose["services"]["api"]["build"]["dockerfile_inline"], re.MULTILINE)
    assert copied
    for name in copied:
        assert (ROOT / name).exists()


def test_the_worker_can_be_scaled(compose: dict[str, Any]) -> None:
    worker = compose["services"]["worker"]
    assert not {"container_name", "ports"} & set(worker)
