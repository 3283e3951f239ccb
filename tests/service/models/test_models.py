"""`/v1/models`: versions, references, export, deletion; on both databases."""

import base64
import hashlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load
from starlette.testclient import TestClient

from core.data.samples import draw_sample
from core.experiment import Experiment, ExperimentSpec, resolve
from service.jobs.ids import JOB_IDS
from service.kit.clock import now
from service.kit.database import Database
from service.kit.provenance import provenance
from service.models.names import ModelId
from service.models.use_cases import register

Json = dict[str, Any]
Register = Callable[..., ModelId]


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    """A network that could tell two circles apart, untrained."""
    network = {"layers": [{"op": "dense", "id": "h", "units": 3}, {"op": "tanh"}, {"op": "dense", "id": "o"}]}
    spec = ExperimentSpec.model_validate({"target": "class", "network": network, "epochs": 1})
    return resolve(spec, draw_sample("circles", rows=40))


@pytest.fixture
def a_model(database: Database, experiment: Experiment) -> Register:
    """Keeps the untrained network as a model, in a transaction of its own."""

    def build(name: str = "circles") -> ModelId:
        with database.writing() as session:
            return register(
                session,
                job_id=JOB_IDS.new(),
                dataset_id="ds_01jd0x9q0v5a3n8k5d9gq2h7rm",
                name=name,
                experiment=experiment,
                weights=experiment.run().final_weights(),
                scores={"training": {"loss": 0.5}},
                certificate={"passed": True},
                provenance=[provenance().model_dump(mode="json")],
                now=now(),
            )

    return build


def test_models_of_one_name_are_numbered(client: TestClient, a_model: Register) -> None:
    first, second, other = a_model(), a_model(), a_model("other")
    references = {client.get(f"/v1/models/{model}").json()["reference"] for model in (first, second, other)}
    assert references == {"circles@1", "circles@2", "other@1"}
    assert client.get("/v1/models/circles").json()["id"] == second
    assert client.get("/v1/models/circles@1").json()["id"] == first
    assert client.get("/v1/models/circles@3").status_code == 404


def test_models_that_are_kept_at_the_same_moment_get_different_versions(client: TestClient, a_model: Register) -> None:
    with ThreadPoolExecutor(8) as threads:
        models = list(threads.map(lambda _: a_model(), range(8)))
    versions = {client.get(f"/v1/models/{model}").json()["version"] for model in models}
    assert versions == set(range(1, 9))


def test_the_version_of_a_deleted_model_is_not_given_again(client: TestClient, a_model: Register) -> None:
    a_model()
    gone = a_model()
    assert client.delete(f"/v1/models/{gone}").status_code == 204
    assert client.delete(f"/v1/models/{gone}").status_code == 404
    assert client.get("/v1/models/circles").json()["version"] == 1
    assert client.get(f"/v1/models/{a_model()}").json()["version"] == 3


def test_a_name_that_is_no_token_becomes_one(client: TestClient, a_model: Register) -> None:
    assert client.get(f"/v1/models/{a_model('Größe der Kreise/2')}").json()["name"] == "Groe-der-Kreise-2"
    assert client.get(f"/v1/models/{a_model('日本')}").json()["name"] == "model"
    assert client.get(f"/v1/models/{a_model('job_x@3')}").json()["name"] == "job-x-3"


@pytest.mark.parametrize(
    "reference",
    ["mdl_1", "nobody", "circles@0", "circles@01", "circles@champion", "circles@", "@1", "circles@１", "+1", "a b",
     "job_01jd0x9q0v5a3n8k5d9gq2h7rm", "job_01jd0x9q0v5a3n8k5d9gq2h7rm@best", "job_01jd0x9q0v5a3n8k5d9gq2h7rm@-1",
     "circles@9999999999999999999999", "x" * 200, "%00"],
)  # fmt: skip
def test_what_names_no_model_is_not_found(client: TestClient, a_model: Register, reference: str) -> None:
    a_model()
    answer = client.get(f"/v1/models/{reference}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_model_shows_everything_it_consists_of(client: TestClient, a_model: Register) -> None:
    shown = client.get(f"/v1/models/{a_model()}").json()
    assert shown["spec"]["epochs"] == 1
    assert "network" not in shown["spec"]
    assert [node["id"] for node in shown["network"]["nodes"]] == ["h", "tanh_1", "o"]
    assert all("params" not in node for node in shown["network"]["nodes"])
    assert shown["network"]["losses"][0]["kind"] == "cross_entropy"
    assert shown["preparation"]["targets"]["y"]["labels"]["column"] == "class"
    assert shown["scores"] == {"training": {"loss": 0.5}}
    assert shown["certificate"]["passed"] is True
    assert shown["provenance"] == [provenance().model_dump(mode="json")]
    assert shown["parameter_count"] == 17


def test_models_are_listed_newest_first_and_by_name(client: TestClient, a_model: Register) -> None:
    models = [a_model(), a_model("other"), a_model()]
    assert [one["id"] for one in client.get("/v1/models").json()["data"]] == models[::-1]
    assert [one["id"] for one in client.get("/v1/models?name=other").json()["data"]] == [models[1]]
    page = client.get("/v1/models?limit=2").json()
    assert page["has_more"]
    assert [one["id"] for one in client.get(f"/v1/models?after={page['last_id']}").json()["data"]] == [models[0]]


def test_every_format_holds_the_same_weights(client: TestClient, a_model: Register) -> None:
    model = a_model()
    safetensors = load(client.get(f"/v1/models/{model}/export?format=safetensors").content)
    with np.load(io.BytesIO(client.get(f"/v1/models/{model}/export?format=npz").content), allow_pickle=False) as file:
        npz = dict(file)
    nodes = client.get(f"/v1/models/{model}/export?format=json").json()["nodes"]
    network = {f"{node['id']}.{name}": value for node in nodes for name, value in node.get("params", {}).items()}
    assert safetensors.keys() == npz.keys() == network.keys() == {"h.W", "h.b", "o.W", "o.b"}
    for name, tensor in safetensors.items():
        assert tensor.dtype == np.float32
        np.testing.assert_array_equal(tensor, npz[name])
        np.testing.assert_array_equal(tensor, np.asarray(network[name], np.float32))


@pytest.mark.parametrize("form", ["safetensors", "npz", "json"])
def test_an_export_carries_its_digest_and_is_the_same_every_time(
    client: TestClient, a_model: Register, form: str
) -> None:
    model = a_model()
    first, second = (client.get(f"/v1/models/{model}/export?format={form}") for _ in range(2))
    assert first.content == second.content
    digest = base64.b64encode(hashlib.sha256(first.content).digest()).decode()
    assert first.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert first.headers["content-disposition"] == f'attachment; filename="{model}.{form}"'


def test_exported_weights_have_the_digest_that_the_model_shows(client: TestClient, a_model: Register) -> None:
    model = a_model()
    content = client.get(f"/v1/models/{model}/export").content
    assert hashlib.sha256(content).hexdigest() == client.get(f"/v1/models/{model}").json()["weights_sha256"]


def test_an_exported_network_can_be_posted_back(client: TestClient, a_model: Register) -> None:
    network = client.get(f"/v1/models/{a_model()}/export?format=json").json()
    assert client.post("/v1/networks/validate", json=network).status_code == 200
    inputs = {"inputs": {"x": [[0.3, -0.4]]}, "targets": {"y": [1]}}
    of_network = client.post("/v1/inspect/gradients", json={"subject": {"network": network}, **inputs})
    of_model = client.post("/v1/inspect/gradients", json={"subject": {"model": "circles"}, **inputs})
    assert of_network.status_code == 200, of_network.text
    assert of_network.json() == of_model.json()


def test_formats_that_there_are_not_are_answered_by_those_there_are(client: TestClient, a_model: Register) -> None:
    answer = client.get(f"/v1/models/{a_model()}/export?format=onnx")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["allowed"] == ["safetensors", "npz", "json"]
